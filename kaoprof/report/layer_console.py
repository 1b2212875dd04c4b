"""A profile on a terminal: the models side by side, and each as a tree of layers."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kaoprof.layer_findings import model_standings
from kaoprof.layer_records import ModelProfile, ProfileRecord
from kaoprof.report.console import BAD, GOOD, QUIET
from kaoprof.report.layer_cells import (
    FOLDED_HEADERS,
    LAYER_CONVENTION,
    MODEL_HEADERS,
    LayerCells,
    folded_cells,
    layer_cells,
    model_cells,
    profile_title,
    protocol_note,
    shown_layers,
    tree_cells,
    where_it_goes,
)  # fmt: skip
from kaoprof.report.sentences import AGREE, protocol_of

WIDE = 120


def profile_to_console(record: ProfileRecord, width: int, *, depth: int | None = None) -> RenderableType:
    """The record as rich renderables for a terminal of `width` columns."""
    parts: list[RenderableType] = []
    several = len(record.models) > 1
    if several:
        parts += [
            _summary(record, width),
            Text(f"Ratios: {record.models[0].model} over each; above 1 the other is better."),
        ]
        parts.append(Text())
    for model in record.models:
        if not several or depth is not None:
            parts += _model(record, model, width, depth)
        elif model.detail:
            parts.append(Text(f"{model.model}: {model.detail}", style=BAD))
    counted = any(model.total.macs_counted is not None for model in record.models)
    legend = [LAYER_CONVENTION, *([AGREE] if counted else []), *protocol_of(record)]
    return Group(*parts, *(Text(sentence, style=QUIET) for sentence in legend))


def _summary(record: ProfileRecord, width: int) -> Table:
    standings = model_standings(record)
    wide = width >= WIDE
    table = _empty_table(MODEL_HEADERS if wide else FOLDED_HEADERS)
    for standing in standings:
        table.add_row(*(Text(text) for text in (model_cells if wide else folded_cells)(standing)))
    return table


def _model(record: ProfileRecord, model: ModelProfile, width: int, depth: int | None) -> list[RenderableType]:
    wide = width >= WIDE
    figures = ("FLOPs", "predicted", "peak", "time") if wide else ("peak", "time")
    headers = ("layer", "type", "output", "weights", "MACs", "", *figures)
    table = _empty_table(headers)
    shown = shown_layers(model, depth)
    for cells in tree_cells(shown):
        table.add_row(*_row(cells, wide))
    table.add_section()
    table.add_row(*_row(layer_cells(model.total, model.total.layer), wide), style="bold")
    hidden = len(model.layers) - 1 - len(shown)
    notes = [f"{hidden} layers inside these are folded; --depth shows them"] if hidden else []
    notes += [text for text in (model.detail, _latency(record, model), where_it_goes(record, model)) if text]
    notes += [text for text in (protocol_note(model),) if text]
    return [Text(profile_title(record, model), style="bold"), table, *map(Text, notes), Text()]


def _latency(record: ProfileRecord, model: ModelProfile) -> str | None:
    standing = next(one for one in model_standings(record) if one.model is model)
    if standing.latency is None:
        return None
    _, _, _, _, latency, interval, *_ = model_cells(standing)
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
    return [*first, *peaks, Text(cells.share)]


def _empty_table(headers: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    for header in headers:
        left = header in ("layer", "model", "type")
        table.add_column(header, justify="left" if left else "right", no_wrap=True)
    return table
