"""What a sweep of models says: throughput, which models nobody beats, how one grows with its size. Pure."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from kaoprof.findings.models import macs_of, peak_of, profile_warnings, sound_profile
from kaoprof.records.swept_models import ModelRow, SweptModels
from kaoprof.stats.medians import Estimate
from kaoprof.stats.power_law import MIN_POINTS, law_through
from kaoprof.stats.timings import quiet_s, quiet_time

FEW = 3  # rows that a warning names


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one comparison that no other beats: none is at least as good in both costs, and better in one.

    `beaten` are those that ran and are beaten; `costs` are in words what is weighed.
    """

    costs: tuple[str, str]
    best: tuple[ModelRow, ...]
    beaten: tuple[ModelRow, ...]


class ModelLaw(msgspec.Struct, frozen=True, kw_only=True):
    """How one model grows with the side of its input: exponents of MACs, peak and latency; None where none is known."""

    model: str
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
    """Samples in a second, by the quiet time; None where nothing was timed, or nobody knows how many samples a call has."""
    seconds, samples = seconds_of(row), row.profile.batch
    return samples / seconds if seconds and samples else None


def macs_of_row(row: ModelRow) -> int | None:
    """MACs of one sample: counted, else of the closed form."""
    return macs_of(row.profile.total)


def peak_of_row(row: ModelRow) -> int | None:
    """The measured peak of a call, else the predicted one."""
    return peak_of(row.profile.total)


def by_comparison(rows: Iterable[ModelRow]) -> dict[tuple[object, ...], list[ModelRow]]:
    """Rows that differ in their model only, in order."""
    grouped: dict[tuple[object, ...], list[ModelRow]] = {}
    for row in rows:
        grouped.setdefault(row.case.comparison, []).append(row)
    return grouped


def fronts(rows: Iterable[ModelRow]) -> list[Front]:
    """The front of each comparison in which two or more models were timed; without any time, of MACs and peak memory.

    A row is beaten where another needs no more MACs and is certainly faster: by intervals, where there are any.
    """
    found = []
    for members in by_comparison(rows).values():
        timed = [row for row in members if seconds_of(row) is not None and macs_of_row(row) is not None]
        counted = [row for row in members if peak_of_row(row) is not None and macs_of_row(row) is not None]
        costs, weighed = (("MACs", "latency"), timed) if timed else (("MACs", "peak"), counted)
        if len(weighed) > 1:
            beats = _is_faster if timed else _is_leaner
            lost = [
                row for row in weighed if any(_macs(other) <= _macs(row) and beats(other, row) for other in weighed)
            ]
            best = sorted((row for row in weighed if row not in lost), key=_macs)
            found.append(Front(costs=costs, best=tuple(best), beaten=tuple(lost)))
    return found


def _macs(row: ModelRow) -> int:
    return macs_of_row(row) or 0


def _is_faster(row: ModelRow, than: ModelRow) -> bool:
    one, other = latency_of(row), latency_of(than)
    if one is None or other is None:
        return False
    return (one.value if one.high is None else one.high) < (other.value if other.low is None else other.low)


def _is_leaner(row: ModelRow, than: ModelRow) -> bool:
    return (peak_of_row(row) or 0) < (peak_of_row(than) or 0)


def model_laws(rows: Iterable[ModelRow]) -> list[ModelLaw]:
    """How each model grows with the side of its input, where that was square, or had one axis, at 3 sizes or more."""
    lines: dict[tuple[object, ...], dict[int, ModelRow]] = {}
    for row in rows:
        if row.size and len(set(row.size)) == 1:
            key = (row.profile.model, row.case.b, row.case.dtype, row.case.mode)
            lines.setdefault(key, {})[row.size[0]] = row
    return [_law(dict(sorted(line.items()))) for line in lines.values() if len(line) >= MIN_POINTS]


def _law(line: dict[int, ModelRow]) -> ModelLaw:
    def exponent(quantity: Callable[[ModelRow], float | None]) -> float | None:
        values = {size: value for size, row in line.items() if (value := quantity(row))}
        return law_through(values).exponent if len(values) >= MIN_POINTS else None

    first = next(iter(line.values()))
    return ModelLaw(
        model=first.profile.model, row=first, sizes=tuple(line), macs=exponent(macs_of_row),
        peak=exponent(peak_of_row), latency=exponent(seconds_of),
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
