"""Answers in measured time: the largest size within a time, and from which size on one operator is faster."""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import partial

from kaoprof.fitting.exact import LARGEST_SIZE, largest_within, needed_macs
from kaoprof.fitting.stopwatch import Contender, Stopwatch
from kaoprof.records.fit import FitRow, TimedRatio, TimedSize
from kaoprof.records.measured import Latency
from kaoprof.stats.power_law import PowerLaw, fitted, objection
from kaoprof.stats.timings import quiet_ratio, quiet_s, quiet_time
from kaoprof.units import format_seconds

PILOT_MACS_PER_S = 1e9  # a slow machine's rate: the first size tried takes about the limit or less
MOST_STEPS = 6  # of choosing new sizes, each from what was measured before
GROWTH = 4.0  # the largest factor from one measured size to the next
BEYOND = 1.15  # how far a new size aims beyond the estimated answer, so that it is bracketed
CLOSE = 1.3  # sizes within this factor are neighbours: nothing is measured between them
EXPONENTS = (1.0, 6.0)  # of a size, as far as sizes are chosen by it
MOST_UNSURE = 2.0  # the largest interval, high over low, that is still an answer
LADDER_START = 4  # the smallest size at which two operators are raced
HOPELESS = 5.0  # so many times slower than its operator's best, an implementation is not raced on
SLOWEST_SHARE = 0.05  # of the budget: a race ends where a single call takes more


def time_fits(contenders: Sequence[Contender], limit_s: float, watch: Stopwatch, budget_s: float) -> None:
    """Measures each contender at sizes around its answer."""
    wanted = [(contender, size) for contender in contenders for size in _pilots(contender, limit_s, watch)]
    for _ in range(MOST_STEPS):
        if not wanted:
            return
        watch.time(wanted, budget_s / MOST_STEPS)
        wanted = [(each, size) for each in contenders for size in _more_sizes(each, limit_s, watch)]


