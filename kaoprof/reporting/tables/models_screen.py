"""What a sweep of models says on a terminal: models on one input, fastest first; who wins where; a line per fact."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from kaoprof.findings import model_grid as findings
from kaoprof.findings.surroundings import environment_warnings
from kaoprof.records.swept_models import ModelRow, SweptModels, shown_size
from kaoprof.reporting.document import (
    UNKNOWN,
    Cell,
    Column,
    Page,
    Span,
    Table,
    Text,
    Tone,
    answer_of,
    notes_of,
    without_empty,
)
from kaoprof.reporting.sentences.facts import Fact, counts_fact, exactness, facts_table, machine, measured_how, warned
from kaoprof.reporting.sentences.protocol import protocol_of
from kaoprof.reporting.sentences.quoted import NOISY, is_too_noisy
from kaoprof.reporting.sentences.row_facts import without_figures
from kaoprof.reporting.sentences.swept_models import unpaired_in
from kaoprof.reporting.tables.model_rows import (
    CONVENTION,
    HEADERS,
    PREDICTED,
    column_of,
    fixed_in,
    law_tables,
    meanings_of,
    texts_of,
    title_of,
    toned,
)
from kaoprof.stats.medians import Estimate
from kaoprof.units import format_count, format_ratio, three_digits

MANY = 24  # rows, beyond which exponents are detail
INPUT = ("size", "batch", "dtype", "mode")  # what tells inputs apart: it stands first, and once
BAR = 3  # what goes first where a line has no room
FASTEST, LEAST = "is the fastest", "takes the fewest MACs"


def screen_of(record: SweptModels) -> Page:
    """The record for a terminal."""
    fixed = fixed_in(record)
    fronts = findings.fronts(record.rows)
    groups = [sorted(rows, key=_rank) for rows in findings.by_comparison(record.rows).values()]
    table = _table(record, fixed, groups)
    verdict = _verdict(groups, findings.names_of(record.rows))
    quiet = [Span(text, Tone.QUIET) for text in meanings_of(fronts)]
    laws = [replace(law, detail=len(record.rows) > MANY) for law in law_tables(record, fixed)]
    legend = notes_of(CONVENTION, *protocol_of(record), unpaired_in(record), tone=Tone.QUIET, detail=True)
    return Page(
        blocks=(table, *notes_of(verdict, *quiet), *laws, *facts_table(_facts(record)), *legend)
    )  # fmt: skip


def _rank(row: ModelRow) -> tuple[float, float]:
    """Fastest first; what was not timed by its MACs."""
    seconds, macs = findings.seconds_of(row), findings.macs_of_row(row)
    return (math.inf if seconds is None else seconds, math.inf if macs is None else macs)


def _table(record: SweptModels, fixed: Mapping[str, str], groups: Sequence[Sequence[ModelRow]]) -> Table:
    """A line for each model and input; what the input has in common with that above goes without saying."""
    first = [name for name in INPUT if name not in fixed]
    name, unbeaten = findings.names_of(record.rows), findings.unbeaten_of(record.rows)
    headers = [*first, *(name for name in HEADERS if name not in INPUT)]
    rates = [rate for row in record.rows if (rate := findings.samples_per_s(row))]
    rows = []
    for members in groups:
        before: list[Text] = []
        for row in members:
            shown = _shown(row, texts_of(row, name(row), unbeaten=findings.key_of(row) in unbeaten))
            texts = dict(zip(HEADERS, shown, strict=True))
            cells = [texts[name] for name in headers]
            place = cells[: len(first)]
            cells[: len(first)] = [""] * len(first) if place == before else place
            rows.append((*cells, _bar(row, max(rates, default=0.0))))
            before = place
    columns = (*map(column_of, headers), Column("", bar=True, optional=BAR))
    return without_empty(Table(title=title_of(record, fixed), columns=columns, rows=tuple(rows)))


def _shown(row: ModelRow, words: Sequence[str]) -> tuple[Text, ...]:
    """The texts of a row; an interval that says nothing in words."""
    *others, mark = words
    texts: list[Text] = [*map(toned, others), Span(mark, Tone.GOOD)]
    if is_too_noisy(findings.latency_of(row)):
        texts[HEADERS.index("95 %")] = Span(NOISY, Tone.WARN)
    return tuple(texts)


def _bar(row: ModelRow, most: float) -> Cell:
    rate = findings.samples_per_s(row)
    return Cell(lines=(("",),), value=rate / most if rate and most else None)


def _verdict(groups: Sequence[Sequence[ModelRow]], name: Callable[[ModelRow], str]) -> Text | None:
    """Who wins on how many inputs, and by how much on the last on which two models ran."""
    timed = [[row for row in rows if findings.seconds_of(row) is not None] for rows in groups]
    against = [rows for rows in timed if len(rows) > 1]
    win = FASTEST
    if not against:
        counted = ([row for row in rows if findings.macs_of_row(row) is not None] for rows in groups)
        against, win = [sorted(rows, key=_macs) for rows in counted if len(rows) > 1], LEAST
    if not against:
        return None
    wins: dict[str, int] = {}
    for rows in against:
        wins[name(rows[0])] = wins.get(name(rows[0]), 0) + 1
    (best, most), *others = sorted(wins.items(), key=lambda counted: -counted[1])
    said = [
        f"{best} {win}{_on(most, len(against))}",
        *(f"{model}{_on(times, len(against))}" for model, times in others),
    ]
    return answer_of(f"{', '.join(said)}.", _lead(against[-1], win, name))


def _on(times: int, inputs: int) -> str:
    """On how many of the inputs."""
    if inputs == 1:
        return ""
    return f" on all {inputs} inputs" if times == inputs else f" on {times} of {inputs} inputs"


def _lead(rows: Sequence[ModelRow], win: str, name: Callable[[ModelRow], str]) -> str:
    """By how much the best leads on one input."""
    best, second = rows[0], rows[1]
    rival = name(second)
    place = f"At {shown_size(best.size)}, batch {best.case.b}" if best.size else f"With batch {best.case.b}"
    if win == LEAST:
        first, other = _macs(best), _macs(second)
        return f"{place}: {format_count(first)}, {rival} {format_ratio(other / first) if first else UNKNOWN} as many."
    seconds, others = findings.latency_of(best), findings.latency_of(second)
    rate = findings.samples_per_s(best)
    served = f"{three_digits(rate)} samples/s, " if rate else ""
    if seconds is None or others is None:
        return ""
    factor = format_ratio(others.value / seconds.value)
    if _apart(seconds, others):
        return f"{place}: {served}{factor} as fast as {rival}."
    return f"{place}: {served}not surely faster than {rival} ({factor})."


def _apart(seconds: Estimate, others: Estimate) -> bool:
    """Whether the intervals of two times, the smaller first, do not meet."""
    return seconds.high is not None and others.low is not None and seconds.high < others.low


def _macs(row: ModelRow) -> int:
    return findings.macs_of_row(row) or 0


def _facts(record: SweptModels) -> Iterator[Fact | None]:
    """Counts and exactness in a line, the machine, the protocol, and every warning."""
    profiles = [row.profile for row in record.rows]
    yield counts_fact(profiles, exactness([(model.model, model) for model in profiles]))
    starred = any(model.total.known and model.total.peak_bytes_measured is None for model in profiles)
    yield Fact("peak", f"{PREDICTED}: predicted, not measured") if starred else None
    yield from machine(record)
    yield measured_how(profiles, record.protocol)
    known = environment_warnings(record)
    others = [text for text in findings.grid_warnings(record) if not any(text.endswith(said) for said in known)]
    yield from warned(others)
    yield from without_figures([(row.case.setting, row) for row in record.rows])
