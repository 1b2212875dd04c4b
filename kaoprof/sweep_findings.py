"""What a reader of a whole sweep must know: each warning once, with how many rows it concerns. Pure."""

from kaoprof.findings import LOOKS, environment_warnings, standings
from kaoprof.records import Record, Row

BEATEN = "faster than its floor"
NAMED = 2  # rows that a warning names; of more it gives the number


def sweep_warnings(record: Record) -> list[str]:
    """The warnings of `compare`, not cell by cell but in one sentence each."""
    found = []
    for sentence, look in LOOKS.items():
        concerned = [(row, text) for row in record.rows if (text := look(row))]
        if concerned:
            found.append(f"{sentence}: {_named(concerned, record)}")
    if record.rows and not any(row.case.operator == record.baseline for row in record.rows):
        found.append(f"no ratios: the baseline {record.baseline} is not among the operators")
    beaten = [
        (one.row, f"{one.times_floor:.2f}x")
        for cell in (standings(record).values() if record.protocol else ())
        for one in cell
        if one.times_floor is not None and one.times_floor < 1
    ]
    if beaten:
        found.append(f"{BEATEN}: {_named(beaten, record)}; the ceilings are too low, kaoprof env --refresh renews them")
    return found + environment_warnings(record)


def _named(concerned: list[tuple[Row, str]], record: Record) -> str:
    named = [f"{row.case.name} at {row.case.dims} {text}" for row, text in concerned[:NAMED]]
    more = f" and {len(concerned) - NAMED} more of {len(record.rows)} rows" if len(concerned) > NAMED else ""
    return f"{', '.join(named)}{more}"
