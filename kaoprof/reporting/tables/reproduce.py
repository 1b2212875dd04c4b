"""What a `reproduce` says: two tables of printed figures beside ours, and the claims."""

from msgspec.structs import replace

from kaoprof import units
from kaoprof.records.reproduce import CONFIRMED, DIFFERS, REFUTED, UNDECIDED, Figure, ReproductionRecord
from kaoprof.reporting.document import UNKNOWN, Column, Heading, Medium, Page, Table, Tone, columns_of, notes_of
from kaoprof.reporting.sentences.protocol import forced_of
from kaoprof.units import format_count, format_percent, format_seconds

MARKS = {"rounded": "=", "cut off": "= cut off"}
MEANING = (
    "reported: as the paper prints it, recalled and not read again; '=': ours, rounded, gives the printed digits; "
    "'= cut off': it gives them without rounding. 1 MAC = 2 FLOPs; MACs of one sample, parameters without batch norm's."
)
RIVAL_MEANING = (
    "'=': ours, rounded, gives the printed digits; '= cut off': it gives them without rounding; '!': it does not. "
    "1 MAC = 2 FLOPs; of one sample; every weight is a parameter, those of normalisations included."
)
NOT_COUNTED = "Nothing was counted by running it: only closed forms."


TONES = {CONFIRMED: Tone.GOOD, REFUTED: Tone.BAD, "!": Tone.BAD}


def page_of(record: ReproductionRecord, medium: Medium = Medium.TEXT) -> Page:
    """The operators, the networks and the claims; of a rival's paper its figures. On a terminal the verdicts first."""
    judged = _claims_in_print(record) if medium == Medium.PAPER else _claims(record)
    tables = (_rival(record),) if record.convention else (_operators(record), _networks(record), judged)
    toned = tuple(replace(table, tones=TONES) for table in tables)
    if medium != Medium.SCREEN or record.convention:
        return Page(blocks=toned)
    details = tuple(replace(table, detail=True) for table in toned)
    return Page(
        blocks=(Heading(_verdicts(record)), _glance(record), *notes_of(*_matches(record), *_where(record)), *details)
    )


SHOWN = {CONFIRMED: "confirmed", REFUTED: "REFUTED", UNDECIDED: "undecided"}  # on a terminal


def _verdicts(record: ReproductionRecord) -> str:
    """`9 claims: 7 confirmed, 1 refuted, 1 undecided`."""
    statuses = [claim.status for claim in record.claims]
    counts = [f"{statuses.count(status)} {SHOWN[status].lower()}" for status in SHOWN if status in statuses]
    return f"{record.source}, {units.counted(len(statuses), 'claim')}: {', '.join(counts)}"


def _glance(record: ReproductionRecord) -> Table:
    """A line for each claim: the verdict, the claim, and what was found."""
    rows = tuple(
        (claim.number, SHOWN.get(claim.status, claim.status), claim.title or claim.claim, claim.figures or "-v")
        for claim in record.claims
    )
    columns = (*columns_of(("", ""), words=2), Column("", words=True, name=True), Column(""))
    tones = {SHOWN[CONFIRMED]: Tone.GOOD, SHOWN[REFUTED]: Tone.BAD, SHOWN[UNDECIDED]: Tone.QUIET}
    return Table(columns=columns, rows=rows, tones=tones)


def _matches(record: ReproductionRecord) -> list[str]:
    """How many printed figures are ours, to the digit."""
    said = []
    for name, figures in (("operator", record.operators), ("network", record.networks)):
        printed = [figure for figure in figures if figure.match is not None]
        right = sum(figure.match != DIFFERS for figure in printed)
        share = f"all {right}" if right == len(printed) else f"{right} of {len(printed)}"
        said.append(f"{share} {name} counts")
    cut = sum(figure.match == "cut off" for figure in (*record.operators, *record.networks))
    return [
        f"Our formulas give the printed digits of {' and '.join(said)}{f' ({cut} of them cut off)' if cut else ''}."
    ]


def _operators(record: ReproductionRecord) -> Table:
    return Table(
        title=f"operators, MACs of one sample; reported by {record.source}",
        columns=(
            *columns_of(("operator", "input", "reported", "formula", "")),
            Column("counted", optional=1),
            Column("saving", optional=2),
            Column("reported", optional=2),
        ),
        rows=tuple((row.name, row.at, *_figures(row), *_savings(row)) for row in record.operators),
    )


