"""A profile as CSV, Markdown and LaTeX."""

import csv
import io

from kaoprof.layer_findings import model_standings, profile_warnings
from kaoprof.layer_records import ModelProfile, ProfileRecord
from kaoprof.report.delimited import cell_text
from kaoprof.report.latex import booktabs, escape_sentence
from kaoprof.report.latex import escape as escape_latex
from kaoprof.report.layer_cells import (
    LAYER_CONVENTION,
    MODEL_HEADERS,
    LayerCells,
    eager_models,
    layer_cells,
    model_cells,
    model_notes,
    profile_title,
    run_notes,
    shown_layers,
    tree_cells,
)  # fmt: skip
from kaoprof.report.layer_columns import LAYER_COLUMNS, layer_views
from kaoprof.report.limits import ceilings_sentence
from kaoprof.report.markdown import escape as escape_markdown
from kaoprof.report.markdown import table_line
from kaoprof.report.sentences import agreement_of, protocol_of

HEADERS = ("layer", "type", "output", "weights", "MACs", "FLOPs", "peak", "time", "x floor", "bound")


def profile_to_csv(record: ProfileRecord) -> str:
    """Every layer of every model, the whole of each last."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LAYER_COLUMNS)
    writer.writerows([cell_text(column(view)) for column in LAYER_COLUMNS.values()] for view in layer_views(record))
    return text.getvalue()


def _texts(cells: LayerCells) -> tuple[str, ...]:
    macs = f"{cells.macs} {cells.agreement}".strip()
    return (cells.name, cells.type, cells.shape, cells.params, macs, cells.flops, cells.peak, cells.share,
            cells.times_floor, cells.bound)  # fmt: skip


def _rows(record: ProfileRecord, model: ModelProfile) -> list[LayerCells]:
    whole = layer_cells(record, model, model.total, model.total.layer)
    return [*tree_cells(record, model, shown_layers(model, None)), whole]


def profile_to_markdown(record: ProfileRecord) -> str:
    """The models side by side, and each with its outer layers."""
    lines = [table_line(MODEL_HEADERS), table_line(["---", *["---:"] * (len(MODEL_HEADERS) - 1)])]
    lines += [table_line(map(escape_markdown, model_cells(record, standing))) for standing in model_standings(record)]
    for model in eager_models(record):
        lines += ["", f"**{escape_markdown(profile_title(record, model))}**", ""]
        lines += [table_line(HEADERS), table_line(["---", "---", *["---:"] * (len(HEADERS) - 2)])]
        for cells in _rows(record, model):
            name, *others = _texts(cells)
            indented = "&nbsp;&nbsp;" * max(cells.depth - 1, 0) + escape_markdown(name)
            lines.append(table_line([indented, *map(escape_markdown, others)]))
        lines += ["", *(f"- {escape_markdown(note)}" for note in model_notes(record, model))]
    lines += ["", *(escape_markdown(sentence) for sentence in _notes(record))]
    return "\n".join(lines) + "\n"


def _notes(record: ProfileRecord) -> list[str]:
    """What must be read with any of the tables."""
    ratios = f"Ratios: {record.models[0].model} over each; above 1 the other is better."
    return [
        LAYER_CONVENTION,
        *agreement_of(record),
        *([ratios] if len(record.models) > 1 else []),
        *(text for text in (ceilings_sentence(record),) if text),
        *run_notes(record),
        *protocol_of(record),
        *(f"Warning: {warning}." for warning in profile_warnings(record)),
    ]


def profile_to_latex(record: ProfileRecord) -> str:
    """A booktabs table of the models, and one per model with its outer layers."""
    caption = escape_sentence(f"Models, {record.dtype}, {record.mode}, {record.device or 'on paper'}.")
    below = escape_sentence(" ".join(_notes(record)))
    models = [
        " & ".join(map(escape_latex, model_cells(record, standing))) + r" \\" for standing in model_standings(record)
    ]
    tables = [booktabs(caption, "l" + "r" * (len(MODEL_HEADERS) - 1), MODEL_HEADERS, models, below)]
    for model in eager_models(record):
        rows = []
        for cells in _rows(record, model):
            name, *others = map(escape_latex, _texts(cells))
            rows.append(" & ".join([rf"\hspace*{{{max(cells.depth - 1, 0)}em}}{name}", *others]) + r" \\")
        rows.insert(-1, r"\midrule")
        notes = " ".join(model_notes(record, model))
        caption = escape_sentence(f"{profile_title(record, model)}.")
        columns = "ll" + "r" * (len(HEADERS) - 2)
        tables.append(booktabs(caption, columns, HEADERS, rows, escape_sentence(notes)))
    return "\n".join(tables)
