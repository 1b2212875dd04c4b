"""The columns of what was observed, for whatever was: an operator's row, a model. A new quantity appears by itself."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from kaoprof.records.measured import Latency, Observed
from kaoprof.stats.medians import Estimate, median_beside
from kaoprof.stats.timings import quiet_time, typical_time

Value = int | float | str | None


class At:
    """A column of what stands at a path of attributes; None from the first of them on that is not known."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._first, *self._others = map(attrgetter, path.split("."))

    def __call__(self, view: object) -> Any:
        """What stands there."""
        held = self._first(view)
        for get in self._others:
            if held is None:
                return None
            held = get(held)
        return held


def at(path: str) -> Callable[[object], Any]:
    """A column of what stands at a path of attributes; None from the first of them on that is not known."""
    return At(path)


def each(holder: str, *names: str, **others: str) -> dict[str, Callable[[object], Value]]:
    """Columns that are called like what they show, all of it at one path; and `others`, which are called otherwise."""
    return {
        name: at(f"{holder}.{attribute}")
        for name, attribute in {**dict(zip(names, names, strict=True)), **others}.items()
    }


_TYPICAL = {"latency_s": "value", "latency_low_s": "low", "latency_high_s": "high", "latency_samples": "samples"}
_QUIET = {"quiet_s": "value", "quiet_low_s": "low", "quiet_high_s": "high", "processes": "processes"}
_PARTS = {
    "operations": "traffic.operations",
    "moved_bytes": "traffic.moved_bytes",
    "error_fp64": "deviation.largest",
    "error_fp64_rms": "deviation.rms",
}
_BESIDE = {"page_faults": "page_faults", "system_share": "system_shares"}  # medians of what stands beside each sample
_SHOWN_OTHERWISE = {"status", "detail", "latency", "traffic", "deviation", "denormal_fraction", "peak_bytes_reserved"}


def _of_latency(estimated: Callable[[Latency], Estimate], name: str) -> Callable[[Observed], Value]:
    return lambda observed: getattr(estimated(observed.latency), name) if observed.latency else None


def _beside(name: str) -> Callable[[Observed], Value]:
    return lambda observed: median_beside(observed.latency, name)


OBSERVED_COLUMNS: dict[str, Callable[[Observed], Value]] = (
    {name: _of_latency(typical_time, figure) for name, figure in _TYPICAL.items()}
    | {name: at(path) for name, path in _PARTS.items()}
    | {name: _beside(figure) for name, figure in _BESIDE.items()}
    | {name: at(name) for name in Observed.__struct_fields__ if name not in _SHOWN_OTHERWISE}
    | {name: _of_latency(quiet_time, figure) for name, figure in _QUIET.items()}
)
"""What each column says; the files of columns put them in the order in which they were added to the format."""
