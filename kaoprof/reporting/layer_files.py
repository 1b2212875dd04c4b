"""A profile as CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Sequence

from kaoprof.findings.models import model_standings, profile_warnings
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.reporting.columns.profile import LAYER_COLUMNS, layer_views
from kaoprof.reporting.formats.csv import cell_text
from kaoprof.reporting.formats.latex import booktabs, escape_sentence
from kaoprof.reporting.formats.latex import escape as escape_latex
from kaoprof.reporting.formats.markdown import escape as escape_markdown
from kaoprof.reporting.formats.markdown import table_line
from kaoprof.reporting.sentences.limits import ceilings_sentence
from kaoprof.reporting.sentences.models import agreement_of, model_notes, run_notes
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.tables.profile import (
    LAYER_CONVENTION,
    MODEL_HEADERS,
    LayerCells,
    eager_models,
    layer_cells,
    model_cells,
    profile_title,
    shown_layers,
    telling,
    tree_cells,
)  # fmt: skip

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


def _told(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows without the columns that are empty everywhere."""
    kept = telling(rows)
    return [headers[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _models(record: ProfileRecord) -> tuple[list[str], list[list[str]]]:
    """Headers, and a row for each model."""
    return _told(MODEL_HEADERS, [model_cells(record, standing) for standing in model_standings(record)])


def _layers(record: ProfileRecord, model: ModelProfile) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Headers, and each layer's row with how far to indent it, the whole last."""
    whole = layer_cells(record, model, model.total, model.total.layer)
    cells = [*tree_cells(record, model, shown_layers(model, None)), whole]
    headers, rows = _told(HEADERS, [_texts(one) for one in cells])
    return headers, list(zip((max(one.depth - 1, 0) for one in cells), rows, strict=True))


def profile_to_markdown(record: ProfileRecord) -> str:
    """The models side by side, and each with its outer layers."""
    headers, models = _models(record)
    lines = [table_line(headers), table_line(["---", *["---:"] * (len(headers) - 1)])]
    lines += [table_line(map(escape_markdown, row)) for row in models]
    for model in eager_models(record):
        lines += ["", f"**{escape_markdown(profile_title(record, model))}**", ""]
        headers, rows = _layers(record, model)
        lines += [table_line(headers), table_line(["---", "---", *["---:"] * (len(headers) - 2)])]
        for depth, (name, *others) in rows:
            indented = "&nbsp;&nbsp;" * depth + escape_markdown(name)
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
    headers, models = _models(record)
    lines = [" & ".join(map(escape_latex, row)) + r" \\" for row in models]
    tables = [booktabs(caption, "l" + "r" * (len(headers) - 1), headers, lines, below)]
    for model in eager_models(record):
        headers, rows = _layers(record, model)
        lines = [
            " & ".join([rf"\hspace*{{{depth}em}}{escape_latex(name)}", *map(escape_latex, others)]) + r" \\"
            for depth, (name, *others) in rows
        ]
        lines.insert(-1, r"\midrule")
        notes = " ".join(model_notes(record, model))
        caption = escape_sentence(f"{profile_title(record, model)}.")
        columns = "ll" + "r" * (len(headers) - 2)
        tables.append(booktabs(caption, columns, headers, lines, escape_sentence(notes)))
    return "\n".join(tables)
