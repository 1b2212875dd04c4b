"""Claim 2: a factor of hundreds, on paper and measured, against the best regular attention."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from kaoprof.dims import Dims
from kaoprof.findings.growth import crossovers
from kaoprof.findings.operators import peak_bytes
from kaoprof.records.compare import Row
from kaoprof.records.fit import TimedRatio
from kaoprof.records.reproduce import CONFIRMED, REFUTED, UNDECIDED, ClaimVerdict
from kaoprof.reproducing import paper
from kaoprof.reproducing.growth_claims import NOT_MEASURED
from kaoprof.reproducing.square_images import is_square_image, together
from kaoprof.reproducing.tables import factor
from kaoprof.units import format_ratio, three_digits

ORDERS_TRIED = (14, 14, 14)  # a cube with the side of the paper's smallest image


def factor_on_paper(number: str, claim: str, quantity: str) -> ClaimVerdict:
    """Claim 2 by the closed form: `quantity` is `macs` or `map_entries`."""
    factors = {size: factor(_image(size), quantity) for size in paper.SIZES}
    return ClaimVerdict(
        number=number,
        claim=claim,
        status=CONFIRMED if factors[paper.SIZES[-1]] >= paper.FACTOR else REFUTED,
        found=f"{paper.BEST} by formula: {_factors(factors)}",
        rule=f"at the paper's largest size it is at least {paper.FACTOR}",
        title=claim,
        figures=_factors({size: value for size, value in factors.items() if size == paper.SIZES[-1]}),
    )


def _factors(factors: Mapping[int, float]) -> str:
    return ", ".join(f"{format_ratio(value)} at h={size}" for size, value in factors.items())


def _image(size: int) -> Dims:
    return Dims(b=paper.BATCH, c=paper.CHANNELS, spatial=(size, size))


def larger_for_larger() -> ClaimVerdict:
    """Claim 2's second half: the factor grows with the size, and with the number of axes."""
    found, right = [], True
    cube = Dims(b=paper.BATCH, c=paper.CHANNELS, spatial=ORDERS_TRIED)
    for name, quantity in (("MACs", "macs"), ("coefficients", "map_entries")):
        factors = [factor(_image(size), quantity) for size in paper.SIZES]
        higher = factor(cube, quantity)
        right = right and factors == sorted(factors) and higher > factor(_image(ORDERS_TRIED[0]), quantity)
        found.append(
            f"{name}: {' < '.join(map(format_ratio, factors))}; {format_ratio(higher)} at {ORDERS_TRIED[0]}^3 against "
            f"{format_ratio(factors[0])} at {ORDERS_TRIED[0]}^2"
        )
    return ClaimVerdict(
        number="2c",
        claim="the factor is larger for larger and higher-order inputs",
        status=CONFIRMED if right else REFUTED,
        found="; ".join(found),
        rule="by formula it grows from each of the paper's sizes to the next, and from a square to a cube of its side",
        title="the factor grows with size and axes",
        figures=found[0].partition(": ")[2].partition(";")[0],
    )


