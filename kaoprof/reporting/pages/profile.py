"""Profiles of models as one page: what went where in words, plots of their layers, tables of all layers to sort."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kaoprof.findings import models as findings
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.reporting.document import Column, Row, Table, columns_of, figure_cell, without_empty, words_of
from kaoprof.reporting.formats import html
from kaoprof.reporting.formats.folding import cut
from kaoprof.reporting.repeat import environment_terms, profile_commands
from kaoprof.reporting.sentences.limits import ceilings_sentence
from kaoprof.reporting.sentences.models import agreement_of, layer_convention, model_notes, run_notes, where_it_goes
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.tables.grid import NamedRun
from kaoprof.reporting.tables.profile import (
    MODEL_HEADERS,
    eager_models,
    layer_cells,
    model_cells,
    profile_title,
)  # fmt: skip
from kaoprof.units import format_seconds

if TYPE_CHECKING:
    from kaoprof.reporting.kinds import Report

HEADERS = (  # what matters most first: a phone shows the first of them
    "layer", "time", "of the time", "MACs", "peak", "type", "output", "weights", "FLOPs", "counts", "x floor", "bound",
)  # fmt: skip
WORDS = ("layer", "type", "output", "counts", "bound")
COLUMNS = tuple(Column(header, words=header in WORDS) for header in HEADERS)
LAYERS = "Layer by layer, the whole last. A heading sorts by its column."


def to_html(report: "Report") -> str:
    """One self-contained page."""
    title = ", ".join(run.name for run in report.runs)
    parts = [part for run in report.runs for part in _run(run)]
    head = html.paragraphs(["kaoprof profile"], "quiet")
    conventions = dict.fromkeys(layer_convention(run.record) for run in report.runs)
    return html.page(f"kaoprof: {title}", [head, *parts, html.listed(conventions, "quiet")])


def _run(run: NamedRun) -> Iterator[html.Html]:
    record = run.record
    yield html.header(run.name)
    yield html.listed(_answers(record), "answer")
    yield html.alarms(findings.profile_warnings(record))
    rows = tuple(model_cells(record, standing) for standing in findings.model_standings(record))
    models = Table(title="The models side by side.", columns=columns_of(MODEL_HEADERS), rows=rows)
    yield html.section("Models", html.table(models), html.paragraphs(run_notes(record)))
    if any(len(model.layers) > 1 for model in record.models):
        from kaoprof.reporting.plots.bars import plot_layers
        from kaoprof.reporting.plots.files import inline_svg

        drawn = html.figure(inline_svg(plot_layers(record)), "MACs, time and peak memory of the outer layers")
        yield html.section("Plots", drawn)
    for model in eager_models(record):
        told = where_it_goes(record, model)  # at the top
        notes = html.paragraphs(note for note in model_notes(record, model) if note != told)
        yield html.section(profile_title(record, model), _layers(record, model), notes)
    legend = [*agreement_of(record), *filter(None, [ceilings_sentence(record)]), *protocol_of(record)]
    terms = html.terms(environment_terms(record))
    yield html.section("Environment and protocol", terms, html.paragraphs(legend, "quiet"))
    yield html.section("To profile it again", html.command_lines(profile_commands(record)))


def _answers(record: ProfileRecord) -> Iterator[str]:
    """What each model takes, and where that goes."""
    for standing in findings.model_standings(record):
        model, latency = standing.model, standing.latency
        taken = f"{model.model} takes {format_seconds(latency.value)} a call." if latency else f"{model.model}:"
        goes = where_it_goes(record, model)
        if latency or goes:
            yield f"{taken} {goes or ''}".strip()


def _layers(record: ProfileRecord, model: ModelProfile) -> html.Html:
    rows: list[Row] = []
    for row in (*model.layers[1:], model.total):
        cells, limits = layer_cells(record, model, row, ""), findings.layer_limits(record, model, row)
        seconds = findings.seconds_of(model, row)
        time = "" if seconds is None else format_seconds(seconds)
        cells |= {"counts": cells[""], "of the time": cells["time"], "time": time}
        values = {
            "weights": row.params + row.params_norm, "MACs": findings.macs_of(row), "FLOPs": row.flops_all,
            "peak": findings.peak_of(findings.peak_holder(model, row)), "of the time": row.latency_share,
            "x floor": limits.times_floor if limits else None, "time": seconds,
        }  # fmt: skip
        cells |= {name: figure_cell(words_of(cells[name]), value) for name, value in values.items()}
        rows.append(Row(tuple(cells[name] for name in HEADERS), total=row is model.total))
    return html.block_to_html(cut(without_empty(Table(title=LAYERS, columns=COLUMNS, rows=tuple(rows)))))
