"""Profiles of models as files: those that `profile` writes, one after the other; plots of their layers; a page."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence

import msgspec

from kaoprof.errors import UsageError
from kaoprof.findings.models import (
    layer_limits,
    macs_of,
    model_standings,
    peak_holder,
    peak_of,
    profile_warnings,
    seconds_of,
)
from kaoprof.records.measured import SCHEMA, dumps
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.reporting.columns.profile import LAYER_COLUMNS, layer_views
from kaoprof.reporting.formats.csv import cell_text
from kaoprof.reporting.layer_files import profile_to_csv, profile_to_latex, profile_to_markdown
from kaoprof.reporting.tables.profile import (
    LAYER_CONVENTION,
    MODEL_HEADERS,
    eager_models,
    layer_cells,
    model_cells,
    profile_title,
    telling,
)  # fmt: skip
from kaoprof.units import format_seconds


class NamedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A record of models, and what to call it beside others."""

    name: str
    record: ProfileRecord


Profiles = Sequence[NamedProfile]
HEADERS = (
    "layer",
    "type",
    "output",
    "weights",
    "MACs",
    "counts",
    "FLOPs",
    "peak",
    "time",
    "of the time",
    "x floor",
    "bound",
)


def _csv(runs: Profiles) -> str:
    if len(runs) == 1:
        return profile_to_csv(runs[0].record)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*LAYER_COLUMNS, "run"])
    for run in runs:
        for view in layer_views(run.record):
            writer.writerow([*(cell_text(column(view)) for column in LAYER_COLUMNS.values()), cell_text(run.name)])
    return text.getvalue()


def _json(runs: Profiles) -> str:
    if len(runs) == 1:
        return dumps(runs[0].record)
    document = {"schema": SCHEMA, "kind": "report", "runs": [{"name": run.name, "record": run.record} for run in runs]}
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


def _markdown(runs: Profiles) -> str:
    return "\n".join(profile_to_markdown(run.record) for run in runs)


def _latex(runs: Profiles) -> str:
    return "\n".join(profile_to_latex(run.record) for run in runs)


def _plot(writer: str) -> Callable[[Profiles], bytes]:
    def written(runs: Profiles) -> bytes:
        from kaoprof.reporting.plots import files as plot_files
        from kaoprof.reporting.plots.bars import plot_layers

        drawn = [run for run in runs if any(len(model.layers) > 1 for model in run.record.models)]
        if not drawn:
            raise UsageError("these profiles hold no layers that could be plotted")
        return bytes(getattr(plot_files, writer)([plot_layers(run.record) for run in drawn]))

    return written


def _html(runs: Profiles) -> str:
    from kaoprof.reporting.formats.html import listed, page, paragraphs

    title = ", ".join(run.name for run in runs)
    return page(f"kaoprof: {title}", [
        paragraphs(["kaoprof profile"], "quiet"),
        *(part for run in runs for part in _run(run)),
        listed([LAYER_CONVENTION], "quiet"),
    ])  # fmt: skip


def _run(run: NamedProfile) -> Iterator[str]:
    from kaoprof.reporting.formats.html import (
        Cell,
        command_lines,
        escape,
        figure,
        listed,
        paragraphs,
        section,
        table,
        terms,
    )
    from kaoprof.reporting.plots.bars import plot_layers
    from kaoprof.reporting.plots.files import inline_svg
    from kaoprof.reporting.repeat import environment_terms, profile_commands
    from kaoprof.reporting.sentences.limits import ceilings_sentence
    from kaoprof.reporting.sentences.models import agreement_of, model_notes, run_notes
    from kaoprof.reporting.sentences.protocol import protocol_of

    record = run.record
    yield f"<h1>{escape(run.name)}</h1>"
    yield listed((f"Warning: {warning}." for warning in profile_warnings(record)), "warn")
    models = [
        [Cell(text, numeric=False) for text in model_cells(record, standing)] for standing in model_standings(record)
    ]
    side_by_side = table(MODEL_HEADERS, models, caption="The models side by side.", words=1)
    yield section("Models", side_by_side, paragraphs(run_notes(record)))
    if any(len(model.layers) > 1 for model in record.models):
        yield section(
            "Plots", figure(inline_svg(plot_layers(record)), "MACs, time and peak memory of the outer layers")
        )
    for model in eager_models(record):
        yield section(profile_title(record, model), paragraphs(model_notes(record, model)), _layers(record, model))
    legend = [*agreement_of(record), *filter(None, [ceilings_sentence(record)]), *protocol_of(record)]
    yield section("Environment and protocol", terms(environment_terms(record)), paragraphs(legend, "quiet"))
    yield section("To profile it again", command_lines(profile_commands(record)))


def _layers(record: ProfileRecord, model: ModelProfile) -> str:
    from kaoprof.reporting.formats.html import Cell, table

    rows = []
    for row in (*model.layers[1:], model.total):
        cells, limits = layer_cells(record, model, row, ""), layer_limits(record, model, row)
        seconds = seconds_of(model, row)
        rows.append([
            Cell("\u2003" * max(cells.depth - 1, 0) + cells.name, numeric=False),
            Cell(cells.type, numeric=False),
            Cell(cells.shape, numeric=False),
            Cell(cells.params, row.params + row.params_norm),
            Cell(cells.macs, macs_of(row)),
            Cell(cells.agreement, numeric=False),
            Cell(cells.flops, row.flops_all),
            Cell(cells.peak, peak_of(peak_holder(model, row))),
            Cell("" if seconds is None else format_seconds(seconds), seconds),
            Cell(cells.share, row.latency_share),
            Cell(cells.times_floor, limits.times_floor if limits else None),
            Cell(cells.bound, numeric=False),
        ])  # fmt: skip
    kept = telling([[cell.text for cell in row] for row in rows])
    headers, rows = [HEADERS[place] for place in kept], [[row[place] for place in kept] for row in rows]
    return table(headers, rows, caption="Every layer, the whole last. A heading sorts by its column.", words=3)


PROFILE_FORMATS: dict[str, Callable[[Profiles], str | bytes]] = {
    "csv": _csv,
    "json": _json,
    "md": _markdown,
    "tex": _latex,
    "html": _html,
    "png": _plot("to_png"),
    "svg": _plot("to_svg"),
    "pdf": _plot("to_pdf"),
}
