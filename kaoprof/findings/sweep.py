"""What a reader of a whole sweep must know: each warning once, with how many rows it concerns. Pure."""

from kaoprof.findings.operators import LOOKS, baseline_warnings, beaten_floors, ceiling_warnings, environment_warnings
from kaoprof.records.compare import Record, Row

NAMED = 2  # rows that a warning names; of more it gives the number


def sweep_warnings(record: Record) -> list[str]:
    """The warnings of `compare`, not cell by cell but in one sentence each."""
    found = []
    for sentence, look in LOOKS.items():
        concerned = [(row, text) for row in record.rows if (text := look(row))]
        if concerned:
            found.append(f"{sentence}: {_named(concerned, record)}")
    if record.rows:
        found += baseline_warnings(record)
    beaten = beaten_floors(record)
    return found + ceiling_warnings(_named(beaten, record) if beaten else "") + environment_warnings(record)


def _named(concerned: list[tuple[Row, str]], record: Record) -> str:
    named = [
        f"{row.case.name} at {row.case.dims}{' ' if text.startswith('(') else ': '}{text}"
        for row, text in concerned[:NAMED]
    ]
    more = f" and {len(concerned) - NAMED} more of {len(record.rows)} rows" if len(concerned) > NAMED else ""
    return f"{', '.join(named)}{more}"
