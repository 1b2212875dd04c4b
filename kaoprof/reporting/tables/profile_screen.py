"""What a profile says on a terminal: a line per model or per layer, where time and memory go, a line per fact."""

from collections.abc import Iterator, Sequence

from kaoprof import units
from kaoprof.findings import models as findings
from kaoprof.findings.models import ModelStanding
from kaoprof.findings.operators import NOISY
from kaoprof.findings.surroundings import environment_warnings
from kaoprof.records.profile import LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.document import (
    UNKNOWN,
    Block,
    Cell,
    Column,
    Page,
    Row,
    Span,
    Table,
    Text,
    Tone,
    answer_of,
    cell_of,
    notes_of,
    without_empty,
    words_of,
)
from kaoprof.reporting.sentences.facts import Fact, counts_fact, exactness, facts_table, machine, measured_how, warned
from kaoprof.reporting.sentences.limits import ceilings_sentence
from kaoprof.reporting.sentences.models import (
    agreement_of,
    layer_convention,
    model_answers,
    model_notes,
    run_notes,
    where_it_goes,
)
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.sentences.quoted import NOISY as NOISE
from kaoprof.reporting.sentences.quoted import interval_text, seconds_of, seconds_text, times_text
from kaoprof.reporting.sentences.verdicts import faster_by, times_of
from kaoprof.reporting.tables.profile import (
    eager_models,
    model_cells,
    models_title,
    profile_title,
    shown_layers,
    tree_cells,
)

BAR, FLOOR, BOUND, FLOPS, PREDICTED, RATIO = range(1, 7)  # what goes last where a line has no room
LAYERS = (
    Column("layer", words=True, name=True), Column("type", words=True, name=True), Column("output", words=True),
    Column("params"), Column("MACs"), Column(""), Column("FLOPs", optional=FLOPS),
    Column("predicted", optional=PREDICTED), Column("peak"), Column(" ", words=True), Column("time"), Column("  "),
    Column("x floor", optional=FLOOR), Column("bound", words=True, optional=BOUND), Column("", bar=True, optional=BAR),
)  # fmt: skip
MODELS = (
    Column("model", words=True, name=True), Column("MACs"), Column("weights"), Column("peak"), Column("time"),
    Column("(95 %)"), Column("x floor", optional=FLOOR), Column("MACs\nratio", optional=RATIO),
    Column("memory\nratio", optional=RATIO), Column("vs first"), Column("", bar=True, optional=BAR),
)  # fmt: skip
HOLDS = "◂"  # behind the peak of the layer in which memory peaks
PREFIX = "layers."  # of the outer layers of a spec, which says nothing


def screen_of(record: ProfileRecord, depth: int | None) -> Page:
    """The record for a terminal; several models have trees only if a `depth` is asked for."""
    eager = eager_models(record)
    trees = eager if len(eager) == 1 or depth is not None else []
    blocks: list[Block] = [*_summary(record)] if len(record.models) > 1 else []
    for model in trees:
        blocks += [_tree(record, model, depth), *notes_of(_answer(record, model), *model_answers(record, model))]
        blocks += notes_of(*model_notes(record, model), detail=True)
    legend = notes_of(
        *run_notes(record), layer_convention(record), *agreement_of(record), ceilings_sentence(record),
        *protocol_of(record), tone=Tone.QUIET, detail=True,
    )  # fmt: skip
    return Page(blocks=(*blocks, *facts_table(_facts(record)), *legend))


def _tree(record: ProfileRecord, model: ModelProfile, depth: int | None) -> Table:
    """A line for each layer, the whole last."""
    shown = shown_layers(model, depth)
    fullest = findings.fullest_layer(model)
    holder = max((row for row in shown if fullest and f"{fullest.layer}.".startswith(f"{row.layer}.")),
                 key=lambda row: row.depth, default=None)  # fmt: skip
    rows = [
        _layer_cells(model, row, texts, holds=row is holder)
        for row, texts in zip(shown, tree_cells(record, model, shown), strict=True)
    ]
    total = _layer_cells(model, model.total, tree_cells(record, model, [model.total])[0], holds=False)
    hidden = len(model.layers) - 1 - len(shown)
    folded = (f"{hidden} layers inside these are folded.",) if hidden else ()
    return without_empty(
        Table(title=_title(record, model), columns=LAYERS, rows=(*rows, Row(total, total=True)), details=folded)
    )


