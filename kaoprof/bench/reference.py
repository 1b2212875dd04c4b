"""A small computation of known length, timed beside every sample: whether the machine is at its best at that moment."""

import time

import torch

SMALL = 40  # operations on one element: what the interpreter and torch's dispatcher take
ELEMENTS = 2**14  # of one operation, on one thread; with more threads,
SPREAD_ELEMENTS = 2**15  # for each of them: from so many on torch spreads it, so that a core that is taken shows
REPEATS = 3  # of which the fastest counts: an interrupt is no disturbance that lasts


class Reference:
    """About a tenth of a millisecond, by interpreter, dispatcher and arithmetic, in as many threads as torch has."""

    def __init__(self) -> None:
        threads = torch.get_num_threads()
        self.element = torch.ones(1)
        self.values = torch.linspace(-1.0, 1.0, SPREAD_ELEMENTS * threads if threads > 1 else ELEMENTS)
        self.output = torch.empty_like(self.values)

    def seconds(self) -> float:
        """Of the fastest of a few repeats."""
        with torch.no_grad():
            return min(self._once() for _ in range(REPEATS))

    def _once(self) -> float:
        start = time.perf_counter_ns()
        for _ in range(SMALL):
            self.element.neg()
        torch.exp(self.values, out=self.output)
        return (time.perf_counter_ns() - start) / 1e9
