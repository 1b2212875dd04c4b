"""A profile on a terminal: the models side by side, and each as a tree of layers."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kaoprof.findings.models import model_standings
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.reporting.console import BAD, GOOD, QUIET
from kaoprof.reporting.sentences.limits import ceilings_sentence, floors_sentence
from kaoprof.reporting.sentences.models import agreement_of, model_notes, run_notes
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.tables.profile import (
    FOLDED_HEADERS,
    LAYER_CONVENTION,
    MODEL_HEADERS,
    LayerCells,
    eager_models,
    folded_cells,
    layer_cells,
    model_cells,
    models_title,
    profile_title,
    shown_layers,
    telling,
    tree_cells,
)  # fmt: skip

WIDE = 120


def profile_to_console(record: ProfileRecord, width: int, *, depth: int | None = None) -> RenderableType:
    """The record as rich renderables for a terminal of `width` columns."""
    parts: list[RenderableType] = []
    eager = eager_models(record)
    if len(record.models) > 1:
        parts += [
            Text(models_title(record), style="bold"),
            _summary(record, width),
            Text(f"Ratios: {record.models[0].model} over each; above 1 the other is better."),
        ]
        parts.append(Text())
    trees = eager if len(eager) == 1 or depth is not None else []
    for model in record.models:
        if model in trees:
            parts += _model(record, model, width, depth)
        elif model.detail:
            parts.append(Text(f"{model.model}: {model.detail}", style=BAD))
    if found := run_notes(record):
        parts += [*map(Text, found), Text()]
    ceilings = ceilings_sentence(record) if trees else floors_sentence(record)  # only a tree says what binds
    floors = [ceilings] if ceilings else []
    legend = [LAYER_CONVENTION, *agreement_of(record), *floors, *protocol_of(record)]
    return Group(*parts, *(Text(sentence, style=QUIET) for sentence in legend))


def _summary(record: ProfileRecord, width: int) -> Table:
    standings = model_standings(record)
    wide = width >= WIDE
    table = _empty_table(MODEL_HEADERS if wide else FOLDED_HEADERS)
    for standing in standings:
        table.add_row(*(Text(text) for text in (model_cells if wide else folded_cells)(record, standing)))
    return table


def _model(record: ProfileRecord, model: ModelProfile, width: int, depth: int | None) -> list[RenderableType]:
    wide = width >= WIDE
    figures = ("FLOPs", "predicted", "peak", "time", "x floor", "  bound") if wide else ("peak", "time")
    headers = ("layer", "type", "output", "weights", "MACs", "", *figures)
    shown = shown_layers(model, depth)
    whole = layer_cells(record, model, model.total, model.total.layer)
    rows = [_row(cells, wide) for cells in (*tree_cells(record, model, shown), whole)]
    kept = telling([[text.plain for text in row] for row in rows])
    table = _empty_table(tuple(headers[place] for place in kept))
    for row in rows[:-1]:
        table.add_row(*(row[place] for place in kept))
    table.add_section()
    table.add_row(*(rows[-1][place] for place in kept), style="bold")
    hidden = len(model.layers) - 1 - len(shown)
    notes = [f"{hidden} layers inside these are folded; --depth shows them"] if hidden else []
    notes += [text for text in (_latency(record, model),) if text]
    notes += model_notes(record, model)
    return [Text(profile_title(record, model), style="bold"), table, *map(Text, notes), Text()]


def _latency(record: ProfileRecord, model: ModelProfile) -> str | None:
    standing = next(one for one in model_standings(record) if one.model is model)
    if standing.latency is None:
        return None
    _, _, _, _, latency, interval, *_ = model_cells(record, standing)
    return f"{latency} per batch of {model.batch}" + (f" (95 %: {interval})" if interval else "") + "."


def _row(cells: LayerCells, wide: bool) -> list[Text]:
    first = [
        Text("  " * max(cells.depth - 1, 0) + cells.name),
        Text(cells.type, style=QUIET),
        Text(cells.shape),
        Text(cells.params),
        Text(cells.macs),
        Text(cells.agreement, style=BAD if cells.agreement == "!" else GOOD),
    ]
    peaks = [Text(cells.flops), Text(cells.predicted), Text(cells.peak)] if wide else [Text(cells.peak)]
    limits = [Text(cells.times_floor), Text(cells.bound, style=QUIET)] if wide else []
    return [*first, *peaks, Text(cells.share), *limits]


def _empty_table(headers: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    for header in headers:
        left = header in ("layer", "model", "type")
        table.add_column(header, justify="left" if left else "right", no_wrap=True)
    return table
