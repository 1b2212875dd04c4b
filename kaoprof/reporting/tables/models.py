"""A sweep of models as a page: a line per model and input, who is beaten by nobody, and how each model grows."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace

from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import ModelRow, SweptModels, shown_size
from kaoprof.reporting.document import (
    UNKNOWN,
    Column,
    Medium,
    Page,
    Span,
    Table,
    Text,
    Tone,
    without_empty,
)  # fmt: skip
from kaoprof.reporting.sentences.failures import failures
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.sentences.swept_models import UNPAIRED, answers_of
from kaoprof.units import counted, format_bytes, format_count, format_interval, format_seconds, three_digits

MANY = 24  # rows, beyond which a terminal shows exponents only with its detail
HEADERS = ("model", "size", "batch", "dtype", "mode", "MACs", "params", "peak", "latency", "95 %", "samples/s", "")
LAW_HEADERS = ("model", "batch", "dtype", "mode", "sizes", "MACs", "peak", "latency")
OPTIONAL = {"95 %": 1, "params": 2}  # where a terminal has no room, the highest goes first
PREDICTED, UNBEATEN = "*", "◂"
CONVENTION = (
    f"MACs of one sample, 1 MAC = 2 FLOPs; peak of the call above input and parameters, {PREDICTED}: predicted; "
    "latency of the call."
)
GROWTH = "Growth with the side of the input: exponents; 2.00: as the number of pixels"
NOTHING: Mapping[str, str] = MappingProxyType({})
MEANING = {
    "latency": f"{UNBEATEN} no other model on the same input has at most its MACs and is certainly faster.",
    "peak": f"{UNBEATEN} no other model on the same input has at most its MACs and a smaller peak.",
}


def page_of(record: SweptModels, medium: Medium = Medium.TEXT) -> Page:
    """What each model costs on each input, with those that none beats; then exponents where there are three sizes."""
    fixed = {name: next(iter(values)) for name, values in _settings(record).items() if len(values) == 1}
    shown = [place for place, name in enumerate(HEADERS) if name not in fixed]
    name, fronts = findings.names_of(record.rows), findings.fronts(record.rows)
    unbeaten = findings.unbeaten_of(record.rows)
    cells = [cells_of(row, name(row), unbeaten=findings.key_of(row) in unbeaten) for row in record.rows]
    measured = any(row.profile.latency for row in record.rows)
    table = Table(
        title=_title(record, fixed),
        columns=tuple(_column(HEADERS[place]) for place in shown),
        rows=tuple(tuple(_toned(row[place]) for place in shown) for row in cells),
        notes=(
            *([] if medium == Medium.PAPER else answers_of(record)),
            *_meanings(fronts),
            *failures([(str(row.case.setting), row) for row in record.rows]),
        ),
        details=(CONVENTION, *protocol_of(record), *([UNPAIRED] if measured else [])),
        figures="plain",
    )
    laws = [
        replace(law, detail=medium == Medium.SCREEN and len(record.rows) > MANY) for law in growth_of(record, fixed)
    ]
    return Page(blocks=(without_empty(table), *laws))


def _column(header: str) -> Column:
    words = header in ("model", "dtype", "mode", "")
    return Column(header, words=words, name=header == "model", optional=OPTIONAL.get(header, 0))


def _meanings(fronts: Sequence[findings.Front]) -> list[str]:
    """What the mark means, where there is one."""
    return list(dict.fromkeys(MEANING[front.costs[1]] for front in fronts if front.beaten))


def _settings(record: SweptModels) -> dict[str, set[str]]:
    """What the rows run on, by header."""
    settings: dict[str, set[str]] = {"dtype": set(), "mode": set()}
    for row in record.rows:
        settings["dtype"].add(row.case.dtype)
        settings["mode"].add(row.case.mode)
    return settings


def _title(record: SweptModels, fixed: Mapping[str, str]) -> str:
    models = len({row.case.model for row in record.rows})
    devices = {row.case.device or "on paper" for row in record.rows}
    manner = [*fixed.values(), *sorted(devices)]
    threads = record.environment.threads if record.environment and "cpu" in devices else None
    manner += [counted(threads, "thread")] if threads else []
    return f"{counted(models, 'model')}, {counted(len(record.rows), 'row')}: {', '.join(manner)}"


def cells_of(row: ModelRow, name: str, *, unbeaten: bool) -> tuple[str, ...]:
    """One row under `HEADERS`, its model called by `name`."""
    total, latency, rate = row.profile.total, findings.latency_of(row), findings.samples_per_s(row)
    macs, peak = findings.macs_of_row(row), findings.peak_of_row(row)
    star = PREDICTED if total.peak_bytes_measured is None else ""
    time = (UNKNOWN if row.status == "ok" else row.status) if latency is None else format_seconds(latency.value)
    return (
        name,
        shown_size(row.size) if row.size else UNKNOWN,
        UNKNOWN if row.profile.batch is None else str(row.profile.batch),
        row.case.dtype,
        row.case.mode,
        UNKNOWN if macs is None else format_count(macs),
        format_count(total.params + total.params_norm) if total.known else UNKNOWN,
        UNKNOWN if peak is None else f"{format_bytes(peak)}{star}",
        time,
        format_interval(*latency.interval) if latency and latency.interval else "",
        UNKNOWN if rate is None else three_digits(rate),
        UNBEATEN if unbeaten else "",
    )


def _toned(text: str) -> Text:
    return Span(text, Tone.BAD) if text in {"skipped", "oom", "timeout", "unsupported", "error"} else text


def growth_of(record: SweptModels, fixed: Mapping[str, str] = NOTHING) -> list[Table]:
    """How each model grows, where it ran at three sizes: the exponents, without the columns that are `fixed`."""
    name = findings.names_of(record.rows)
    laws = findings.model_laws(record.rows)
    if not laws:
        return []
    rows = tuple(
        (
            name(law.row), str(law.row.case.b), law.row.case.dtype, law.row.case.mode,
            f"{law.sizes[0]}-{law.sizes[-1]} ({len(law.sizes)})", *map(_power, (law.macs, law.peak, law.latency)),
        )
        for law in laws
    )  # fmt: skip
    kept = [place for place, name in enumerate(LAW_HEADERS) if name not in fixed]
    columns = tuple(_column(LAW_HEADERS[place]) for place in kept)
    shown = tuple(tuple(row[place] for place in kept) for row in rows)
    return [without_empty(Table(title=GROWTH, columns=columns, rows=shown))]


def _power(exponent: float | None) -> str:
    return UNKNOWN if exponent is None else f"{exponent:.2f}"
