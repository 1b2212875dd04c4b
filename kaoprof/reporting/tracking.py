"""What a service that watches figures from commit to commit is given: one point for each row and quantity."""

from collections.abc import Iterator, Sequence

import msgspec

from kaoprof.findings.figures import Figures, figures_of
from kaoprof.reporting.tables.grid import NamedRun
from kaoprof.stats.timings import quiet_time

NS = 1e9  # such services count times in nanoseconds


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of which less is better, by a name that stays the same from run to run.

    Args:
        name: the operator or model, and its cell in words.
        quantity: `latency`, `peak-memory` or `macs`.
        unit: nanoseconds of the call, bytes of the call, or MACs of a sample.
        value: a quiet time, or exact.
        low: of its 95 % interval, with `high`; None where it is exact or nothing is known.
    """

    name: str
    quantity: str
    unit: str
    value: float
    low: float | None = None
    high: float | None = None


def points_of(runs: Sequence[NamedRun]) -> Iterator[Point]:
    """Every figure of the runs; of several, names begin with the run's."""
    for run in runs:
        prefix = f"{run.name}: " if len(runs) > 1 else ""
        for figures in figures_of(run.record).values():
            yield from _points(figures, f"{prefix}{figures.name}, {figures.cell}")


def _points(figures: Figures, name: str) -> Iterator[Point]:
    counts = figures.counts
    peak = counts.peak_bytes_predicted if counts.peak_bytes_measured is None else counts.peak_bytes_measured
    if figures.latency is not None:
        time = quiet_time(figures.latency)
        low, high = (None if end is None else end * NS for end in (time.low, time.high))
        yield Point(name=name, quantity="latency", unit="ns", value=time.value * NS, low=low, high=high)
    if peak is not None:
        yield Point(name=name, quantity="peak-memory", unit="bytes", value=peak)
    if counts.macs is not None:
        yield Point(name=name, quantity="macs", unit="MACs", value=counts.macs)
