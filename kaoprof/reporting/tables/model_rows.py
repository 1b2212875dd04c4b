"""What every table of a sweep of models shares: columns, the texts of a row, who is beaten by nobody, exponents."""

from collections.abc import Mapping, Sequence

from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import ModelRow, SweptModels, shown_size
from kaoprof.reporting.document import (
    UNKNOWN,
    Column,
    Span,
    Table,
    Text,
    Tone,
    columns_of,
    without_empty,
)  # fmt: skip
from kaoprof.units import counted, format_bytes, format_count, format_interval, format_seconds, three_digits

HEADERS = ("model", "size", "batch", "dtype", "mode", "MACs", "params", "peak", "latency", "95 %", "samples/s", "")
LAW_HEADERS = ("model", "batch", "dtype", "mode", "sizes", "MACs", "peak", "latency")
OPTIONAL = {"95 %": 1, "params": 2}  # where a terminal has no room, the highest goes first
PREDICTED, UNBEATEN = "*", "◂"
CONVENTION = (
    f"MACs of one sample, 1 MAC = 2 FLOPs; peak of the call above input and parameters, {PREDICTED}: predicted; "
    "latency of the call."
)
GROWTH = "Growth with the side of the input: exponents; 2.00: as the number of pixels"
MEANING = {
    "latency": f"{UNBEATEN} no other model on the same input has at most its MACs and is certainly faster.",
    "peak": f"{UNBEATEN} no other model on the same input has at most its MACs and a smaller peak.",
}


def column_of(header: str) -> Column:
    """The column under a header."""
    words = header in ("model", "dtype", "mode", "")
    return Column(header, words=words, name=header == "model", optional=OPTIONAL.get(header, 0))


def meanings_of(fronts: Sequence[findings.Front]) -> list[str]:
    """What the mark means, where there is one."""
    return list(dict.fromkeys(MEANING[front.costs[1]] for front in fronts if front.beaten))


def fixed_in(record: SweptModels) -> dict[str, str]:
    """By header the settings that are the same for all rows, and stand in the title."""
    settings = {"dtype": {row.case.dtype for row in record.rows}, "mode": {row.case.mode for row in record.rows}}
    return {name: next(iter(values)) for name, values in settings.items() if len(values) == 1}


def title_of(record: SweptModels, fixed: Mapping[str, str]) -> str:
    """How many models and rows, and what holds for all."""
    models = len({row.case.model for row in record.rows})
    threads = f" {counted(record.environment.threads, 'thread')}" if record.environment else ""
    devices = {row.case.device or "on paper" for row in record.rows}
    manner = [*fixed.values(), *(f"{device}{threads if device == 'cpu' else ''}" for device in sorted(devices))]
    return f"{counted(models, 'model')}, {counted(len(record.rows), 'row')}: {', '.join(manner)}"


def texts_of(row: ModelRow) -> tuple[str, ...]:
    """One row under `HEADERS`."""
    total, latency, rate = row.profile.total, findings.latency_of(row), findings.samples_per_s(row)
    macs, peak = findings.macs_of_row(row), findings.peak_of_row(row)
    star = PREDICTED if total.peak_bytes_measured is None else ""
    time = (UNKNOWN if row.status == "ok" else row.status) if latency is None else format_seconds(latency.value)
    return (
        row.profile.model,
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
    )


def toned(text: str) -> Text:
    """A text, loud where it says why there is no figure."""
    return Span(text, Tone.BAD) if text in {"skipped", "oom", "timeout", "unsupported", "error"} else text


def law_tables(record: SweptModels, fixed: Mapping[str, str]) -> list[Table]:
    """The exponents of models at three sizes or more, as a table; none if there are none."""
    laws = findings.model_laws(record.rows)
    if not laws:
        return []
    rows = tuple(
        (
            law.model, str(law.row.case.b), law.row.case.dtype, law.row.case.mode,
            f"{law.sizes[0]}-{law.sizes[-1]} ({len(law.sizes)})", *map(_power, (law.macs, law.peak, law.latency)),
        )
        for law in laws
    )  # fmt: skip
    kept = [place for place, name in enumerate(LAW_HEADERS) if name not in fixed]
    columns = columns_of([LAW_HEADERS[place] for place in kept])
    shown = tuple(tuple(row[place] for place in kept) for row in rows)
    return [without_empty(Table(title=GROWTH, columns=columns, rows=shown))]


def _power(exponent: float | None) -> str:
    return UNKNOWN if exponent is None else f"{exponent:.2f}"