def factor_of_time(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 2 for measured time, against the fastest implementation of regular attention."""
    known = [ratio for ratio in _race(rows) if ratio.low is not None and ratio.high is not None]
    return _against_the_best(
        [row for row in rows if row.latency is not None],
        ClaimVerdict(
            number="2d",
            claim="measured time: a factor of hundreds against the best regular attention",
            status=_factor_status([(ratio.low or 0.0, ratio.high or 0.0) for ratio in known]),
            found=", ".join(map(_raced, known)) or "measured at fewer than 3 sizes often enough",
            rule=RULE,
            title="time: hundreds, against the best nonlocal",
            figures=f"{format_ratio(known[-1].ratio)} at h={known[-1].size}" if known else NOT_MEASURED,
        ),
    )


def _against_the_best(known: Sequence[Row], verdict: ClaimVerdict) -> ClaimVerdict:
    """The verdict; but against explicit attention alone, which fused attention beats, nothing is confirmed."""
    if verdict.status != CONFIRMED or any(map(_is_fused_baseline, known)):
        return verdict
    missing = "fused regular attention, which may be better, was not measured"
    return replace(verdict, status=UNDECIDED, found=f"{verdict.found}; {missing}")


def _is_fused_baseline(row: Row) -> bool:
    """Whether regular attention ran through a kernel that holds no map: torch's plain form goes by the same call."""
    case = row.case
    return case.operator == paper.BASELINE and case.options.implementation == "sdpa" and row.backend != "math"


def _raced(ratio: TimedRatio) -> str:
    interval = f"{three_digits(ratio.low or 0.0)}-{three_digits(ratio.high or 0.0)}"
    return f"{format_ratio(ratio.ratio)} ({interval}) at h={ratio.size}"


RULE = (
    f"at the largest size measured: confirmed if the 95 % interval lies at {paper.FACTOR} or above; refuted if it lies "
    "below and the factor does not grow surely from the smallest size to the largest; else larger sizes may decide"
)


def _race(rows: Sequence[Row]) -> tuple[TimedRatio, ...]:
    """Regular attention's time over the best operator's, at each size."""
    rivals = (paper.BASELINE, paper.BEST)
    kept = [row for growth in together(rows) for row in growth.line.rows.values() if row.case.operator in rivals]
    races = [crossover.verdict for crossover in crossovers(kept) if is_square_image(crossover.line)]
    return races[0].ratios if races else ()


def _factor_status(intervals: Sequence[tuple[float, float]]) -> str:
    """By the rule; intervals from the smallest size to the largest."""
    if not intervals:
        return UNDECIDED
    if intervals[-1][0] >= paper.FACTOR:
        return CONFIRMED
    grows = intervals[-1][0] > intervals[0][1]
    return REFUTED if intervals[-1][1] < paper.FACTOR and not grows else UNDECIDED


def factor_of_memory(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 2 for peak memory, against the leanest implementation of regular attention."""
    lean = {name: _leanest(rows, name) for name in (paper.BASELINE, paper.BEST)}
    sizes = sorted(set(lean[paper.BASELINE]) & set(lean[paper.BEST]))
    peaks = {size: [lean[name][size][0] for name in lean] for size in sizes}
    factors = {size: baseline / max(best, 1) for size, (baseline, best) in peaks.items()}
    status, orders = UNDECIDED, ""
    if sizes:
        grow = [lean[name][sizes[-1]][1] for name in lean]
        orders = f"; their peaks are of order h^{grow[0]} and h^{grow[1]}"
        below = REFUTED if grow[0] <= grow[1] else UNDECIDED
        status = CONFIRMED if factors[sizes[-1]] >= paper.FACTOR else below
    return _against_the_best(
        [row for row in rows if peak_bytes(row) is not None],
        ClaimVerdict(
            number="2e",
            claim="peak memory: a factor of hundreds against the leanest regular attention",
            status=status,
            found=f"{_factors(factors)}{orders}" if factors else "peak memory at fewer than 3 sizes",
            rule=(
                f"at the largest size: confirmed if it is at least {paper.FACTOR}; refuted if it is less and both "
                "peaks are of the same order, so that it stays bounded; else larger sizes may decide"
            ),
            title="peak memory: hundreds, against the leanest",
            figures=_factors({sizes[-1]: factors[sizes[-1]]}) if sizes else NOT_MEASURED,
        ),
    )


def _leanest(rows: Sequence[Row], operator: str) -> dict[int, tuple[int, int]]:
    """By size, the least peak of the operator's implementations, and the order of its growth."""
    leanest: dict[int, tuple[int, int]] = {}
    for growth in together(rows):
        law = growth.laws.get("memory")
        if law is None or growth.line.case.operator != operator:
            continue
        for size, row in growth.line.rows.items():
            peak = peak_bytes(row)
            if peak is not None:
                leanest[size] = min(leanest.get(size, (peak, law.theory)), (peak, law.theory))
    return leanest
