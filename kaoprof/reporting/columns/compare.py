"""The columns of schema 1, once: what each is called, and how it is read off a row. Appended to, never renamed."""

from collections.abc import Callable

import msgspec

from kaoprof.findings.operators import Standing, notes_of, standings
from kaoprof.records.compare import Record
from kaoprof.reporting.sentences.limits import reason_of
from kaoprof.stats.medians import median_beside

Value = int | float | str | None


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


def _of_latency(name: str) -> Column:
    return lambda view: getattr(view.standing.latency, name, None)


def _of_samples(name: str) -> Column:
    return lambda view: median_beside(view.standing.row.latency, name)


def _of_traffic(name: str) -> Column:
    return lambda view: getattr(view.standing.row.traffic, name, None)


def _of_deviation(name: str) -> Column:
    return lambda view: getattr(view.standing.row.deviation, name, None)


def _of_speedup(name: str) -> Column:
    return lambda view: getattr(view.standing.speedup, name, None)


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
    "peak_bytes_measured": lambda view: view.standing.row.peak_bytes_measured,
    "latency_s": _of_latency("median"),
    "latency_low_s": _of_latency("low"),
    "latency_high_s": _of_latency("high"),
    "latency_samples": _of_latency("samples"),
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
    "operations": _of_traffic("operations"),
    "moved_bytes": _of_traffic("moved_bytes"),
    "backend": lambda view: view.standing.row.backend,
    "error_fp64": _of_deviation("largest"),
    "error_fp64_rms": _of_deviation("rms"),
    "compile_s": lambda view: view.standing.row.compile_s,
    "energy_j": lambda view: view.standing.row.energy_j,
    "cache": lambda view: getattr(view.record.protocol, "cache", None),
    "graph_breaks": lambda view: view.standing.row.graph_breaks,
    "unmodelled": _unmodelled,
    "page_faults": _of_samples("page_faults"),
    "system_share": _of_samples("system_shares"),
}


def views(record: Record) -> list[View]:
    """The record's rows in order, each seen against its cell's baseline."""
    return [View(record=record, standing=standing) for cell in standings(record).values() for standing in cell]
