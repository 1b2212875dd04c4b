"""What every rendering of a `reproduce` shares: two tables of printed figures beside ours, and the claims."""

from kaoprof.records.reproduce import DIFFERS, Figure, ReproductionRecord
from kaoprof.reporting.document import UNKNOWN, Sheet
from kaoprof.reporting.sentences.protocol import forced_of
from kaoprof.units import format_count, format_percent, format_seconds

MARKS = {"rounded": "=", "cut off": "= cut off"}
MEANING = (
    "reported: as the paper prints it, recalled and not read again; '=': ours, rounded, gives the printed digits; "
    "'= cut off': it gives them without rounding. 1 MAC = 2 FLOPs; MACs of one sample, parameters without batch norm's."
)
NOT_COUNTED = "Nothing was counted by running it: only closed forms."


def sheets_of(record: ReproductionRecord) -> tuple[Sheet, ...]:
    """The operators, the networks and the claims."""
    return _operators(record), _networks(record), _claims(record)


def _operators(record: ReproductionRecord) -> Sheet:
    return Sheet(
        title=f"operators, MACs of one sample; reported by {record.source}",
        headers=("operator", "input", "reported", "formula", "", "counted", "saving", "reported"),
        rows=tuple(
            (one.name, one.at, _reported(one), format_count(one.formula), _mark(one), _counted(one), *_savings(one))
            for one in record.operators
        ),
        notes=(),
    )


def _networks(record: ReproductionRecord) -> Sheet:
    return Sheet(
        title=f"networks; reported by {record.source}",
        headers=("network", "quantity", "reported", "formula", "", "counted"),
        rows=tuple(
            (one.name, one.quantity, _reported(one), format_count(one.formula), _mark(one), _counted(one))
            for one in record.networks
        ),
        notes=(MEANING, *([] if _any_counted(record) else [NOT_COUNTED])),
        names=2,
    )


def _claims(record: ReproductionRecord) -> Sheet:
    return Sheet(
        title=f"claims of {record.source}",
        headers=("", "verdict", "claim, what was found, and by which rule it is judged"),
        rows=tuple((one.number, one.status, f"{one.claim}. {one.found}. Rule: {one.rule}.") for one in record.claims),
        notes=tuple(_where(record)),
        names=3,
    )


def _any_counted(record: ReproductionRecord) -> bool:
    return any(one.counted is not None for one in (*record.operators, *record.networks))


def _reported(figure: Figure) -> str:
    return UNKNOWN if figure.reported is None else f"{figure.reported} M"


def _mark(figure: Figure) -> str:
    return "" if figure.match is None else MARKS.get(figure.match, "!")


def _counted(figure: Figure) -> str:
    """What was counted, as `=` where it is the formula's figure exactly."""
    if figure.counted is None:
        return UNKNOWN
    return "=" if figure.counted == figure.formula else format_count(figure.counted)


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


def warnings_of(record: ReproductionRecord) -> list[str]:
    """What a careful reader must know."""
    figures = (*record.operators, *record.networks)
    found = [
        f"{one.name} at {one.at}: {one.quantity} differ from the reported {one.reported} M"
        for one in figures
        if one.match == DIFFERS
    ]
    return found + [
        f"{one.name} at {one.at}: counted {one.counted} {one.quantity}, by formula {one.formula}"
        for one in figures
        if one.counted not in (None, one.formula)
    ]
