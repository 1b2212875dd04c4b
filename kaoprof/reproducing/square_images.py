"""Which measured rows the paper's claims are judged by: square images that differ in their side only."""

from collections.abc import Sequence

from kaoprof.findings.growth import Growth, Line, growths
from kaoprof.records.compare import Row

IMAGE = ("h", "w")  # the paper's orders are those of images


def is_square_image(line: Line) -> bool:
    """Whether the line is one of images whose height and width grow together."""
    return line.axis == "h" and line.tie == "w = h" and line.case.dims.axes == IMAGE


def together(rows: Sequence[Row]) -> list[Growth]:
    """The growth along h of everything that was run alike: of the setting with the most rows, if there are several."""
    groups: dict[object, list[Growth]] = {}
    for growth in growths(rows):
        if is_square_image(growth.line):
            groups.setdefault(growth.line.group, []).append(growth)
    return max(groups.values(), key=_measured_rows, default=[])


def _measured_rows(members: Sequence[Growth]) -> tuple[int, int]:
    rows = [row for growth in members for row in growth.line.rows.values()]
    return sum(row.latency is not None for row in rows), len(rows)
