"""Whether a time changed between two runs: levels, the machine's drift, and the spread between runs. Pure.

All is done on logarithms, so that a difference is a ratio. Rounds of two runs are not paired. Within a run quiet times
stand for the rows, so that spells of noise do not count; between runs a machine that is slower as a whole is told from
a row that is slower than its neighbours, run by run and process by process; and how much runs differ otherwise is
learnt from all rows together.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kaoprof.records.measured import Latency
from kaoprof.stats.student_t import CONFIDENCE, moderated, quantile
from kaoprof.stats.timings import quiet_levels, unseen_spread

FEWEST_NEIGHBOURS = 5  # operators from which on a common factor is told from a change: two may change unnoticed
RUN_SPREAD = 0.0125  # least standard deviation of a level between runs: where memory happens to lie, clocks, heat
UNKNOWN_SPREAD = 0.08  # the same where too few rows teach it: what runs on a shared machine differed by
CONTENDED_SPREAD = 0.4  # where other programs had our cores: all of a run, or one row, may take half or twice the time
PRIOR_FREEDOM = 4  # how many launches' worth of trust the other rows' spread between launches gets
MEDIAN_OF_NORMAL = 0.6745  # of |x|, for a standard normal x
MEDIAN_VARIANCE = math.pi / 2  # of a median, in those of a mean
FREEDOM = 8  # of Student's t: three launches in each of two runs leave 4, what other rows teach adds as many
MEDIAN_SHARE = 0.69  # the median of a variance between three launches, in those of its mean
SPREAD_STEPS = 60  # of halving: the spread is then known far better than it matters
MOST_SPREAD = 4.0  # beyond it runs have nothing in common

Cell = Mapping[str, Latency]  # by the row's name; measured in common rounds


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """The logarithm of a row's quiet time in one run; `variance` is None where too few samples tell.

    `beside` is the variance of what is left without what the rows have in common, launch by launch. `freedom` are the
    degrees of freedom of a variance between launches; 0 where there was one launch. `unseen` is the variance that no
    sample of the run can show: of the machine's state, which rows have in common.
    """

    log_s: float
    variance: float | None
    beside: float | None
    freedom: int
    unseen: float = 0.0


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """The change of one row, as a logarithm, and its standard error; None where too few samples tell."""

    name: str
    log_ratio: float
    error: float | None


class Shifts(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of two runs, by cell. `drifts` are logarithms, None where too few rows tell.

    `removed` says where the drift is taken away, `learned` whether the spread between runs comes from these rows.
    """

    cells: Mapping[str, Sequence[Shift]]
    drifts: Mapping[str, float | None]
    removed: Mapping[str, bool]
    run_spread: float
    learned: bool

    def interval(self, shift: Shift, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """The interval of new over old time; None where there is none."""
        if shift.error is None:
            return None
        margin = quantile(FREEDOM, confidence) * shift.error
        return math.exp(shift.log_ratio - margin), math.exp(shift.log_ratio + margin)

    def joint_interval(self, shift: Shift) -> tuple[float, float] | None:
        """The interval that holds for all rows together: Bonferroni's."""
        count = sum(map(len, self.cells.values()))
        return self.interval(shift, 1 - (1 - CONFIDENCE) / max(count, 1))

    @property
    def common(self) -> Shift | None:
        """How all rows together changed, on the mean of logarithms; None if there is none.

        What two runs have in common is never known better than they are alike.
        """
        rows = [shift for members in self.cells.values() for shift in members]
        if not rows:
            return None
        errors = [shift.error for shift in rows if shift.error is not None]
        own = math.sqrt(sum(error**2 for error in errors)) / len(rows)
        error = math.hypot(own, self.run_spread) if len(errors) == len(rows) else None
        return Shift(name="", log_ratio=statistics.fmean(shift.log_ratio for shift in rows), error=error)


def shifts_between(
    old: Mapping[str, Cell], new: Mapping[str, Cell], *, remove_drift: bool, contended: bool = False
) -> Shifts:
    """How the rows that both runs timed changed, cell by cell.

    Args:
        old: the cells of the old run by name, each with its rows.
        new: those of the new run.
        remove_drift: whether what a cell's rows have in common counts as the machine's.
        contended: whether other programs had the cores in one of the runs.
    """
    levels = [
        {
            cell: levels_of({name: latency for name, latency in rows.items() if name in other.get(cell, {})})
            for cell, rows in run.items()
        }
        for run, other in ((old, new), (new, old))
    ]
    before, after = (_pooled(run) for run in levels)
    raw = _shifts(before, after, alone=False)
    drifts = _drifts(raw)
    beside = {
        cell: [replace(shift, log_ratio=shift.log_ratio - (drifts[cell] or 0.0)) for shift in rows]
        for cell, rows in raw.items()
    }
    learned = any(drift is not None for drift in drifts.values())
    spread = _spread([shift for rows in beside.values() for shift in rows]) if learned else UNKNOWN_SPREAD
    if contended and spread < CONTENDED_SPREAD:
        spread, learned = CONTENDED_SPREAD, False
    removed = {cell: remove_drift and drift is not None for cell, drift in drifts.items()}
    shown = {
        cell: _with_errors(beside[cell] if removed[cell] else alone, spread, centred=removed[cell])
        for cell, alone in _shifts(before, after, alone=True).items()
    }
    return Shifts(cells=shown, drifts=drifts, removed=removed, run_spread=spread, learned=learned)


def levels_of(rows: Cell) -> dict[str, Level]:
    """The level of each row: the logarithm of its quiet time, which what only disturbs hardly moves.

    With several launches these are the sample: processes differ more than what one of them shows of itself.
    """
    seen = {name: quiet_levels(latency) for name, latency in rows.items()}
    left = _left({name: by_launch for name, (by_launch, _) in seen.items()})

    def level(name: str) -> Level:
        by_launch, parts = seen[name]
        alone, beside = (list(levels.values()) if len(levels) > 1 else parts for levels in (by_launch, left[name]))
        return Level(
            log_s=statistics.fmean(by_launch.values()),
            variance=_of_mean(alone),
            beside=_of_mean(beside),
            freedom=len(by_launch) - 1,
            unseen=unseen_spread(rows[name]) ** 2,
        )

    return {name: level(name) for name in rows}


def _left(rows: Mapping[str, Mapping[int, float]]) -> Mapping[str, Mapping[int, float]]:
    """Each row's level by launch, without what the rows of a launch have in common; as it is where too few tell."""
    launches = set.intersection(*map(set, rows.values())) if len(rows) >= FEWEST_NEIGHBOURS else set()
    if len(launches) <= 1:
        return rows
    means = {name: statistics.fmean(levels[launch] for launch in launches) for name, levels in rows.items()}
    common = {
        launch: statistics.median(levels[launch] - means[name] for name, levels in rows.items()) for launch in launches
    }
    return {name: {launch: levels[launch] - common[launch] for launch in launches} for name, levels in rows.items()}


def _of_mean(sample: Sequence[float]) -> float | None:
    """The variance of the mean; None where too few tell."""
    return statistics.variance(sample) / len(sample) if len(sample) > 1 else None


def _pooled(run: Mapping[str, Mapping[str, Level]]) -> dict[str, dict[str, Level]]:
    """Variances between two or three launches are guesses: each is drawn towards what is typical of all rows."""
    levels = [level for rows in run.values() for level in rows.values() if level.freedom]
    alone, beside = _typical([level.variance for level in levels]), _typical([level.beside for level in levels])

    def drawn(level: Level, variance: float | None, typical: float) -> float | None:
        if not level.freedom or variance is None or not typical:
            return variance
        return moderated(level.freedom * variance, level.freedom, typical, PRIOR_FREEDOM)

    return {
        cell: {
            name: replace(
                level, variance=drawn(level, level.variance, alone), beside=drawn(level, level.beside, beside)
            )
            for name, level in rows.items()
        }
        for cell, rows in run.items()
    }


def _typical(variances: Sequence[float | None]) -> float:
    """Of variances between launches; 0 where nobody knows any."""
    known = [variance for variance in variances if variance]
    return statistics.median(known) / MEDIAN_SHARE if known else 0.0


def _shifts(
    before: Mapping[str, Mapping[str, Level]], after: Mapping[str, Mapping[str, Level]], *, alone: bool
) -> dict[str, list[Shift]]:
    """How each row changed, as measured; how surely beside its cell's rows, or `alone`, the machine in any state."""

    def error(*levels: Level) -> float | None:
        variances = [level.variance if alone else level.beside for level in levels]
        known = [variance for variance in variances if variance is not None]
        unseen = sum(level.unseen for level in levels) if alone else 0.0
        return math.sqrt(sum(known) + unseen) if len(known) == len(levels) else None

    return {
        cell: [
            Shift(name=name, log_ratio=after[cell][name].log_s - level.log_s, error=error(level, after[cell][name]))
            for name, level in rows.items()
        ]
        for cell, rows in before.items()
        if rows
    }


def _drifts(cells: Mapping[str, Sequence[Shift]]) -> dict[str, float | None]:
    """Each cell's common factor: the median over its rows, or where they are few that over all rows of all cells."""
    everywhere = [shift.log_ratio for rows in cells.values() for shift in rows]
    names = {shift.name for rows in cells.values() for shift in rows}
    overall = statistics.median(everywhere) if len(names) >= FEWEST_NEIGHBOURS else None
    return {
        cell: statistics.median(shift.log_ratio for shift in rows) if len(rows) >= FEWEST_NEIGHBOURS else overall
        for cell, rows in cells.items()
    }


def _with_errors(rows: Sequence[Shift], spread: float, *, centred: bool) -> list[Shift]:
    """With the spread between runs in each error; and with that of the drift, a median of few rows, if it was taken."""
    own = [shift.error**2 + spread**2 for shift in rows if shift.error is not None]
    drift = MEDIAN_VARIANCE * statistics.median(own) / len(own) if centred and own else 0.0
    return [
        shift if shift.error is None else replace(shift, error=math.sqrt(shift.error**2 + spread**2 + drift))
        for shift in rows
    ]


def _spread(shifts: Sequence[Shift]) -> float:
    """The spread between runs that makes half of the rows lie where half of a normal distribution does.

    What a few changed rows do is then no matter.
    """
    known = [(shift.log_ratio, shift.error) for shift in shifts if shift.error is not None]

    def too_small(spread: float) -> bool:
        typical = statistics.median(abs(shift) / math.hypot(error, spread) for shift, error in known)
        return typical > MEDIAN_OF_NORMAL

    low, high = RUN_SPREAD, MOST_SPREAD
    if not known or not too_small(low):
        return RUN_SPREAD
    for _ in range(SPREAD_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return high
