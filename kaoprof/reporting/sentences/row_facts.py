"""What is known of rows of operators besides the verdict, a line each: counts, exactness, machine, what did not run."""

from collections.abc import Callable, Iterable, Sequence

from kaoprof.findings.operators import (
    DISAGREE,
    NOISY,
    NOISY_SPREAD,
    OFF,
    UNCOUNTED,
    UNDERSAMPLED,
    baseline_warnings,
    beaten_floors,
    ceiling_warnings,
    concerned,
)
from kaoprof.records.compare import Record, Row
from kaoprof.records.swept_models import ModelRow
from kaoprof.reporting.document import Table
from kaoprof.reporting.sentences.facts import Fact, exactness, facts_table, machine, measured_how, overrun
from kaoprof.reporting.sentences.protocol import own_forms_of
from kaoprof.units import format_percent

WORDS = {  # under which a warning stands
    DISAGREE: "counts", UNCOUNTED: "counts", OFF: "memory", UNDERSAMPLED: "measured", NOISY: "noise",
}  # fmt: skip
OTHER = "warning"
REASON_ENDS = (
    ", allowed",
    " at this device's",
    "; ",
    " (",
)  # where the cause of a skipped row is said, and details begin
NEEDS = (
    ": needs ",
    ": one call needs at least ",
)  # before what a row would take, which differs where the reason does not
LONGEST_REASON = 60  # signs
NAMED = 2  # rows of each reason
Naming = Callable[[Row], str]


def facts_of(record: Record, rows: Sequence[Row], *, weighed: bool = True) -> tuple[Table, ...]:
    """All facts of a record whose rows stand in this order; `weighed` if the peaks of all of them are shown."""
    name = naming(rows)
    beaten = _first(beaten_floors(record), name)
    named = [(row.case.name, row) for row in rows]
    return facts_table(
        [
            *(Fact("formula", text) for text in own_forms_of(rows)),
            agreement(rows),
            *row_warnings(rows, name),
            predicted(rows) if weighed else None,
            exactness(named),
            *(
                Fact("baseline", text, wrong=True)
                for text in baseline_warnings(record.baseline, {row.case.operator for row in record.rows})
            ),
            *(Fact("floor", text, wrong=True) for text in ceiling_warnings(beaten)),
            *machine(record),
            measured_how(rows, record.protocol),
            overrun(named, record.protocol),
            *without_figures([(name(row), row) for row in rows]),
        ]
    )


def agreement(rows: Sequence[Row]) -> Fact | None:
    """Who counts the same; nothing where that is not so, which is a warning."""
    seen = [row for row in rows if row.counted]
    warned = {sentence for sentence, _ in concerned(seen)}
    if not seen or warned & {DISAGREE, UNCOUNTED}:
        return None
    known = sum(row.counted is not None and row.counted.macs_fvcore is not None for row in seen)
    forms = all(row.analytic for row in seen)
    who = "formula and torch" if forms else "formulas, where there are any, and torch"
    if known == len(seen):
        who = who.replace(" and ", ", ") + " and fvcore"
    also = f", fvcore in {known} of them" if 0 < known < len(seen) else ""
    every = f"all {len(seen)} rows" if len(seen) > 1 else "the one row"
    return Fact("counts", f"= {who} agree in {every}{also}")


def predicted(rows: Sequence[Row]) -> Fact | None:
    """What the star behind a peak means, where there is one."""
    starred = any(row.peak_bytes_measured is None and row.counted for row in rows)
    return Fact("memory", "*: predicted, not measured") if starred else None


def row_warnings(rows: Sequence[Row], name: Naming) -> list[Fact]:
    """Each warning with the first row that it concerns, and how many more there are."""
    return [
        Fact(WORDS.get(sentence, OTHER), _warning(sentence, members, len(rows), name), wrong=True)
        for sentence, members in concerned(rows)
    ]


def _warning(sentence: str, members: Sequence[tuple[Row, str]], rows: int, name: Naming) -> str:
    if sentence != NOISY:
        return f"{sentence}: {_first(members, name)}"
    row, text = members[0]
    limit = format_percent(NOISY_SPREAD)
    return f"{len(members)} of {rows} rows spread by more than {limit}: {name(row)} {text}"


def _first(members: Sequence[tuple[Row, str]], name: Naming) -> str:
    """The first of these rows, and how many more there are; empty if there are none."""
    if not members:
        return ""
    row, text = members[0]
    more = f" and {len(members) - 1} more" if len(members) > 1 else ""
    return f"{name(row)} {text}{more}"


def naming(rows: Sequence[Row]) -> Naming:
    """How rows are called that stand in several cells: by what differs, `nonlocal:sdpa at h=512`."""
    values: dict[str, set[object]] = {}
    for row in rows:
        for axis, value in _place(row).items():
            values.setdefault(axis, set()).add(value)
    several = {axis for axis, different in values.items() if len(different) > 1}

    def name(row: Row) -> str:
        place = [f"{axis}={value}" for axis, value in _place(row).items() if axis in several]
        return f"{row.case.name} at {', '.join(place)}" if place else row.case.name

    return name


def _place(row: Row) -> dict[str, object]:
    """The cell of a row; a width that is the height needs no naming."""
    case = row.case
    sizes = dict(zip(case.dims.axes, case.spatial, strict=True))
    if sizes.get("w") == sizes.get("h"):
        sizes.pop("w", None)
    options = {name: getattr(case, name) for name in ("heads", "projection", "scale", "dtype", "mode")}
    return {**sizes, "c": case.c, "batch": case.b, **options}


def without_figures(named: Iterable[tuple[str, Row | ModelRow]]) -> list[Fact]:
    """What did not run, by status, each reason once with whom it concerns, and what each needs."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, row in named:
        if row.status != "ok":
            reason = short_reason(row.detail)
            why, _, figure = next((parts for mark in NEEDS if (parts := reason.partition(mark))[1]), (reason, "", ""))
            reasons.setdefault((row.status, why), []).append(f"{name} ({figure})" if figure else name)
    return [
        Fact(status, _concerning(names, why), wrong=status != "skipped") for (status, why), names in reasons.items()
    ]


def _concerning(names: Sequence[str], why: str) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    named = f"{', '.join(names[:NAMED])}{more}"
    return f"{named}: {why}" if why else named


def short_reason(detail: str) -> str:
    """The cause of what did not run, without what the reader could do about it."""
    for end in REASON_ENDS:
        detail = detail.partition(end)[0]
    return detail if len(detail) <= LONGEST_REASON else f"{detail[:LONGEST_REASON].rstrip()}…"