def _networks(record: ReproductionRecord) -> Table:
    counted = any(figure.counted is not None for figure in (*record.operators, *record.networks))
    return Table(
        title=f"networks; reported by {record.source}",
        columns=columns_of(("network", "quantity", "reported", "formula", "", "counted"), words=2),
        rows=tuple((row.name, row.quantity, *_figures(row)) for row in record.networks),
        notes=(MEANING, *([] if counted else [NOT_COUNTED])),
    )


def _rival(record: ReproductionRecord) -> Table:
    """Printed figures beside exact ones."""
    explained = (f"{figure.name}: {figure.quantity}: {figure.why}." for figure in record.networks if figure.why)
    return Table(
        title=f"figures of {record.source}, and ours by closed forms",
        columns=columns_of(("", "quantity", "printed", "ours", "", "exactly"), words=2),
        rows=tuple((row.name, row.quantity, *_rounded(row), f"{row.formula:,}") for row in record.networks),
        notes=(record.convention, *explained, RIVAL_MEANING),
    )


def _rounded(figure: Figure) -> tuple[str, str, str]:
    """Printed, ours in the same unit with a digit more, and whether they agree."""
    mark = "" if figure.match is None else MARKS.get(figure.match, "!")
    if figure.reported is None:
        return UNKNOWN, format_count(figure.formula), mark
    digits = len(figure.reported.partition(".")[2]) + 1
    ours = figure.formula / {"M": 1e6, "G": 1e9}[figure.unit]
    return f"{figure.reported} {figure.unit}", f"{ours:.{digits}f} {figure.unit}", mark


def _claims(record: ReproductionRecord) -> Table:
    return Table(
        title=f"claims of {record.source}",
        columns=(
            *columns_of(("", "verdict"), words=2),
            Column("claim, what was found, and by which rule it is judged", words=True, share=0.75),
        ),
        rows=tuple(
            (claim.number, claim.status, f"{claim.claim}. {claim.found}. Rule: {claim.rule}.")
            for claim in record.claims
        ),
        notes=tuple(_where(record)),
    )


def _claims_in_print(record: ReproductionRecord) -> Table:
    """The claims without the rules, which are for the author: with them they would fill a page."""
    whole = _claims(record)
    column = replace(whole.columns[-1], header="claim, and what was found")
    rows = tuple((claim.number, claim.status, f"{claim.claim}. {claim.found}.") for claim in record.claims)
    rules = tuple(f"Rule of {claim.number}: {claim.rule}." for claim in record.claims)
    return replace(whole, columns=(*whole.columns[:-1], column), rows=rows, details=rules)


def _figures(figure: Figure) -> tuple[str, ...]:
    """Reported, by formula, whether they agree, and counted: `=` where that is the formula's figure exactly."""
    reported = UNKNOWN if figure.reported is None else f"{figure.reported} M"
    mark = "" if figure.match is None else MARKS.get(figure.match, "!")
    formula, counted = format_count(figure.formula), "="
    if figure.counted != figure.formula:
        counted = UNKNOWN if figure.counted is None else format_count(figure.counted)
    return reported, formula, mark, counted


def _savings(figure: Figure) -> tuple[str, str]:
    ours = UNKNOWN if not figure.saving else format_percent(figure.saving, ".2%")
    return ours, UNKNOWN if figure.reported_saving is None else f"{figure.reported_saving} %"


def _where(record: ReproductionRecord) -> list[str]:
    if record.environment is None or record.protocol is None:
        return ["Nothing was measured: claims about measured time and memory are open."]
    manner = f" ({', '.join((*record.manners, *forced_of(record.protocol)))})" if record.manners else ""
    if record.run:
        return [f"Judged from {record.run}{manner}, measured on {record.environment}."]
    return [f"Measured in {format_seconds(record.protocol.spent_s)}{manner} on {record.environment}."]


def _where_of(figure: Figure) -> str:
    return f"{figure.name} at {figure.at}" if figure.at else figure.name


def warnings_of(record: ReproductionRecord) -> list[str]:
    """What a careful reader must know."""
    figures = (*record.operators, *record.networks)
    differing = [
        f"{_where_of(figure)}: {figure.quantity} differ from the reported {figure.reported} {figure.unit}"
        for figure in figures
        if figure.match == DIFFERS and not figure.why
    ]
    return differing + [
        f"{figure.name} at {figure.at}: counted {figure.counted} {figure.quantity}, by formula {figure.formula}"
        for figure in figures
        if figure.counted not in (None, figure.formula)
    ]


def sound(record: ReproductionRecord) -> bool:
    """Whether every figure is the printed one and no claim is refuted."""
    return not warnings_of(record) and all(claim.status != REFUTED for claim in record.claims)
