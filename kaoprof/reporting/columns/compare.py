"""The columns of schema 1, once: what each is called, and how it is read off a row. Appended to, never renamed."""

from collections.abc import Callable

import msgspec

from kaoprof.findings.operators import Standing, notes_of, standings
from kaoprof.records.compare import Record
from kaoprof.reporting.columns.observed import OBSERVED_COLUMNS, Value
from kaoprof.reporting.sentences.limits import reason_of


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One row with everything that its columns need."""

    record: Record
    standing: Standing


Column = Callable[[View], Value]


def _axis(axis: str) -> Column:
    def size(view: View) -> Value:
        dims = view.standing.row.case.dims
        return dict(zip(dims.axes, dims.spatial, strict=True)).get(axis)

    return size


def _uncounted(view: View) -> Value:
    counted = view.standing.row.counted
    return None if counted is None else " ".join(sorted(counted.uncounted))


def _unmodelled(view: View) -> Value:
    counted = view.standing.row.counted
    return None if counted is None else "; ".join(counted.unmodelled)


def _flops_all(view: View) -> Value:
    row = view.standing.row
    if row.analytic and row.analytic.flops_all is not None:
        return row.analytic.flops_all
    return row.counted.flops_all if row.counted else None


def _flops_per_byte(view: View) -> Value:
    flops, row = _flops_all(view), view.standing.row
    if not isinstance(flops, int) or row.analytic is None:
        return None
    return flops * row.case.b / row.analytic.compulsory_bytes


def _of_case(name: str) -> Column:
    return lambda view: getattr(view.standing.row.case, name)


def _of_analytic(name: str) -> Column:
    return lambda view: getattr(view.standing.row.analytic, name, None)


def _of_counted(name: str) -> Column:
    return lambda view: getattr(view.standing.row.counted, name, None)


def _of_speedup(name: str) -> Column:
    return lambda view: getattr(view.standing.speedup, name, None)


def _observed(name: str) -> Column:
    """A column of what was observed, also of those that are newer than the list below."""
    return lambda view: OBSERVED_COLUMNS[name](view.standing.row)


COLUMNS: dict[str, Column] = {
    "schema": lambda view: view.record.schema,
    "operator": _of_case("operator"),
    "implementation": _of_case("implementation"),
    "b": _of_case("b"),
    "t": _axis("t"),
    "h": _axis("h"),
    "w": _axis("w"),
    "n": _axis("n"),
    "c": _of_case("c"),
    "heads": _of_case("heads"),
    "projection": _of_case("projection"),
    "scale": _of_case("scale"),
    "dtype": _of_case("dtype"),
    "device": _of_case("device"),
    "mode": _of_case("mode"),
    "threads": lambda view: getattr(view.record.environment, "threads", None),
    "status": lambda view: view.standing.row.status,
    "detail": lambda view: "; ".join(filter(None, (view.standing.row.detail, *view.standing.disagreements))),
    "order_time": _of_analytic("order_time"),
    "order_memory": _of_analytic("order_memory"),
    "params": _of_analytic("params"),
    "macs_analytic": _of_analytic("macs"),
    "macs_counted": _of_counted("macs"),
    "macs_fvcore": _of_counted("macs_fvcore"),
    "flops_all": _flops_all,
    "uncounted": _uncounted,
    "map_bytes": _of_analytic("map_bytes"),
    "peak_bytes_predicted": _of_counted("peak_bytes_predicted"),
    "peak_bytes_measured": _observed("peak_bytes_measured"),
    "latency_s": _observed("latency_s"),
    "latency_low_s": _observed("latency_low_s"),
    "latency_high_s": _observed("latency_high_s"),
    "latency_samples": _observed("latency_samples"),
    "speedup": _of_speedup("median"),
    "speedup_low": _of_speedup("low"),
    "speedup_high": _of_speedup("high"),
    "macs_ratio": lambda view: view.standing.macs_ratio,
    "memory_ratio": lambda view: view.standing.memory_ratio,
    "flops_per_byte": _flops_per_byte,
    "env": lambda view: str(view.record.environment) if view.record.environment else None,
    "notes": lambda view: "; ".join(notes_of(view.standing.row)) or None,
    "floor_s": lambda view: view.standing.floor.seconds if view.standing.floor else None,
    "times_floor": lambda view: view.standing.times_floor,
    "bound": lambda view: view.standing.demand.limit if view.standing.demand else None,
    "bound_reason": lambda view: reason_of(view.standing),
    "operations": _observed("operations"),
    "moved_bytes": _observed("moved_bytes"),
    "backend": _observed("backend"),
    "error_fp64": _observed("error_fp64"),
    "error_fp64_rms": _observed("error_fp64_rms"),
    "compile_s": _observed("compile_s"),
    "energy_j": _observed("energy_j"),
    "cache": lambda view: getattr(view.record.protocol, "cache", None),
    "graph_breaks": _observed("graph_breaks"),
    "unmodelled": _unmodelled,
    "page_faults": _observed("page_faults"),
    "system_share": _observed("system_share"),
}
COLUMNS |= {name: _observed(name) for name in OBSERVED_COLUMNS if name not in COLUMNS}


def views(record: Record) -> list[View]:
    """The record's rows in order, each seen against its cell's baseline."""
    return [View(record=record, standing=standing) for cell in standings(record).values() for standing in cell]
