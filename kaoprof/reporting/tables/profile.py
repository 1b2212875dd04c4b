"""The cells of a profile's tables, shared by console, Markdown and LaTeX; and which layers are worth a line."""

from collections.abc import Sequence

import msgspec

from kaoprof.findings.models import (
    ModelStanding,
    layer_disagreements,
    layer_limits,
    macs_of,
    peak_holder,
    peak_of,
)
from kaoprof.records.measured import EAGER
from kaoprof.records.profile import LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.tables.compare import PREDICTED, UNKNOWN, agreement_mark
from kaoprof.units import (
    format_bytes,
    format_count,
    format_interval,
    format_percent,
    format_ratio,
    format_seconds,
    three_digits,
)

LAYER_CONVENTION = (
    "1 MAC = 2 FLOPs, counted for one sample; bytes for the whole batch; weights with batch norm; *: predicted."
)
MAX_LINES = 40  # a tree of more layers is folded until it fits


class LayerCells(msgspec.Struct, frozen=True, kw_only=True):
    """One layer as text. `name` is its path without what is around it; `depth` says how far to indent it."""

    depth: int
    name: str
    type: str
    shape: str
    params: str
    macs: str
    agreement: str
    flops: str
    peak: str
    predicted: str
    share: str
    times_floor: str
    bound: str


def shown_layers(model: ModelProfile, depth: int | None) -> list[LayerRow]:
    """The layers down to `depth`; without one, as deep as `MAX_LINES` allows, the outermost in any case."""
    inside = model.layers[1:]
    if depth is None:
        deepest = max((row.depth for row in inside), default=1)
        fitting = [level for level in range(1, deepest + 1) if sum(row.depth <= level for row in inside) <= MAX_LINES]
        depth = max(fitting, default=1)
    return [row for row in inside if row.depth <= depth]


def layer_cells(record: ProfileRecord, model: ModelProfile, row: LayerRow, outer: str) -> LayerCells:
    """The texts of one layer inside the layer called `outer`."""
    limits = layer_limits(record, model, row)
    macs, fullest = macs_of(row), peak_holder(model, row)
    return LayerCells(
        depth=row.depth,
        name=row.layer.removeprefix(outer).removeprefix(".") or "total",
        type=row.type,
        shape="x".join(map(str, row.output_shape)) if row.output_shape else UNKNOWN,
        params=format_count(row.params + row.params_norm) if row.known else UNKNOWN,
        macs=UNKNOWN if macs is None else format_count(macs),
        agreement=mark_of(row),
        flops=UNKNOWN if row.flops_all is None else format_count(row.flops_all),
        peak=_peak(fullest),
        predicted=UNKNOWN if fullest.peak_bytes_predicted is None else format_bytes(fullest.peak_bytes_predicted),
        share=UNKNOWN if row.latency_share is None else format_percent(row.latency_share, ".1%"),
        times_floor=UNKNOWN if limits is None else format_ratio(limits.times_floor),
        bound=limits.demand.limit if limits and limits.demand else "",
    )


def mark_of(row: LayerRow) -> str:
    """Whether what counts the layer's MACs agrees: see `agreement_mark`."""
    figures = (row.macs_analytic, row.macs_counted, row.macs_fvcore)
    return agreement_mark(figures, disagree=bool(layer_disagreements(row)), incomplete=bool(row.uncounted))


def _peak(row: LayerRow) -> str:
    peak = peak_of(row)
    return UNKNOWN if peak is None else format_bytes(peak) + ("" if row.peak_bytes_measured is not None else PREDICTED)


def telling(rows: Sequence[Sequence[str]]) -> list[int]:
    """Which columns of a table tell anything: one that is empty in every row does not."""
    return [place for place, column in enumerate(zip(*rows, strict=True)) if set(column) - {"", UNKNOWN}]


def tree_cells(record: ProfileRecord, model: ModelProfile, rows: list[LayerRow]) -> list[LayerCells]:
    """The texts of layers in order, each named within the nearest shown layer around it."""
    around: list[str] = []
    cells = []
    for row in rows:
        while around and not row.layer.startswith(f"{around[-1]}."):
            around.pop()
        cells.append(layer_cells(record, model, row, around[-1] if around else ""))
        around.append(row.layer)
    return cells


MODEL_HEADERS = (
    "model", "MACs", "weights", "peak", "latency", "95 % interval", "x floor", "MACs ratio", "memory ratio", "speedup",
)  # fmt: skip


FOLDED_HEADERS = ("model", "MACs\nratio", "peak\nratio", "latency\n95 % interval", "speedup\n95 %", "weights\nx floor")


def model_cells(record: ProfileRecord, standing: ModelStanding) -> tuple[str, ...]:
    """One model as texts under `MODEL_HEADERS`."""
    model, total = standing.model, standing.model.total
    limits = layer_limits(record, model, total)
    macs, latency, speed = macs_of(total), standing.latency, standing.speedup
    known = latency is not None and latency.low is not None and latency.high is not None
    return (
        model.model,
        UNKNOWN if macs is None else f"{format_count(macs)} {mark_of(total)}".strip(),
        format_count(total.params + total.params_norm) if total.known else UNKNOWN,
        _peak(total),
        (UNKNOWN if model.status == "ok" else model.status) if latency is None else format_seconds(latency.median),
        format_interval(latency.low, latency.high) if known and latency else "",  # type: ignore[arg-type]
        UNKNOWN if limits is None else format_ratio(limits.times_floor),
        UNKNOWN if standing.macs_ratio is None else format_ratio(standing.macs_ratio),
        UNKNOWN if standing.memory_ratio is None else format_ratio(standing.memory_ratio),
        UNKNOWN if speed is None else f"{format_ratio(speed.median)}{_within(speed.low, speed.high)}",
    )


def folded_cells(record: ProfileRecord, standing: ModelStanding) -> tuple[str, ...]:
    """The same in two lines a model, for a narrow terminal; under `FOLDED_HEADERS`."""
    name, macs, weights, peak, latency, interval, floors, macs_ratio, memory_ratio, speed = model_cells(
        record, standing
    )
    factor, _, within = speed.partition(" ")
    lines = (
        (name, ""), (macs, macs_ratio), (peak, memory_ratio), (latency, interval), (factor, within), (weights, floors),
    )  # fmt: skip
    return tuple(f"{first}\n{second}" for first, second in lines)


def _within(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({three_digits(low)}-{three_digits(high)})"


def profile_title(record: ProfileRecord, model: ModelProfile) -> str:
    """What was profiled: model, input, dtype, mode, device."""
    return f"{model.model}: input {_input_of(model)}, {_manner_of(record)}"


def models_title(record: ProfileRecord) -> str:
    """What several models have in common, and their inputs."""
    inputs = list(dict.fromkeys(map(_input_of, record.models)))
    told = [f"{_input_of(model)} ({model.model})" for model in eager_models(record)] if len(inputs) > 1 else inputs
    return f"input {', '.join(told)}, {_manner_of(record)}"


def _input_of(model: ModelProfile) -> str:
    return ", ".join(" x ".join(map(str, shape)) for shape in model.input_shapes) or "as its code says"


def _manner_of(record: ProfileRecord) -> str:
    return ", ".join(filter(None, (record.dtype, record.mode, record.device)))


def eager_models(record: ProfileRecord) -> list[ModelProfile]:
    """Those that have layers: a model that is compiled, or replayed as a graph, has none."""
    return [model for model in record.models if model.variant == EAGER]
