"""Ways to run a module other than eagerly: compiled by torch, or captured once and replayed as a CUDA graph."""

import time
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn

from kaoprof.errors import first_line

Step = Callable[[], object]


class CannotRun(NotImplementedError):  # noqa: N818 - an outcome with a reason, not a fault of kaoprof
    """A module cannot be run in this way, here; its text says why."""


WARM_CALLS = 3  # before a capture: whatever a library sets up must not be captured


def compiled(module: nn.Module) -> nn.Module:
    """The module, to be compiled by its first call.

    Raises:
        CannotRun: torch cannot compile here at all.
    """
    from torch._inductor import config

    config.compile_threads = 1  # no pool of processes beside what is measured
    try:
        wrapped: Any = torch.compile(module, dynamic=False)
    except Exception as error:
        raise CannotRun(f"torch.compile cannot work here: {first_line(error)}") from error
    return cast("nn.Module", wrapped)


def compile_seconds(step: Step, synchronize: Callable[[], None]) -> float:
    """Runs the first call, which compiles, and says how long it took.

    Raises:
        CannotRun: it cannot be compiled; what memory is lacking for stays an error of memory.
    """
    started = time.perf_counter()
    try:
        step()
        synchronize()
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise CannotRun(f"cannot be compiled: {type(error).__name__}: {first_line(error)}") from error
    return time.perf_counter() - started


def captured(step: Step) -> Step:
    """The step as one CUDA graph: replaying it launches everything at once. Its output is always the same tensor.

    Raises:
        CannotRun: something in it cannot be captured.
    """
    graph = torch.cuda.CUDAGraph()
    aside = torch.cuda.Stream()
    try:
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_CALLS):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(graph):
            output: Any = step()
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise CannotRun(f"cannot be captured as a CUDA graph: {first_line(error)}") from error

    def replay() -> object:
        graph.replay()
        return output

    return replay
