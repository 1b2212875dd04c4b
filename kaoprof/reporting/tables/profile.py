"""What a profile says: the models side by side, each with its layers as a tree, and which layers are worth a line."""

from itertools import starmap

from msgspec.structs import replace

from kaoprof import units
from kaoprof.findings import models as findings
from kaoprof.records.measured import EAGER
from kaoprof.records.profile import IN_HAND, LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.document import (
    UNKNOWN,
    Cell,
    Medium,
    Notes,
    Page,
    Row,
    Span,
    Table,
    Text,
    Tone,
    columns_of,
    notes_of,
    stacked,
    without_empty,
)
from kaoprof.reporting.sentences.limits import ceilings_sentence, floors_sentence, range_of
from kaoprof.reporting.sentences.models import agreement_of, layer_convention, model_notes, run_notes
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.tables.cells import PREDICTED, agreement_mark

MAX_LINES = 40  # a tree of more layers is folded until it fits


def shown_layers(model: ModelProfile, depth: int | None) -> list[LayerRow]:
    """The layers down to `depth`; without one, as deep as `MAX_LINES` allows, the outermost in any case."""
    inside = model.layers[1:]
    if depth is None:
        deepest = max((row.depth for row in inside), default=1)
        fitting = [level for level in range(1, deepest + 1) if sum(row.depth <= level for row in inside) <= MAX_LINES]
        depth = max(fitting, default=1)
    return [row for row in inside if row.depth <= depth]


def layer_cells(record: ProfileRecord, model: ModelProfile, row: LayerRow, outer: str) -> dict[str, Text]:
    """The texts of one layer inside the layer called `outer`, by what they say."""
    limits = findings.layer_limits(record, model, row)
    macs, fullest, mark = findings.macs_of(row), findings.peak_holder(model, row), mark_of(row)
    counted = UNKNOWN if macs is None else units.format_count(macs)
    name = row.layer.removeprefix(outer).removeprefix(".") or "total"
    return {
        "layer": Cell(lines=((name,),), depth=max(row.depth - 1, 0)),
        "type": Span(row.type, Tone.QUIET),
        "output": "x".join(map(str, row.output_shape)) if row.output_shape else UNKNOWN,
        "weights": units.format_count(row.params + row.params_norm) if row.known else UNKNOWN,
        "MACs": counted,
        "marked MACs": f"{counted} {mark}".strip(),
        "": Span(mark, Tone.BAD if mark == "!" else Tone.GOOD),
        "FLOPs": UNKNOWN if row.flops_all is None else units.format_count(row.flops_all),
        "predicted": UNKNOWN
        if fullest.peak_bytes_predicted is None
        else units.format_bytes(fullest.peak_bytes_predicted),
        "peak": _peak(fullest),
        "time": UNKNOWN if row.latency_share is None else units.format_percent(row.latency_share, ".1%"),
        "x floor": _ratio(limits.times_floor if limits else None),
        "bound": Span(limits.demand.limit if limits and limits.demand else "", Tone.QUIET),
    }


def mark_of(row: LayerRow) -> str:
    """Whether what counts the layer's MACs agrees: see `agreement_mark`."""
    figures = (row.macs_analytic, row.macs_counted, row.macs_fvcore)
    return agreement_mark(figures, disagree=bool(findings.layer_disagreements(row)), incomplete=bool(row.uncounted))


def _peak(row: LayerRow) -> str:
    peak = findings.peak_of(row)
    return (
        UNKNOWN
        if peak is None
        else units.format_bytes(peak) + ("" if row.peak_bytes_measured is not None else PREDICTED)
    )


def tree_cells(record: ProfileRecord, model: ModelProfile, rows: list[LayerRow]) -> list[dict[str, Text]]:
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
WIDE_HEADERS = ("layer", "type", "output", "weights", "MACs", "", "FLOPs", "predicted", "peak", "time", "x floor",
                "  bound")  # fmt: skip
NARROW_HEADERS = ("layer", "type", "output", "weights", "MACs", "", "peak", "time")
TEXT_HEADERS = ("layer", "type", "output", "weights", "MACs", "FLOPs", "peak", "time", "x floor", "bound")
WIDE_FROM = 120  # columns of a terminal


def page_of(record: ProfileRecord, medium: Medium = Medium.TEXT, depth: int | None = None) -> Page:
    """The record as a page; on a terminal several models have trees only if a `depth` is asked for."""
    if medium == Medium.SCREEN:
        narrow = _screen(record, depth, wide=False)
        return replace(_screen(record, depth, wide=True), narrow=narrow, wide_from=WIDE_FROM)
    printed = medium == Medium.PAPER
    models = tuple(model_cells(record, standing) for standing in findings.model_standings(record))
    table = without_empty(Table(columns=columns_of(MODEL_HEADERS), rows=models, figures="plain"))
    trees = tuple(_tree(record, model, TEXT_HEADERS, None, printed=printed) for model in eager_models(record))
    if not printed:
        return Page(blocks=(table, *trees, *notes_of(*_legend(record), listed=False)))
    title = f"Models, {record.dtype}, {record.mode}, {record.device or 'on paper'}"
    return Page(blocks=(replace(table, title=title, notes=tuple(_legend(record))), *trees))


def _screen(record: ProfileRecord, depth: int | None, *, wide: bool) -> Page:
    eager, headers = eager_models(record), WIDE_HEADERS if wide else NARROW_HEADERS
    trees = eager if len(eager) == 1 or depth is not None else []
    summary = (_summary(record, wide=wide),) if len(record.models) > 1 else ()
    failed = tuple(
        Span(f"{model.model}: {model.detail}", Tone.BAD)
        for model in record.models
        if model.detail and model not in trees
    )
    said: tuple[Text, ...] = (*failed, *run_notes(record))
    ceilings = ceilings_sentence(record) if trees else floors_sentence(record)  # only a tree says what binds
    return Page(
        blocks=(
            *summary,
            *(_tree(record, model, headers, depth, printed=False) for model in trees),
            *((Notes(said),) if said else ()),
            *notes_of(layer_convention(record), *agreement_of(record), ceilings, *protocol_of(record), tone=Tone.QUIET),
        )
    )


