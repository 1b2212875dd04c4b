"""What of a sweep did not run, of operators and models alike."""

from collections import Counter
from collections.abc import Sequence

from kaoprof.records.compare import Row
from kaoprof.records.swept_models import ModelRow

MOST_DETAILS = 3  # of rows that did not run


def failures(named: Sequence[tuple[str, Row | ModelRow]]) -> list[str]:
    """What did not run, and why, with the first rows that say so, by name."""
    failed = [(name, row) for name, row in named if row.status != "ok"]
    if not failed:
        return []
    statuses = ", ".join(f"{times} {status}" for status, times in Counter(row.status for _, row in failed).items())
    reasons = [f"{name}: {row.detail}" for name, row in failed[:MOST_DETAILS]]
    more = [f"... and {len(failed) - MOST_DETAILS} more"] if len(failed) > MOST_DETAILS else []
    return [f"Rows that did not run: {statuses}.", *reasons, *more]
