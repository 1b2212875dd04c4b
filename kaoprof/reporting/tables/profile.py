"""What a profile says: the models side by side, each with its layers as a tree, and which layers are worth a line."""

from msgspec.structs import replace

from kaoprof import units
from kaoprof.findings import models as findings
from kaoprof.records.measured import EAGER
from kaoprof.records.profile import IN_HAND, LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.document import (
    UNKNOWN,
    Cell,
    Medium,
    Page,
    Row,
    Span,
    Table,
    Text,
    Tone,
    columns_of,
    notes_of,
    optional_in_print,
    without_empty,
)
from kaoprof.reporting.sentences.limits import ceilings_sentence, range_of
from kaoprof.reporting.sentences.models import (
    agreement_of,
    layer_convention,
    model_answers,
    model_notes,
    run_notes,
    where_it_goes,
)
from kaoprof.reporting.sentences.protocol import protocol_in_short, protocol_of
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
LEFT_OUT = {  # where a paper's column has no room; the highest first
    "FLOPs": 6, "bound": 6, "x floor": 5, "output": 4, "memory ratio": 4, "MACs ratio": 4, "weights": 3, "type": 2,
    "95 % interval": 1,
}  # fmt: skip
TEXT_HEADERS = ("layer", "type", "output", "weights", "MACs", "FLOPs", "peak", "time", "x floor", "bound")


def page_of(record: ProfileRecord, medium: Medium = Medium.TEXT, depth: int | None = None) -> Page:
    """The record as a page; on a terminal several models have trees only if a `depth` is asked for."""
    if medium == Medium.SCREEN:
        from kaoprof.reporting.tables.profile_screen import screen_of

        return screen_of(record, depth)
    printed = medium == Medium.PAPER
    models = tuple(model_cells(record, standing) for standing in findings.model_standings(record))
    columns = optional_in_print(columns_of(MODEL_HEADERS), LEFT_OUT)
    table = without_empty(Table(columns=columns, rows=models, figures="plain"))
    trees = tuple(_tree(record, model, printed=printed) for model in eager_models(record))
    if not printed:
        return Page(blocks=(table, *trees, *notes_of(*_legend(record), listed=False)))
    title = f"Models, {record.dtype}, {record.mode}, {record.device or 'on paper'}"
    needed = [layer_convention(record), *([_ratios(record)] if len(record.models) > 1 else [])]
    notes = tuple(filter(None, (*needed, protocol_in_short(record))))
    rest = tuple(sentence for sentence in _legend(record) if sentence not in needed)
    return Page(blocks=(replace(table, title=title, notes=notes, details=rest), *trees))


def _ratios(record: ProfileRecord) -> str:
    return f"Ratios: {record.models[0].model} over each; above 1 the other is better."


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


def _tree(record: ProfileRecord, model: ModelProfile, *, printed: bool) -> Table:
    """A model's layers, the whole last."""
    shown = shown_layers(model, None)
    layers = [*tree_cells(record, model, shown), layer_cells(record, model, model.total, model.total.layer)]
    names = [header if header != "MACs" else "marked MACs" for header in TEXT_HEADERS]
    rows = [tuple(cells[name] for name in names) for cells in layers]
    hidden = len(model.layers) - 1 - len(shown)
    way = ".to_pandas() holds them" if model.batch is None or model.source == IN_HAND else "--depth shows them"
    folded = f"{hidden} layers inside these are folded; {way}" if hidden else None
    notes = tuple(note for note in (folded, *model_notes(record, model)) if note)
    needed = {where_it_goes(record, model), *model_answers(record, model)} if printed else {*notes}
    table = Table(
        title=profile_title(record, model),
        columns=optional_in_print(columns_of(TEXT_HEADERS, words=2), LEFT_OUT),
        rows=(*rows[:-1], Row(rows[-1], total=printed)),
        notes=tuple(note for note in notes if note in needed),
        details=tuple(note for note in notes if note not in needed),
        close=True,
        figures="plain",
    )
    return without_empty(table)


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