def _summary(record: ProfileRecord, *, wide: bool) -> Table:
    cells = [model_cells(record, standing) for standing in findings.model_standings(record)]
    return Table(
        title=models_title(record),
        columns=columns_of(MODEL_HEADERS if wide else FOLDED_HEADERS),
        rows=tuple(cells if wide else map(_folded, cells)),
        notes=(_ratios(record),),
        close=True,
    )


def _ratios(record: ProfileRecord) -> str:
    return f"Ratios: {record.models[0].model} over each; above 1 the other is better."


def _folded(cells: tuple[str, ...]) -> tuple[Text, ...]:
    """A model's cells in two lines, for a narrow terminal; under `FOLDED_HEADERS`."""
    name, macs, weights, peak, latency, interval, floors, macs_ratio, memory_ratio, speed = cells
    factor, _, within = speed.partition(" ")
    lines = (
        (name, ""), (macs, macs_ratio), (peak, memory_ratio), (latency, interval), (factor, within), (weights, floors),
    )  # fmt: skip
    return tuple(starmap(stacked, lines))


def _legend(record: ProfileRecord) -> list[str]:
    """What must be read with any of the tables."""
    return [
        layer_convention(record),
        *agreement_of(record),
        *([_ratios(record)] if len(record.models) > 1 else []),
        *filter(None, [ceilings_sentence(record)]),
        *run_notes(record),
        *protocol_of(record),
        *(f"Warning: {warning}." for warning in findings.profile_warnings(record)),
    ]


def _tree(
    record: ProfileRecord, model: ModelProfile, headers: tuple[str, ...], depth: int | None, *, printed: bool
) -> Table:
    """A model's layers under some of the headers, the whole last."""
    screen = headers != TEXT_HEADERS
    shown = shown_layers(model, depth)
    layers = [*tree_cells(record, model, shown), layer_cells(record, model, model.total, model.total.layer)]
    names = [header.strip() if screen or header != "MACs" else "marked MACs" for header in headers]
    rows = [tuple(cells[name] for name in names) for cells in layers]
    hidden = len(model.layers) - 1 - len(shown)
    way = ".to_pandas() holds them" if model.batch is None or model.source == IN_HAND else "--depth shows them"
    folded = f"{hidden} layers inside these are folded; {way}" if hidden else None
    notes = (*((folded, _latency(record, model)) if screen else ()), *model_notes(record, model))
    table = Table(
        title=profile_title(record, model),
        columns=columns_of(headers, words=2),
        rows=(*rows[:-1], Row(rows[-1], total=screen or printed)),
        notes=tuple(note for note in notes if note),
        close=True,
        figures="plain",
    )
    return without_empty(table)


def _latency(record: ProfileRecord, model: ModelProfile) -> str | None:
    if model.latency is None:
        return None
    standing = next(other for other in findings.model_standings(record) if other.model is model)
    _, _, _, _, latency, interval, *_ = model_cells(record, standing)
    batch = "call" if model.batch is None else f"batch of {model.batch}"
    return f"{latency} per {batch}" + (f" (95 %: {interval})" if interval else "") + "."


def model_cells(record: ProfileRecord, standing: findings.ModelStanding) -> tuple[str, ...]:
    """One model as texts under `MODEL_HEADERS`."""
    model, total = standing.model, standing.model.total
    limits = findings.layer_limits(record, model, total)
    macs, latency, speed = findings.macs_of(total), standing.latency, standing.speedup
    return (
        model.model,
        UNKNOWN if macs is None else f"{units.format_count(macs)} {mark_of(total)}".strip(),
        units.format_count(total.params + total.params_norm) if total.known else UNKNOWN,
        _peak(total),
        (UNKNOWN if model.status == "ok" else model.status) if latency is None else units.format_seconds(latency.value),
        units.format_interval(*latency.interval) if latency and latency.interval else "",
        _ratio(limits.times_floor if limits else None),
        _ratio(standing.macs_ratio),
        _ratio(standing.memory_ratio),
        _ratio(speed.value if speed else None) + (f" ({range_of(speed)})" if speed and speed.interval else ""),
    )


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else units.format_ratio(value)


def profile_title(record: ProfileRecord, model: ModelProfile) -> str:
    """What was profiled: model, input, dtype, mode, device."""
    given = "" if model.batch is None and not model.input_shapes else f"input {_input_of(model)}"
    return f"{model.model}: {', '.join(filter(None, (given, _manner_of(record))))}"


def models_title(record: ProfileRecord) -> str:
    """What several models have in common, and their inputs."""
    inputs = list(dict.fromkeys(map(_input_of, record.models)))
    named = [f"{_input_of(model)} ({model.model})" for model in eager_models(record)] if len(inputs) > 1 else inputs
    return f"input {', '.join(named)}, {_manner_of(record)}"


def _input_of(model: ModelProfile) -> str:
    return ", ".join(" x ".join(map(str, shape)) for shape in model.input_shapes) or "as its code says"


def _manner_of(record: ProfileRecord) -> str:
    return ", ".join(filter(None, (record.dtype, record.mode, record.device)))


def eager_models(record: ProfileRecord) -> list[ModelProfile]:
    """Those that have layers: a model that is compiled, or replayed as a graph, has none."""
    return [model for model in record.models if model.variant == EAGER]
