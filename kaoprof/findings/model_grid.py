"""What a sweep of models says: throughput, which models nobody beats, how one grows with its size. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from kaoprof.findings.models import macs_of, peak_of, profile_warnings, sound_profile
from kaoprof.records.measured import VARIANT
from kaoprof.records.swept_models import ModelRow, SweptModels
from kaoprof.stats.medians import Estimate
from kaoprof.stats.power_law import MIN_POINTS, law_through
from kaoprof.stats.timings import quiet_s, quiet_time

FEW = 3  # rows that a warning names
Cost = Literal["MACs", "latency", "peak"]


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one comparison that no other beats: none is at least as good in both costs, and better in one.

    `beaten` are those that ran and are beaten; `costs` are in words what is weighed.
    """

    costs: tuple[Cost, Cost]
    best: tuple[ModelRow, ...]
    beaten: tuple[ModelRow, ...]


class ModelLaw(msgspec.Struct, frozen=True, kw_only=True):
    """How one model grows with the side of its input: exponents of MACs, peak and latency; None where none is known.

    `row` is the one at the smallest of the `sizes`.
    """

    row: ModelRow
    sizes: tuple[int, ...]
    macs: float | None
    peak: float | None
    latency: float | None


def seconds_of(row: ModelRow) -> float | None:
    """The seconds of one call that nothing disturbs."""
    return quiet_s(row.profile.latency) if row.profile.latency else None


def latency_of(row: ModelRow) -> Estimate | None:
    """The same, with its interval."""
    return quiet_time(row.profile.latency) if row.profile.latency else None


def samples_per_s(row: ModelRow) -> float | None:
    """Samples in a second, by the quiet time; None where nothing was timed, or a call's samples are not known."""
    seconds, samples = seconds_of(row), row.profile.batch
    return samples / seconds if seconds and samples else None


def macs_of_row(row: ModelRow) -> int | None:
    """MACs of one sample: counted, else of the closed form."""
    return macs_of(row.profile.total)


def peak_of_row(row: ModelRow) -> int | None:
    """The measured peak of a call, else the predicted one."""
    return peak_of(row.profile.total)


def by_comparison(rows: Iterable[ModelRow]) -> dict[tuple[object, ...], list[ModelRow]]:
    """Rows that differ in their model only, in order: models that have sizes of their own stand on other inputs."""
    grouped: dict[tuple[object, ...], list[ModelRow]] = {}
    for row in rows:
        grouped.setdefault((row.size, row.case.b, row.case.dtype, row.case.mode), []).append(row)
    return grouped


def names_of(rows: Iterable[ModelRow]) -> Callable[[ModelRow], str]:
    """What each row's model is called: by its own name, or where two specs share that, as the command named it."""
    specs: dict[str, set[str]] = {}
    for row in rows:
        specs.setdefault(row.profile.model, set()).add(row.case.model)

    def name(row: ModelRow) -> str:
        own = row.profile.model
        return own if len(specs[own]) == 1 else own.replace(own.partition(VARIANT)[0], row.case.model, 1)

    return name


def fronts(rows: Iterable[ModelRow], cost: Cost | None = None) -> list[Front]:
    """The front of each comparison in which two or more models are known: of MACs and latency, else of MACs and peak.

    Of peaks only where nothing was timed at all. A row is beaten where another needs no more MACs and is certainly
    faster: by intervals, where there are any. A `cost` that is named is weighed, or none.
    """
    rows = list(rows)
    cost = cost or ("latency" if any(row.profile.latency for row in rows) else "peak")
    members = ([row for row in several if macs_of_row(row) is not None] for several in by_comparison(rows).values())
    return [front for several in members if (front := _front(several, cost)) is not None]


def key_of(row: ModelRow) -> tuple[object, ...]:
    """What no other row of its record has: its case, and its model's name, which says how it ran."""
    return (*row.case.cell, row.profile.model)


