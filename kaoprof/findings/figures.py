"""The figures of a run that another one has, too: rows of operators and of models, the models of `profile`."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from kaoprof.records.compare import Case, Record, Row
from kaoprof.records.diff import Counts
from kaoprof.records.measured import Latency
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.records.swept_models import SweptModels

Comparable: TypeAlias = Record | ProfileRecord | SweptModels
Key: TypeAlias = tuple[str, str]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a run, of whatever kind; rows of the same cell were measured in common rounds."""

    cell: str
    name: str
    status: str
    detail: str
    counts: Counts
    latency: Latency | None


def figures_of(record: Comparable) -> dict[Key, Figures]:
    """Every row of a record, in its order, by what the same row has in another run."""
    if isinstance(record, Record):
        rows = [_of_row(row) for row in record.rows]
    elif isinstance(record, SweptModels):
        rows = [_of_model(row.profile, f"{row.case.mode}, {row.dtype}", asked=row.case.setting) for row in record.rows]
    else:
        rows = [_of_model(model, f"{record.mode}, {record.dtype}") for model in record.models]
    return {(figures.cell, figures.name): figures for figures in rows}


def cells_of(figures: Mapping[Key, Figures]) -> dict[str, dict[str, Latency]]:
    """The latencies by cell and name."""
    cells: dict[str, dict[str, Latency]] = {}
    for row in figures.values():
        if row.latency is not None:
            cells.setdefault(row.cell, {})[row.name] = row.latency
    return cells


def _of_row(row: Row) -> Figures:
    analytic, counted = row.analytic, row.counted
    return Figures(
        cell=_cell(row.case),
        name=row.case.name,
        status=row.status,
        detail=row.detail,
        latency=row.latency,
        counts=Counts(
            macs=counted.macs if counted else analytic.macs if analytic else None,
            params=analytic.params if analytic else None,
            map_bytes=analytic.map_bytes if analytic else None,
            peak_bytes_predicted=counted.peak_bytes_predicted if counted else None,
            peak_bytes_measured=row.peak_bytes_measured,
        ),
    )


def _cell(case: Case) -> str:
    """Everything but the operator and the device, in words: it also says what stands in the cell."""
    plain = replace(case, operator="", implementation="", device=None, own=None)
    axes = " ".join(("b", "c", *plain.dims.axes))
    skipped = ("operator", "implementation", "device", "b", "c", "spatial", "dtype", "mode", "own")
    others = [f"{name} {getattr(plain, name)}" for name in Case.__struct_fields__ if name not in skipped]
    return ", ".join((f"{plain.dims} ({axes})", plain.dtype, plain.mode, *others))


def _of_model(model: ModelProfile, cell: str, *, asked: str = "") -> Figures:
    """A model's figures; where it has no input its cell is what was asked for."""
    total = model.total
    shapes = ", ".join("x".join(map(str, shape)) for shape in model.input_shapes) or asked
    return Figures(
        cell=f"{shapes}, {cell}",
        name=model.model,
        status=model.status,
        detail=model.detail,
        latency=model.latency,
        counts=Counts(
            macs=total.macs_analytic if total.macs_counted is None else total.macs_counted,
            params=total.params + total.params_norm,
            map_bytes=None,
            peak_bytes_predicted=total.peak_bytes_predicted,
            peak_bytes_measured=total.peak_bytes_measured,
        ),
    )