def _layer_cells(model: ModelProfile, row: LayerRow, texts: dict[str, Text], *, holds: bool) -> tuple[Text, ...]:
    seconds = findings.seconds_of(model, row)
    share = row.latency_share
    if row is model.total and share is None:
        seconds = None  # the sentence below tells it: of no layer it is known
    mark = words_of(texts[""])
    shape = row.output_shape
    output = UNKNOWN if not shape else "x".join(map(str, shape[1:] if model.batch == shape[0] else shape))
    return (
        _without_prefix(texts["layer"]),
        texts["type"],
        output,
        texts["weights"],
        UNKNOWN if (macs := findings.macs_of(row)) is None else units.format_short_count(macs),
        Span("" if mark == "=" else mark, Tone.WARN),
        texts["FLOPs"],
        texts["predicted"],
        texts["peak"],
        Span(HOLDS if holds else "", Tone.WARN),
        UNKNOWN if seconds is None else units.format_seconds(seconds),
        "" if share is None else units.format_percent(share),
        texts["x floor"],
        texts["bound"],
        Cell(lines=(("",),), value=None if row is model.total else share),
    )


def _without_prefix(name: Text) -> Cell:
    cell = cell_of(name)
    return Cell(lines=((words_of(cell).removeprefix(PREFIX),),), depth=cell.depth)


def _title(record: ProfileRecord, model: ModelProfile) -> str:
    """What was profiled."""
    environment = record.environment
    threads = f" {units.counted(environment.threads, 'thread')}" if environment and record.device == "cpu" else ""
    return f"{profile_title(record, model).replace(': input ', ': ')}{threads}"


def _answer(record: ProfileRecord, model: ModelProfile) -> str | None:
    """How long a call takes, and where time and memory go."""
    standing = next(other for other in findings.model_standings(record) if other.model is model)
    seconds = standing.latency
    interval = interval_text(seconds)
    sure = {"": "", NOISE: ", too noisy to quote"}.get(interval, f" (95 %: {interval})")
    took = f"{seconds_text(seconds)} a call{sure}." if seconds else ""
    return " ".join(filter(None, (took, where_it_goes(record, model, PREFIX)))) or None


def _summary(record: ProfileRecord) -> Iterator[Block]:
    """A line for each model, and the fastest of them in a sentence."""
    standings = findings.model_standings(record)
    speeds = [speed.value for standing in standings if (speed := standing.speedup)]
    rows = tuple(_model_cells(record, standing, max(speeds, default=0.0)) for standing in standings)
    yield without_empty(Table(title=models_title(record), columns=MODELS, rows=rows))
    yield from notes_of(_verdict(standings))
    failed = [Span(f"{model.model}: {model.detail}", Tone.BAD) for model in record.models if model.detail]
    yield from notes_of(*failed)


def _model_cells(record: ProfileRecord, standing: ModelStanding, most: float) -> tuple[Text, ...]:
    name, macs, weights, peak, time, _, floor, macs_ratio, memory_ratio, _ = model_cells(record, standing)
    speed, seconds = standing.speedup, standing.latency
    return (
        name, macs.removesuffix(" ="), weights, peak, seconds_text(seconds) if seconds else Span(time, Tone.BAD),
        Span(interval_text(seconds), Tone.QUIET), floor, macs_ratio, memory_ratio, times_text(speed),
        Cell(lines=(("",),), value=speed.value / most if speed and most else None),
    )  # fmt: skip


def _verdict(standings: Sequence[ModelStanding]) -> Text | None:
    """Which of the models is fastest, against the first; of two that were not timed, which takes fewer MACs."""
    first, *others = standings
    timed = [standing for standing in others if standing.latency is not None]
    if not timed or first.latency is None:
        return None
    best = min(timed, key=seconds_of)
    macs = f"It takes {times_of(best.macs_ratio, 'fewer', 'more')} MACs." if best.macs_ratio else ""
    return answer_of(f"{best.model.model} {faster_by(best.speedup, first.model.model)}", macs)


def _facts(record: ProfileRecord) -> Iterator[Fact | None]:
    """Counts and exactness in a line, the machine, the protocol, and every warning."""
    named = [(model.model, model) for model in record.models]
    yield counts_fact(record.models, exactness(named))
    alone = f"{record.models[0].model}: " if len(record.models) == 1 else ""
    spread = {text: text.removeprefix(alone).replace(f"{NOISY}:", "spread").partition(" (")[0]
              for text in findings.profile_warnings(record) if NOISY in text}  # fmt: skip
    place = machine(record, "; ".join(spread.values()))
    yield from place
    yield measured_how(record.models, record.protocol)
    said = [*spread, *(environment_warnings(record) if any(fact.wrong for fact in place) else [])]
    yield from warned([text for text in findings.profile_warnings(record) if text not in said])
