"""The columns of a profile's CSV, once. Appended to, never renamed."""

from collections.abc import Callable, Iterator

import msgspec

from kaoprof.findings.models import layer_disagreements, layer_limits, seconds_of
from kaoprof.findings.roofline import Limits
from kaoprof.records.profile import PARTS, LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.columns.observed import OBSERVED_COLUMNS, Value, at, each
from kaoprof.stats.timings import typical_time

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

    @property
    def limits(self) -> Limits | None:
        """What the device's ceilings say of it."""
        return layer_limits(self.record, self.model, self.row)


def layer_views(record: ProfileRecord) -> Iterator[LayerView]:
    """Every layer of every model; the whole of a model comes last."""
    for model in record.models:
        for row in (*model.layers[1:], model.total):
            yield LayerView(record=record, model=model, row=row)


def _if_known(name: str) -> Callable[[LayerView], Value]:
    return lambda view: getattr(view.row, name) if view.row.known else None


def _observed(*names: str) -> dict[str, Callable[[LayerView], Value]]:
    """What was observed of a model as a whole; also what is newer than the list below."""
    return {
        name: lambda view, name=name: OBSERVED_COLUMNS[name](view.model) if view.whole else None  # type: ignore[misc]
        for name in names
    }


def _unmodelled(view: LayerView) -> Value:
    known = view.whole and view.row.peak_bytes_predicted is not None
    return "; ".join(view.model.unmodelled) if known else None


def _detail(view: LayerView) -> Value:
    status = view.model.detail if view.whole else ""
    return "; ".join(filter(None, (status, *layer_disagreements(view.row))))


def _of_step(name: str) -> Callable[[LayerView], Value]:
    return lambda view: getattr(view.model.training_step, name, None) if view.whole else None


LAYER_COLUMNS: dict[str, Callable[[LayerView], Value]] = {
    "schema": at("record.schema"),
    "model": at("model.model"),
    "layer": lambda view: TOTAL if view.whole else view.row.layer,
    **each("row", "type", "depth"),
    "output_shape": lambda view: "x".join(map(str, shape)) if (shape := view.row.output_shape) is not None else None,
    "params": _if_known("params"),
    **each("row", "macs_analytic", "macs_counted", "macs_fvcore", "flops_all"),
    **each("row", "peak_bytes_predicted", "peak_bytes_measured"),
    "latency_s": lambda view: seconds_of(view.model, view.row, typical_time),
    **_observed("latency_low_s", "latency_high_s", "latency_samples"),
    "latency_share": at("row.latency_share"),
    "leaf": lambda view: int(view.row.leaf),
    "params_norm": _if_known("params_norm"),
    "uncounted": lambda view: None if view.row.macs_counted is None else " ".join(sorted(view.row.uncounted)),
    "batch": at("model.batch"),
    **each("record", "mode", "dtype", "device"),
    "status": at("model.status"),
    "detail": _detail,
    "env": lambda view: str(view.record.environment) if view.record.environment else None,
    "floor_s": at("limits.floor.seconds"),
    "times_floor": at("limits.times_floor"),
    "bound": at("limits.demand.limit"),
    **each("row.traffic", "operations", "moved_bytes"),
    "compulsory_bytes": at("row.compulsory_bytes"),
    **_observed("backend", "error_fp64", "error_fp64_rms", "compile_s", "energy_j"),
    "cache": at("record.protocol.cache"),
    **_observed("graph_breaks"),
    "unmodelled": _unmodelled,
    **_observed("page_faults", "system_share"),
    **each("row", "timed_s", "macs_batch"),
    "recorded": lambda view: view.model.recorded if view.whole else None,
    "value_reads": lambda view: view.model.value_reads if view.whole and view.model.recorded else None,
    "optimizer": _of_step("optimizer"),
    **{f"{name}_bytes": _of_step(name) for name in PARTS},
    **each("row", "held_at_peak_bytes", "operations_recorded", "moved_bytes_recorded"),
    "quiet_s": lambda view: seconds_of(view.model, view.row),
    **_observed("quiet_low_s", "quiet_high_s"),
    "quiet_share": at("record.protocol.quiet_share"),
    **_observed("processes"),
}
LAYER_COLUMNS |= _observed(*(name for name in OBSERVED_COLUMNS if name not in LAYER_COLUMNS))