def _pilots(contender: Contender, limit_s: float, watch: Stopwatch) -> tuple[int, ...]:
    step = watch.setting.step(watch.axis)
    macs = needed_macs(contender.operator, watch.axis, watch.setting)
    allowed = int(limit_s * PILOT_MACS_PER_S)
    first = max(1, largest_within(lambda count: macs(count * step), allowed, LARGEST_SIZE // step))
    return tuple({first * step, max(1, first // 2) * step})


def _more_sizes(contender: Contender, limit_s: float, watch: Stopwatch) -> tuple[int, ...]:
    seconds = quiet_times(contender, watch)
    wall = watch.wall(contender)
    within = [size for size, taken in seconds.items() if taken <= limit_s]
    beyond = [size for size, taken in seconds.items() if taken > limit_s]
    step = watch.setting.step(watch.axis)
    if not seconds:
        return ()
    if within and beyond:
        wanted = _between(max(within), min(beyond))
    elif beyond:
        wanted = _between(step, min(beyond)) or (float(step),)
        wanted = tuple(size for size in (min(beyond) / GROWTH, *wanted) if size < min(beyond))
    elif wall:
        wanted = _between(max(within), wall[0])
    else:
        factor = _growth(seconds, limit_s)
        wanted = (max(within) * math.sqrt(factor), max(within) * factor)
    rounded = {max(step, round(size / step) * step) for size in wanted}
    return tuple(sorted(size for size in rounded if (contender, size) not in watch.timed))


def _between(low: float, high: float) -> tuple[float, ...]:
    if high / low <= CLOSE:
        return ()
    return (low * (high / low) ** (1 / 3), low * (high / low) ** (2 / 3))


def _growth(seconds: Mapping[int, float], limit_s: float) -> float:
    """By which factor the largest size must grow to take the limit, judged by the last two sizes."""
    *_, last = sorted(seconds)
    exponent = EXPONENTS[0]
    if len(seconds) > 1:
        before = sorted(seconds)[-2]
        exponent = math.log(seconds[last] / seconds[before]) / math.log(last / before)
    exponent = min(max(exponent, EXPONENTS[0]), EXPONENTS[1])
    needed: float = (limit_s / seconds[last]) ** (1 / exponent)
    return min(GROWTH, max(CLOSE, BEYOND * needed))


def quiet_times(contender: Contender, watch: Stopwatch) -> dict[int, float]:
    """Size -> seconds of an undisturbed call, smallest size first."""
    return {timed.size: timed.seconds for timed in timed_sizes(contender, watch)}


def timed_sizes(contender: Contender, watch: Stopwatch) -> tuple[TimedSize, ...]:
    """What was measured of one contender, smallest size first."""
    seen = {size: quiet_time(latency) for size, latency in watch.latencies(contender).items()}
    return tuple(
        TimedSize(size=size, seconds=latency.value, low_s=latency.low, high_s=latency.high, samples=latency.samples)
        for size, latency in seen.items()
    )


def fit_row(contender: Contender, limit_s: float, watch: Stopwatch) -> FitRow:
    """The answer for one contender, or why there is none."""
    timed = timed_sizes(contender, watch)
    seconds = {point.size: point.seconds for point in timed}
    wall = watch.wall(contender)
    step = watch.setting.step(watch.axis)

    row = partial(FitRow, operator=contender.operator, implementation=contender.implementation, timed=timed)
    if seconds.get(step, 0.0) > limit_s:
        detail = f"a call at {watch.axis}={step} takes {format_seconds(seconds[step])}"
        return row(status="nothing", detail=detail, next_size=step, next_needed=seconds[step])
    law = fitted(seconds, limit_s)
    against = objection(law, limit_s, watch.axis)
    if law is None or against is not None:
        because = f"; {watch.axis}={wall[0]} could not be measured: {wall[1]}" if wall else ""
        return row(status="refused", detail=f"{against}{because}")
    floor, ceiling = bracket(timed, limit_s)
    low, largest, high = (
        min(max(math.floor(size / step) * step, floor, step), ceiling)
        for size in (law.interval(limit_s)[0], law.size(limit_s), law.interval(limit_s)[1])
    )
    if high > MOST_UNSURE * low:
        scatter = f"the points scatter: by them it is anything from {watch.axis}={low} to {high}"
        return row(status="refused", detail=scatter)
    support = _support(law, largest, watch.axis)
    if largest != max(step, math.floor(law.size(limit_s) / step) * step):  # the neighbours know better than the law
        support = f"held between its measured neighbours, against the law: {support}"
        return row(detail=support, largest=largest, low=low, high=high, next_size=largest + step)
    return row(
        detail=support, largest=largest, needed=law.seconds(largest), low=low, high=high, next_size=largest + step,
        next_needed=law.seconds(largest + step),
    )  # fmt: skip


def bracket(timed: Sequence[TimedSize], limit_s: float) -> tuple[int, int]:
    """The largest size certainly within the limit, and the last one before the smallest that is certainly beyond it."""
    within = [point.size for point in timed if point.high_s is not None and point.high_s <= limit_s]
    beyond = [point.size for point in timed if point.low_s is not None and point.low_s > limit_s]
    floor = max((size for size in within if size < min(beyond, default=math.inf)), default=0)
    return floor, min((size - 1 for size in beyond), default=LARGEST_SIZE)


def _support(law: PowerLaw, largest: int, axis: str) -> str:
    measured = f"{law.points} sizes from {law.smallest} to {law.largest}, time as {axis}^{law.exponent:.1f} there"
    if largest > law.largest:
        return f"extrapolated {largest / law.largest:.2f}x beyond {measured}"
    if largest < law.smallest:
        return f"extrapolated {law.smallest / largest:.2f}x below {measured}"
    return f"interpolated between {measured}"


def race(first: Sequence[Contender], second: Sequence[Contender], watch: Stopwatch, budget_s: float) -> None:
    """Measures both at doubling sizes as far as the budget allows, then more closely where the faster one changes."""
    deadline = watch.session.clock() + budget_s
    step = watch.setting.step(watch.axis)
    size = LADDER_START * step
    running = [*first, *second]
    while size <= LARGEST_SIZE and watch.session.clock() < deadline:
        watch.time([(contender, size) for contender in running], SLOWEST_SHARE * budget_s)
        running = [each for each in running if _is_in_the_race(each, size, first if each in first else second, watch)]
        slowest = max((quiet_times(each, watch)[size] for each in running), default=math.inf)
        if slowest > SLOWEST_SHARE * budget_s or not {*first} & {*running} or not {*second} & {*running}:
            break
        size *= 2
    ratios = timed_ratios(first, second, watch)
    for before, after in itertools.pairwise(ratios):
        if (before.ratio > 1) != (after.ratio > 1):
            between = {round(size / step) * step for size in _between(before.size, after.size)}
            watch.time(
                [(each, size) for size in sorted(between) for each in (*first, *second)], SLOWEST_SHARE * budget_s
            )


def _is_in_the_race(contender: Contender, size: int, rivals: Sequence[Contender], watch: Stopwatch) -> bool:
    best = min((quiet_times(rival, watch).get(size, math.inf) for rival in rivals), default=math.inf)
    return quiet_times(contender, watch).get(size, math.inf) <= HOPELESS * best < math.inf


def timed_ratios(first: Sequence[Contender], second: Sequence[Contender], watch: Stopwatch) -> tuple[TimedRatio, ...]:
    """The first's time over the second's at every size where both were timed, smallest size first."""
    compared = []
    for size in sorted({size for _, size in watch.timed}):
        left, right = (_fastest(contenders, size, watch) for contenders in (first, second))
        if left is None or right is None:
            continue
        ratio = quiet_ratio(left[1], right[1])
        if ratio is not None:
            compared.append(
                TimedRatio(size=size, first=left[0].name, second=right[0].name, ratio=ratio.value, low=ratio.low,
                           high=ratio.high, samples=ratio.samples)
            )  # fmt: skip
    return tuple(compared)


def _fastest(contenders: Sequence[Contender], size: int, watch: Stopwatch) -> tuple[Contender, Latency] | None:
    timed = [(contender, latency) for contender in contenders if (latency := watch.latency(contender, size))]
    return min(timed, key=lambda pair: quiet_s(pair[1]), default=None)
