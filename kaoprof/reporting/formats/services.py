"""JSON for services that watch figures: github-action-benchmark, and Bencher.

Sources: `customSmallerIsBetter` of github.com/benchmark-action/github-action-benchmark; the Bencher Metric Format,
bencher.dev/docs/reference/bencher-metric-format.
"""

import json
from collections.abc import Iterable
from typing import Any

from kaoprof.reporting.tracking import Point


def to_github(points: Iterable[Point]) -> str:
    """A list of `{name, unit, value, range}`, for `tool: customSmallerIsBetter`."""
    entries: list[dict[str, Any]] = []
    for point in points:
        entry = {"name": f"{point.name}: {point.quantity}", "unit": point.unit, "value": point.value}
        known = point.low is not None and point.high is not None
        entries.append(entry | ({"range": f"95 %: {point.low:.6g}-{point.high:.6g}"} if known else {}))
    return json.dumps(entries, indent=2) + "\n"


def to_bencher(points: Iterable[Point]) -> str:
    """`{name: {quantity: {value, lower_value, upper_value}}}`, for `--adapter json`."""
    document: dict[str, dict[str, dict[str, float]]] = {}
    for point in points:
        ends = {"value": point.value, "lower_value": point.low, "upper_value": point.high}
        metric = {name: end for name, end in ends.items() if end is not None}
        document.setdefault(point.name, {})[point.quantity] = metric
    return json.dumps(document, indent=2) + "\n"
