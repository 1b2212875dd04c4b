"""What a reader of a whole sweep must know: each warning once, with how many rows it concerns. Pure."""

from kaoprof.findings import LOOKS, environment_warnings
from kaoprof.records import Record, Row

NAMED = 2  # rows that a warning names; of more it gives the number


def sweep_warnings(record: Record) -> list[str]:
    """The warnings of `compare`, not cell by cell but in one sentence each."""
    found = []
    for sentence, look in LOOKS.items():
        concerned = [(row, text) for row in record.rows if (text := look(row))]
        if concerned:
            named = [f"{_name(row)} {text}" for row, text in concerned[:NAMED]]
            more = f" and {len(concerned) - NAMED} more of {len(record.rows)} rows" if len(concerned) > NAMED else ""
            found.append(f"{sentence}: {', '.join(named)}{more}")
    if record.rows and not any(row.case.operator == record.baseline for row in record.rows):
        found.append(f"no ratios: the baseline {record.baseline} is not among the operators")
    return found + environment_warnings(record)


def _name(row: Row) -> str:
    return f"{row.case.name} at {row.case.dims}"
