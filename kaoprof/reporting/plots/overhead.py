"""Which part of a curve of time tells of a call's overhead and not of the work, so that a plot can say so."""

from collections.abc import Sequence

from kaoprof.errors import UsageError
from kaoprof.findings.growth import growths
from kaoprof.records.compare import Row

BENT = "mostly a call's overhead"  # what stands in legends


def overhead_ends(rows: Sequence[Row], x: str | None) -> dict[tuple[str, str], int]:
    """For each (operator, implementation) the largest size at which more than half of its time is overhead, if any."""
    try:
        laws = [(growth.line, growth.laws.get("latency")) for growth in growths(rows)]
    except (UsageError, ValueError):  # no closed form for an operator that this kaoprof does not know, or another one
        return {}
    return {
        (line.case.operator, line.case.implementation): law.dominated[-1]
        for line, law in laws
        if law is not None and law.dominated and law.overhead_s and line.axis == x
    }
