"""Every estimate of a time is, to the last bit, what its definition gives when nothing is kept or taken over."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kaoprof.records.measured import Latency
from kaoprof.stats.medians import deviation_of, estimate
from kaoprof.stats.student_t import quantile
from kaoprof.stats.timings import LEVEL, RATIO, quiet_ratio, quiet_time, typical_ratio, typical_time

ROUNDS, PROCESSES = 14, 4
NORMAL = quantile(10**6)


@st.composite
def latencies(draw):
    """Two, of a process each round, in any order; either may name no process, or no pace."""
    process_of = draw(st.lists(st.integers(0, PROCESSES - 1), min_size=ROUNDS, max_size=ROUNDS))
    return [draw(latency(process_of)) for _ in range(2)]


@st.composite
def latency(draw, process_of):
    """One, whose rounds are often all of them in order."""
    some = st.lists(st.integers(0, ROUNDS - 1), min_size=1, unique=True)
    rounds = draw(st.one_of(st.just(list(range(ROUNDS))), some))
    figures = st.lists(st.floats(1e-6, 10), min_size=len(rounds), max_size=len(rounds)).map(tuple)
    named, paced = draw(st.booleans()), draw(st.booleans())
    return Latency(
        rounds=tuple(rounds), samples_s=draw(figures), calls=1, paces=draw(figures) if paced else (),
        launches=tuple(process_of[number] for number in rounds) if named else (),
    )  # fmt: skip


def grouped(values, processes):
    return [[value for value, other in zip(values, processes, strict=True) if other == process]
            for process in dict.fromkeys(processes)]  # fmt: skip


def quiet(samples):
    return sorted(samples)[math.ceil(len(samples) / 100) - 1]


def parts(samples):
    edges = [round(len(samples) * part / 3) for part in range(4)]
    return [math.log(quiet(samples[edges[part] : edges[part + 1]])) for part in range(3)] if len(samples) >= 6 else []


def mean(values):
    return math.fsum(values) / len(values)


def student(levels):
    return quantile(len(levels) - 1) * deviation_of(levels) / math.sqrt(len(levels))


def moderated(levels, gap):
    known, expected = len(levels) - 1, max(0.02, 1 / 10 * gap)
    deviation = math.sqrt((known * deviation_of(levels) ** 2 + 2 * expected**2) / (known + 2))
    return quantile(known + 2) * deviation / math.sqrt(len(levels))


def processes_of(one):
    return one.launches or (0,) * len(one.samples_s)


def fastest(one):
    return [math.log(quiet(group)) for group in grouped(one.samples_s, processes_of(one))]


def levels_of(one):
    """Of each process, without what the least slow moment beside its three fastest samples says."""
    if not one.paces:
        return fastest(one)
    groups = zip(grouped(one.samples_s, processes_of(one)), grouped(one.paces, processes_of(one)), strict=True)
    found = []
    for samples, paces in groups:
        third = sorted(samples)[min(3, len(samples)) - 1]
        least = min(pace for sample, pace in zip(samples, paces, strict=True) if sample <= third)
        found.append(math.log(quiet(samples)) - 0.55 * math.log(max(1.0, min(2.0, least))))
    return found


def gap(one, levels):
    return math.log(estimate(one.samples_s).value) - mean(levels)


def calm(one):
    return math.log(max(1.0, sorted(one.paces)[len(one.paces) // 10])) if one.paces else None


def ends(levels, parts, runs, number, gap, calm):
    rarely = math.sqrt(100 / number)
    if calm is None:
        down = max(runs.spread, runs.blind * gap)
    else:
        down = max(runs.spread, rarely * runs.gap * gap, rarely * runs.pace * calm)
    if len(levels) >= 3:
        within = moderated(levels, gap)
    elif parts:
        within = math.hypot(student(parts), NORMAL * 0.05 / math.sqrt(len(levels)))
    else:
        return math.exp(mean(levels)), None, None
    up = max(down, min(runs.higher, gap))
    below, above = (math.hypot(within, NORMAL * unseen) for unseen in (down, up))
    return math.exp(mean(levels)), math.exp(mean(levels) - below), math.exp(mean(levels) + above)


def typical(values, processes):
    middle, ordered, rank = estimate(values), sorted(values), math.floor(0.1 * len(values))
    if middle.interval is None:
        return middle.value, None, None
    lows, highs = [middle.low, ordered[rank]], [middle.high, ordered[-1 - rank]]
    if len(set(processes)) >= 3:
        levels = [math.log(estimate(group).value) for group in grouped(values, processes)]
        lows.append(math.exp(mean(levels) - student(levels)))
        highs.append(math.exp(mean(levels) + student(levels)))
    return middle.value, min(lows), max(highs)


def cut(one, rounds, launches_of):
    at = [one.rounds.index(number) for number in rounds]
    return replace(
        one, rounds=tuple(rounds), samples_s=tuple(one.samples_s[place] for place in at),
        launches=tuple(launches_of[number] for number in rounds) if launches_of else (),
        paces=tuple(one.paces[place] for place in at) if one.paces else (),
    )  # fmt: skip


def in_common(first, other):
    told = first if first.launches else other
    rounds, launches_of = sorted({*first.rounds} & {*other.rounds}), dict(zip(told.rounds, told.launches, strict=False))
    return (cut(first, rounds, launches_of), cut(other, rounds, launches_of)) if rounds else None


def figures(found):
    return found.value, found.low, found.high


@settings(max_examples=150, deadline=None)
@given(latencies())
def test_estimates_are_what_their_definitions_say(pair):
    first, other = pair
    for one in pair:
        levels, number = levels_of(one), len(one.samples_s)
        assert figures(quiet_time(one)) == ends(
            levels, parts(one.samples_s), LEVEL, number, gap(one, levels), calm(one)
        )
        assert figures(typical_time(one)) == typical(one.samples_s, processes_of(one))
        assert quiet_time(one).processes == typical_time(one).processes == len(levels)
    common = in_common(first, other)
    if common is None:
        assert quiet_ratio(first, other) is typical_ratio(first, other) is None
        return
    above, below = common
    processes, samples = processes_of(above), (above.samples_s, below.samples_s)
    ratios = [up / down for up, down in zip(*samples, strict=True)]
    assert figures(typical_ratio(first, other)) == typical(ratios, processes)
    if samples[0] != samples[1]:
        levels = [up - down for up, down in zip(fastest(above), fastest(below), strict=True)]
        differences = [up - down for up, down in zip(*map(parts, samples), strict=True)]
        calmest = max(calm(above), calm(below)) if above.paces and below.paces else None
        most = max(gap(one, fastest(one)) for one in common)
        assert figures(quiet_ratio(first, other)) == ends(levels, differences, RATIO, len(ratios), most, calmest)
