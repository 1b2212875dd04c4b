"""Sweeps of models as one page: answers, plots, a table of all rows that can be sorted, exponents, how to repeat it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import ModelRow
from kaoprof.reporting.document import Column, Table, Text, figure_cell, without_empty
from kaoprof.reporting.formats import html
from kaoprof.reporting.repeat import environment_terms, models_command
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.sentences.swept_models import UNPAIRED, answers_of
from kaoprof.reporting.tables.grid import NamedRun
from kaoprof.reporting.tables.model_blocks import model_blocks
from kaoprof.reporting.tables.model_rows import CONVENTION, HEADERS, law_tables, texts_of
from kaoprof.units import counted

if TYPE_CHECKING:
    from kaoprof.reporting.kinds import Report

MOST_PLOTS = 6  # of one page
MOST_WARNINGS = 8  # shown at once
OPEN_PLOTS = 2  # shown at once; the others are folded
ALL_ROWS = "Every row. A heading sorts by its column."
WORDS = ("model", "size", "dtype", "mode", "95 %", "", "status")


def to_html(report: "Report") -> str:
    """The runs as one self-contained page; with no quantity at all, without plots."""
    names = ", ".join(run.name for run in report.runs)
    rows = sum(len(run.record.rows) for run in report.runs)
    parts = [part for run in report.runs for part in _answers(run, several=len(report.runs) > 1)]
    if report.quantities != ():
        parts.append(html.section("Plots", *_plots(report)))
    parts += [part for run in report.runs for part in _run(run, several=len(report.runs) > 1)]
    head = html.header(names, [f"kaoprof models: {counted(rows, 'row')}"])
    return html.page(f"kaoprof: {names}", [head, html.main(*parts)])


def _answers(run: NamedRun, *, several: bool) -> Iterator[html.Html]:
    of = f"{run.name}: " if several else ""
    yield html.listed([f"{of}{sentence}" for sentence in answers_of(run.record)], "answer")
    warnings = [f"{of}{warning}" for warning in findings.grid_warnings(run.record)]
    yield html.alarms(warnings[:MOST_WARNINGS])
    if more := warnings[MOST_WARNINGS:]:
        yield html.folded(f"{counted(len(more), 'more warning')}", html.alarms(more))


def _plots(report: "Report") -> Iterator[html.Html]:
    """A figure for each block; nothing that could be drawn is said."""
    from kaoprof.errors import UsageError
    from kaoprof.reporting.plots.files import inline_svg
    from kaoprof.reporting.plots.model_chart import X_LABELS, panels_of
    from kaoprof.reporting.plots.models import plot_models
    from kaoprof.reporting.plots.models_live import live_models

    blocks = model_blocks(report.runs)
    try:
        panels = panels_of(blocks, report.x, report.quantities)
    except UsageError:
        if report.x or report.quantities:
            raise
        yield html.paragraphs(["These runs hold nothing that could be plotted."])
        return
    for number, (block, row) in enumerate(zip(blocks[:MOST_PLOTS], panels, strict=False)):
        what = ", ".join(f"{panel.title} against {X_LABELS[panel.axis]}" for panel in row)
        picture = inline_svg(plot_models([block], report.x, report.quantities))
        drawn = html.figure(picture, f"{what}; {block.label}", data=live_models(row))
        yield drawn if number < OPEN_PLOTS else html.folded(block.label, drawn)
    if len(blocks) > MOST_PLOTS:
        yield html.paragraphs([f"{MOST_PLOTS} of {len(blocks):,} settings are plotted; --only chooses among them."])


def _run(run: NamedRun, *, several: bool) -> Iterator[html.Html]:
    record, of = run.record, f": {run.name}" if several else ""
    name, unbeaten = findings.names_of(record.rows), findings.unbeaten_of(record.rows)
    columns = tuple(Column(header or "unbeaten", words=header in WORDS) for header in (*HEADERS, "status"))
    rows = tuple(
        (*_cells(row, name(row), unbeaten=findings.key_of(row) in unbeaten), row.status) for row in record.rows
    )
    table = html.table(without_empty(Table(title=ALL_ROWS, columns=columns, rows=rows)))
    yield html.section(f"Table{of}", table, html.paragraphs([CONVENTION], "quiet"))
    if growth := law_tables(record):
        yield html.section(f"How it grows{of}", *map(html.block_to_html, growth))
    failed = [f"{row.case.setting}: {row.detail}" for row in record.rows if row.status != "ok" and row.detail]
    measured = any(row.profile.latency for row in record.rows)
    yield html.section(
        f"Environment and protocol{of}",
        html.terms(environment_terms(record)),
        html.paragraphs([*protocol_of(record), *([UNPAIRED] if measured else [])], "quiet"),
        *([html.folded(f"Why {counted(len(failed), 'row')} did not run", html.listed(failed))] if failed else []),
    )
    if record.rows:
        yield html.section(f"To sweep it again{of}", html.command_lines([models_command(record)]))


def _cells(row: ModelRow, name: str, *, unbeaten: bool) -> tuple[Text, ...]:
    """The texts of every table, sorted by the values behind them."""
    total, latency = row.profile.total, findings.latency_of(row)
    values = {
        "batch": row.profile.batch, "MACs": findings.macs_of_row(row),
        "params": total.params + total.params_norm if total.known else None, "peak": findings.peak_of_row(row),
        "latency": latency.value if latency else None, "samples/s": findings.samples_per_s(row),
    }  # fmt: skip
    texts = dict(zip(HEADERS, texts_of(row, name, unbeaten=unbeaten), strict=True))
    return tuple(figure_cell(text, values[header]) if header in values else text for header, text in texts.items())
