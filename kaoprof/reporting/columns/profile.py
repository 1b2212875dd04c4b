"""The columns of a profile's CSV, once. Appended to, never renamed."""

from collections.abc import Callable, Iterator
from operator import attrgetter

import msgspec

from kaoprof.findings.models import layer_disagreements, layer_limits, seconds_of
from kaoprof.records.profile import LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.columns.observed import OBSERVED_COLUMNS, Value

TOTAL = "TOTAL"


class LayerView(msgspec.Struct, frozen=True, kw_only=True):
    """One layer with everything that its columns need."""

    record: ProfileRecord
    model: ModelProfile
    row: LayerRow

    @property
    def whole(self) -> bool:
        """Whether this is the whole model."""
        return self.row is self.model.total


def layer_views(record: ProfileRecord) -> Iterator[LayerView]:
    """Every layer of every model; the whole of a model comes last."""
    for model in record.models:
        for row in (*model.layers[1:], model.total):
            yield LayerView(record=record, model=model, row=row)


def _of_row(name: str) -> Callable[[LayerView], Value]:
    return lambda view: getattr(view.row, name)


def _if_known(name: str) -> Callable[[LayerView], Value]:
    return lambda view: getattr(view.row, name) if view.row.known else None


def _shape(view: LayerView) -> Value:
    return None if view.row.output_shape is None else "x".join(map(str, view.row.output_shape))


def _observed(name: str) -> Callable[[LayerView], Value]:
    """What was observed of a model as a whole; also what is newer than the list below."""
    return lambda view: OBSERVED_COLUMNS[name](view.model) if view.whole else None


def _limits(name: str) -> Callable[[LayerView], Value]:
    """A figure of the layer's `LayerLimits`, or of its floor (`floor.seconds`); None where too little is known."""

    def value(view: LayerView) -> Value:
        limits = layer_limits(view.record, view.model, view.row)
        return None if limits is None else attrgetter(name)(limits)

    return value


def _bound(view: LayerView) -> Value:
    limits = layer_limits(view.record, view.model, view.row)
    return limits.demand.limit if limits and limits.demand else None


def _traffic(name: str) -> Callable[[LayerView], Value]:
    return lambda view: getattr(view.row.traffic, name, None)


def _unmodelled(view: LayerView) -> Value:
    known = view.whole and view.row.peak_bytes_predicted is not None
    return "; ".join(view.model.unmodelled) if known else None


def _detail(view: LayerView) -> Value:
    status = view.model.detail if view.whole else ""
    return "; ".join(filter(None, (status, *layer_disagreements(view.row))))


LAYER_COLUMNS: dict[str, Callable[[LayerView], Value]] = {
    "schema": lambda view: view.record.schema,
    "model": lambda view: view.model.model,
    "layer": lambda view: TOTAL if view.whole else view.row.layer,
    "type": _of_row("type"),
    "depth": _of_row("depth"),
    "output_shape": _shape,
    "params": _if_known("params"),
    "macs_analytic": _of_row("macs_analytic"),
    "macs_counted": _of_row("macs_counted"),
    "macs_fvcore": _of_row("macs_fvcore"),
    "flops_all": _of_row("flops_all"),
    "peak_bytes_predicted": _of_row("peak_bytes_predicted"),
    "peak_bytes_measured": _of_row("peak_bytes_measured"),
    "latency_s": lambda view: seconds_of(view.model, view.row),
    "latency_low_s": _observed("latency_low_s"),
    "latency_high_s": _observed("latency_high_s"),
    "latency_samples": _observed("latency_samples"),
    "latency_share": _of_row("latency_share"),
    "leaf": lambda view: int(view.row.leaf),
    "params_norm": _if_known("params_norm"),
    "uncounted": lambda view: None if view.row.macs_counted is None else " ".join(sorted(view.row.uncounted)),
    "batch": lambda view: view.model.batch,
    "mode": lambda view: view.record.mode,
    "dtype": lambda view: view.record.dtype,
    "device": lambda view: view.record.device,
    "status": lambda view: view.model.status,
    "detail": _detail,
    "env": lambda view: str(view.record.environment) if view.record.environment else None,
    "floor_s": _limits("floor.seconds"),
    "times_floor": _limits("times_floor"),
    "bound": _bound,
    "operations": _traffic("operations"),
    "moved_bytes": _traffic("moved_bytes"),
    "compulsory_bytes": _of_row("compulsory_bytes"),
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
    "timed_s": _of_row("timed_s"),
    "macs_batch": _of_row("macs_batch"),
    "recorded": lambda view: view.model.recorded if view.whole else None,
    "value_reads": lambda view: view.model.value_reads if view.whole and view.model.recorded else None,
}
LAYER_COLUMNS |= {name: _observed(name) for name in OBSERVED_COLUMNS if name not in LAYER_COLUMNS}
