"""What a `fit` says: the largest size of each operator, side by side for its implementations."""

from kaoprof.records.fit import CrossRecord, FitRecord, FitRow
from kaoprof.records.measured import Environment
from kaoprof.records.own import OWN
from kaoprof.reporting.document import UNKNOWN, Column, Medium, Page, Table, Tone, columns_of
from kaoprof.reporting.sentences import fit as sentences

BASES = {
    "memory": "Memory: input, parameters, and the predicted peak above them; predicted at both sizes by dry runs.",
    "macs": "MACs per call, of the whole batch, by the closed form; 1 MAC = 2 FLOPs.",
    "time": (
        "Time: a power law through quiet times of measured calls, used at most 2x beyond them; interval: 95 %, of "
        "where it crosses the limit."
    ),
}
HEADERS = {"sdpa": "fused (sdpa)", "matmul": "explicit (matmul)", OWN: "own code", None: "largest"}
UNLIKE = "Not every smaller size fits, since other kernels serve some of them: -v names the sizes."
QUANTITIES = {"macs": "MACs", "memory": "memory", "time": "time"}
NEEDS = {"memory": "needs", "macs": "MACs", "time": "takes"}
UNANSWERED = ("error", "refused")
WORDS = {"nothing": "none", "refused": "refused", "error": "error", "endless": "every size"}
TONES = {"none": Tone.BAD, "refused": Tone.BAD, "error": Tone.BAD}


def page_of(record: FitRecord, medium: Medium = Medium.TEXT) -> Page:
    """The largest sizes, which operators hold the frame that was asked about, and what each size and the next need."""
    table = answers(record, wide=medium == Medium.SCREEN)
    return Page(blocks=(table, *([] if medium == Medium.PAPER else [needs(record)])))


def answers(record: FitRecord, *, wide: bool = False) -> Table:
    """A row for each operator, the furthest first, with a column for each implementation.

    Where a terminal is `wide` what each needs stands beside it.
    """
    implementations = [word for word in HEADERS if any(row.implementation == word for row in record.rows)]
    operators: dict[str, dict[str | None, FitRow]] = {}
    for row in record.rows:
        operators.setdefault(row.operator, {})[row.implementation] = row
    furthest = sorted(operators.items(), key=lambda pair: -max(_reached(row) for row in pair[1].values()))
    beside = wide and any(row.needed is not None for row in record.rows)
    rows = tuple(
        (operator, *(text for word in implementations for text in _reach(known.get(word), record, beside=beside)))
        for operator, known in furthest
    )
    needed = [Column(NEEDS[record.budget], optional=1)] if beside else []
    columns = (
        Column("operator", words=True, name=True),
        *(column for word in implementations for column in (Column(HEADERS[word]), *needed)),
    )
    held = sentences.held(record)
    reasons = [f"{row.name}: {row.detail}." for row in record.rows if row.status != "ok" and row.detail]
    if held and record.budget != "time" and record.frame is None:  # they say what is needed
        reasons = [f"{row.name}: {row.detail}." for row in record.rows if row.status in UNANSWERED]
    unlike = (
        [UNLIKE] if record.budget != "time" and any(row.status == "ok" and row.detail for row in record.rows) else []
    )
    notes = (
        *sentences.reach(record), *held, *reasons, *unlike, *sentences.tied(record.conditions),
        *([BASES["macs"]] if record.budget == "macs" else []), *where(record.environment),
    )  # fmt: skip
    return Table(title=sentences.title_of(record), columns=columns, rows=rows, notes=notes, tones=TONES)


def _reach(row: FitRow | None, record: FitRecord, *, beside: bool) -> tuple[str, ...]:
    """How far an implementation reaches, if there is one, and what it needs there."""
    size = "" if row is None else _largest(row, record)
    if not beside:
        return (size,)
    return size, "" if row is None or row.needed is None else sentences.closely(row.needed, record)


def _reached(row: FitRow) -> float:
    return row.largest or 0


def _largest(row: FitRow, record: FitRecord) -> str:
    if row.status in WORDS:
        return WORDS[row.status]
    size = UNKNOWN if row.largest is None else sentences.size_text(record.conditions, row.largest)
    return size if row.low is None else f"{size} ({row.low}-{row.high})"


def needs(record: FitRecord) -> Table:
    """The largest size of each implementation, what it needs, and what the next size would need."""
    axis = record.conditions.axis
    timed = record.budget == "time"
    word = NEEDS[record.budget]
    headers = ("operator", f"largest {axis}", *(("95 %",) if timed else ()), word, f"next {axis}", word)
    reasons = [f"{row.name}: {row.detail}." for row in record.rows if row.status == "ok" and row.detail]
    basis = () if record.budget == "macs" else (BASES[record.budget],)
    rows = tuple(_needs_cells(row, record) for row in record.rows)
    return Table(columns=columns_of(headers), rows=rows, notes=(*reasons, *basis), tones=TONES, detail=True)


def _needs_cells(row: FitRow, record: FitRecord) -> tuple[str, ...]:
    largest = WORDS.get(row.status, str(row.largest)) if row.status != "endless" else str(row.largest)
    interval = f"{row.low}-{row.high}" if row.low is not None else UNKNOWN
    following = UNKNOWN if row.next_size is None else str(row.next_size)
    intervals = (interval,) if record.budget == "time" else ()
    figures = sentences.closely(row.needed, record), following, sentences.closely(row.next_needed, record)
    return (row.name, largest, *intervals, *figures)


def where(environment: Environment | None) -> list[str]:
    """On which machine it was measured."""
    return [f"Measured on {environment}."] if environment else []


def warnings_of(record: FitRecord | CrossRecord) -> list[str]:
    """What a careful reader must know."""
    warnings = []
    for row in record.rows:
        name = row.name if isinstance(row, FitRow) else f"{QUANTITIES[row.quantity]} of {row.first} and {row.second}"
        warnings += [f"no answer for {name}: {row.detail}"] if row.status in UNANSWERED else []
    return warnings


def sound(record: FitRecord | CrossRecord) -> bool:
    """Whether every question has an answer; that nothing fits is one."""
    return all(row.status not in UNANSWERED for row in record.rows)
