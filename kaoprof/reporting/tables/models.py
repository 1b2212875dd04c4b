"""A sweep of models as a page: a line per model and input, who is beaten by nobody, and how each model grows."""

from collections import Counter
from collections.abc import Sequence

from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import ModelRow, SweptModels, shown_size
from kaoprof.reporting.document import (
    UNKNOWN,
    Medium,
    Page,
    Span,
    Table,
    Text,
    Tone,
    columns_of,
    notes_of,
    without_empty,
)
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.units import format_bytes, format_count, format_interval, format_seconds, three_digits

MOST_DETAILS = 5  # of rows that did not run
HEADERS = ("model", "size", "batch", "dtype", "mode", "MACs", "params", "peak", "latency", "95 %", "samples/s")
LAW_HEADERS = ("model", "batch", "dtype", "mode", "sizes", "MACs", "peak", "latency")
PREDICTED = "*"
CONVENTION = f"MACs of one sample; peak and latency of the call. {PREDICTED}: predicted."
GROWTH = "growth with the side of the input: exponents; 2.00: as the number of pixels"


def page_of(record: SweptModels, medium: Medium = Medium.TEXT) -> Page:
    """What each model costs on each input; then the fronts, and exponents where there are three sizes."""
    del medium
    rows = tuple(tuple(map(_span, _cells(row))) for row in record.rows)
    fixed = {name: next(iter(values)) for name, values in _settings(record).items() if len(values) == 1}
    shown = [place for place, name in enumerate(HEADERS) if name not in fixed]
    table = Table(
        title=_title(record, fixed),
        columns=columns_of([HEADERS[place] for place in shown]),
        rows=tuple(tuple(row[place] for place in shown) for row in rows),
        figures="plain",
    )
    said = [*_fronts(record), *_failures(record)]
    laws = _laws(record)
    legend = [CONVENTION, *protocol_of(record)]
    return Page(blocks=(without_empty(table), *notes_of(*said), *laws, *notes_of(*legend, tone=Tone.QUIET)))


def _settings(record: SweptModels) -> dict[str, set[str]]:
    """What the rows run on, by header."""
    settings: dict[str, set[str]] = {"dtype": set(), "mode": set()}
    for row in record.rows:
        settings["dtype"].add(row.case.dtype)
        settings["mode"].add(row.case.mode)
    return settings


def _title(record: SweptModels, fixed: dict[str, str]) -> str:
    models = len({row.case.model for row in record.rows})
    devices = {row.case.device or "on paper" for row in record.rows}
    manner = [*fixed.values(), *sorted(devices)]
    return f"{models} model{'s' if models != 1 else ''}, {len(record.rows)} rows: {', '.join(manner)}"


def _cells(row: ModelRow) -> tuple[str, ...]:
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


def _span(text: str) -> Text:
    return Span(text, Tone.BAD) if text in {"skipped", "oom", "timeout", "unsupported", "error"} else text


def _fronts(record: SweptModels) -> list[str]:
    """Who is on the front of each comparison; where nobody is beaten, there is nothing to say."""
    said = []
    for front in findings.fronts(record.rows):
        names = ", ".join(dict.fromkeys(row.profile.model for row in front.best))
        macs, other = front.costs
        surely = "certainly less" if other == "latency" else "less"
        said.append(
            f"{_setting(front.best[0], record.rows)}: no other model has at most the {macs} and {surely} {other} than "
            f"{names}; {len(front.beaten)} of {len(front.best) + len(front.beaten)} are beaten."
        )
    return said


def _setting(row: ModelRow, rows: Sequence[ModelRow]) -> str:
    """What of a comparison is not the same in all others."""
    parts = {
        "size": shown_size(row.size) if row.size else "own size", "batch": f"batch {row.case.b}",
        "dtype": row.case.dtype, "mode": row.case.mode,
    }  # fmt: skip
    varying = {
        "size": len({other.case.size for other in rows}) > 1, "batch": len({other.case.b for other in rows}) > 1,
        "dtype": len({other.case.dtype for other in rows}) > 1, "mode": len({other.case.mode for other in rows}) > 1,
    }  # fmt: skip
    return ", ".join(text for name, text in parts.items() if varying[name]) or "front"


def _laws(record: SweptModels) -> list[Table]:
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
    return [without_empty(Table(title=GROWTH, columns=columns_of(LAW_HEADERS), rows=rows))]


def _power(exponent: float | None) -> str:
    return UNKNOWN if exponent is None else f"{exponent:.2f}"


def _failures(record: SweptModels) -> list[str]:
    """What did not run, and why, with the first rows that say so."""
    failed = [row for row in record.rows if row.status != "ok"]
    if not failed:
        return []
    statuses = ", ".join(f"{times} {status}" for status, times in Counter(row.status for row in failed).items())
    reasons = [f"{row.case.setting}: {row.detail}" for row in failed[:MOST_DETAILS]]
    more = [f"... and {len(failed) - MOST_DETAILS} more"] if len(failed) > MOST_DETAILS else []
    return [f"Rows that did not run: {statuses}.", *reasons, *more]