def unbeaten_of(rows: Iterable[ModelRow]) -> set[tuple[object, ...]]:
    """The keys of the rows that no other beats; none where nobody is beaten at all, on no input."""
    weighed = fronts(rows)
    beaten = any(front.beaten for front in weighed)
    return {key_of(row) for front in weighed if beaten for row in front.best}


class _Weighed(NamedTuple):
    """A row with its MACs, and the least and most that its other cost may be."""

    row: ModelRow
    macs: int
    low: float
    high: float


def _front(rows: Sequence[ModelRow], cost: Cost) -> Front | None:
    span = _seconds_span if cost == "latency" else _peak_span
    weighed = [_Weighed(row, macs_of_row(row) or 0, *ends) for row in rows if (ends := span(row)) is not None]
    if len(weighed) < 2:  # noqa: PLR2004 - nobody is beaten who is alone
        return None
    best: list[_Weighed] = []
    lost: list[ModelRow] = []
    for mine in weighed:
        if any(other.macs <= mine.macs and other.high < mine.low for other in weighed):
            lost.append(mine.row)
        else:
            best.append(mine)
    best.sort(key=lambda mine: mine.macs)
    return Front(costs=("MACs", cost), best=tuple(mine.row for mine in best), beaten=tuple(lost))


def fastest_of(rows: Iterable[ModelRow]) -> list[ModelRow]:
    """Those of which no other is certainly faster, the fastest first: several, if intervals do not tell them apart."""
    timed = [(row, ends) for row in rows if (ends := _seconds_span(row)) is not None]
    least = min((high for _, (_, high) in timed), default=0.0)
    return sorted((row for row, (low, _) in timed if low <= least), key=lambda row: seconds_of(row) or 0.0)


def _seconds_span(row: ModelRow) -> tuple[float, float] | None:
    latency = latency_of(row)
    return None if latency is None else latency.interval or (latency.value, latency.value)


def _peak_span(row: ModelRow) -> tuple[float, float] | None:
    peak = peak_of_row(row)
    return None if peak is None else (peak, peak)


def side_of(row: ModelRow) -> int | None:
    """The side of its input, where that is square, or has one axis."""
    return row.size[0] if row.size and len(set(row.size)) == 1 else None


def model_laws(rows: Iterable[ModelRow]) -> list[ModelLaw]:
    """How each model grows with the side of its input, at 3 sizes or more."""
    lines: dict[tuple[object, ...], dict[int, ModelRow]] = {}
    for row in rows:
        if side := side_of(row):
            key = (row.case.model, row.profile.model, row.case.b, row.case.dtype, row.case.mode)
            lines.setdefault(key, {})[side] = row
    return [_law(dict(sorted(line.items()))) for line in lines.values() if len(line) >= MIN_POINTS]


def _law(line: dict[int, ModelRow]) -> ModelLaw:
    def exponent(quantity: Callable[[ModelRow], float | None]) -> float | None:
        values = {size: value for size, row in line.items() if (value := quantity(row))}
        return law_through(values).exponent if len(values) >= MIN_POINTS else None

    first = next(iter(line.values()))
    return ModelLaw(
        row=first, sizes=tuple(line), macs=exponent(macs_of_row), peak=exponent(peak_of_row),
        latency=exponent(seconds_of),
    )  # fmt: skip


def grid_warnings(record: SweptModels) -> list[str]:
    """What a careful reader must know, each a sentence, once for all rows that it concerns."""
    concerned: dict[str, list[str]] = {}
    for row in record.rows:
        for text in profile_warnings(record.profile_of(row)):
            named, separator, what = text.partition(": ")
            said = what if separator and named == row.profile.model else text
            concerned.setdefault(said, []).append(row.case.setting)
    return [f"{_named(settings)}: {text}" for text, settings in concerned.items()]


def _named(settings: Sequence[str]) -> str:
    shown = "; ".join(settings[:FEW])
    return shown if len(settings) <= FEW else f"{shown} and {len(settings) - FEW} more"


def sound_grid(record: SweptModels) -> bool:
    """Whether no model failed, no count disagrees and none is incomplete."""
    return all(sound_profile(record.profile_of(row)) for row in record.rows)
