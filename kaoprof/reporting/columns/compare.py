"""The columns of schema 1, once: what each is called, and how it is read off a row. Appended to, never renamed."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import msgspec

from kaoprof.catalog import own_options_of
from kaoprof.dims import SPATIAL_AXES
from kaoprof.findings.operators import Standing, each_standing, row_warnings
from kaoprof.records.compare import Record, Row
from kaoprof.reporting.columns.batches import batches
from kaoprof.reporting.columns.observed import OBSERVED_COLUMNS, At, Value, at, each
from kaoprof.reporting.sentences.limits import bound_of


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One row with everything that its columns need."""

    record: Record
    standing: Standing
    row: Row
    warnings: tuple[tuple[str, str], ...]


Column = Callable[[View], Value]


def _axis(axis: str) -> Column:
    def size(view: View) -> Value:
        spatial = view.row.case.spatial
        axes = SPATIAL_AXES[len(spatial)]
        return spatial[axes.index(axis)] if axis in axes else None

    return size


def _flops_all(view: View) -> int | None:
    row = view.row
    if row.analytic and row.analytic.flops_all is not None:
        return row.analytic.flops_all
    return row.counted.flops_all if row.counted else None


def _macs_batch(view: View) -> int | None:
    """Of the call: every operator does the same for each sample."""
    row = view.row
    known = row.counted or row.analytic
    return known.macs * row.case.b if known else None


def _closed_form(view: View) -> Value:
    """Where it comes from: written by hand, or derived from somebody's module, or interpolated from its counts."""
    analytic = view.row.analytic
    return None if analytic is None else analytic.form.method if analytic.form else "formula"


def _flops_per_byte(view: View) -> Value:
    flops, row = _flops_all(view), view.row
    return None if flops is None or row.analytic is None else flops * row.case.b / row.analytic.compulsory_bytes


_in_words = lru_cache(maxsize=16)(str)  # what many rows have in common
_options_of = lru_cache(maxsize=256)(own_options_of)


def _observed(*names: str) -> dict[str, Column]:
    """Columns of what was observed, also of those that are newer than the list below."""
    return {name: at(f"row.{column.path}") if isinstance(column := OBSERVED_COLUMNS[name], At)
            else lambda view, column=column: column(view.row) for name in names}  # type: ignore[misc]  # fmt: skip


COLUMNS: dict[str, Column] = {
    "schema": at("record.schema"),
    **each("row.case", "operator", "implementation", "b"),
    **{axis: _axis(axis) for axis in ("t", "h", "w", "n")},
    **each("row.case", "c", "heads", "projection", "scale", "dtype", "device", "mode"),
    "threads": at("record.environment.threads"),
    "status": at("row.status"),
    "detail": lambda view: "; ".join(filter(None, (view.row.detail, *view.standing.disagreements))),
    **each("row.analytic", "order_time", "order_memory", "params"),
    "macs_analytic": at("row.analytic.macs"),
    "macs_counted": at("row.counted.macs"),
    "macs_fvcore": at("row.counted.macs_fvcore"),
    "flops_all": _flops_all,
    "uncounted": lambda view: " ".join(sorted(view.row.counted.uncounted)) if view.row.counted else None,
    "map_bytes": at("row.analytic.map_bytes"),
    "peak_bytes_predicted": at("row.counted.peak_bytes_predicted"),
    **_observed("peak_bytes_measured"),
    **each(
        "standing.typical", latency_s="value", latency_low_s="low", latency_high_s="high", latency_samples="samples"
    ),
    "speedup": at("standing.typical_speedup.value"),
    "speedup_low": at("standing.typical_speedup.low"),
    "speedup_high": at("standing.typical_speedup.high"),
    **each("standing", "macs_ratio", "memory_ratio"),
    "flops_per_byte": _flops_per_byte,
    "env": lambda view: _in_words(view.record.environment) if view.record.environment else None,
    "notes": lambda view: "; ".join(f"{sentence}: {text}" for sentence, text in view.warnings) or None,
    "floor_s": at("standing.limits.floor.seconds"),
    "times_floor": at("standing.limits.times_floor"),
    "bound": at("standing.limits.demand.limit"),
    "bound_reason": lambda view: bound_of(view.standing.limits),
    **_observed("operations", "moved_bytes", "backend", "error_fp64", "error_fp64_rms", "compile_s", "energy_j"),
    "cache": at("record.protocol.cache"),
    **_observed("graph_breaks"),
    "unmodelled": lambda view: "; ".join(view.row.counted.unmodelled) if view.row.counted else None,
    **_observed("page_faults", "system_share"),
    "options": lambda view: _options_of(view.row.case.operator) or None,
    "macs_batch": _macs_batch,
    "closed_form": _closed_form,
    "code": lambda view: view.row.case.own.written if view.row.case.own else None,
    **each("standing.latency", quiet_s="value", quiet_low_s="low", quiet_high_s="high"),
    "quiet_speedup": at("standing.speedup.value"),
    "quiet_speedup_low": at("standing.speedup.low"),
    "quiet_speedup_high": at("standing.speedup.high"),
    "quiet_share": at("record.protocol.quiet_share"),
    **_observed("processes"),
}
COLUMNS |= _observed(*(name for name in OBSERVED_COLUMNS if name not in COLUMNS))


def views(record: Record) -> Iterator[View]:
    """The record's rows, cell by cell, each seen against its cell's baseline."""
    for batch in batches(standing for _, cell in each_standing(record) for standing in cell):
        warnings = [row_warnings(standing.row) for standing in batch]
        yield from [
            View(record=record, standing=standing, row=standing.row, warnings=said)
            for standing, said in zip(batch, warnings, strict=True)
        ]
