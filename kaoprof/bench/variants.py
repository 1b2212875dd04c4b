"""Ways to run a module other than eagerly: compiled by torch, or captured once and replayed as a CUDA graph."""

import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from kaoprof.bench.failures import CaptureFailed
from kaoprof.errors import first_line
from kaoprof.measuring.messages import Loaded
from kaoprof.torch_internals import compiler_counters, compiler_settings, tree_map_only

Step = Callable[[], object]


class CannotRun(NotImplementedError):  # noqa: N818 - an outcome with a reason, not a fault of kaoprof
    """A module cannot be run in this way, here; its text says why."""


WARM_CALLS = 3  # before a capture: whatever a library sets up must not be captured


def compiled(module: nn.Module) -> nn.Module:
    """The module, to be compiled by its first call.

    Raises:
        CannotRun: torch cannot compile here at all.
    """
    compiler_settings().compile_threads = 1  # no pool of processes beside what is measured
    try:
        wrapped: Any = torch.compile(module, dynamic=False)
    except Exception as error:
        raise CannotRun(f"torch.compile cannot work here: {first_line(error)}") from error
    return cast("nn.Module", wrapped)


def compile_now(step: Step, synchronize: Callable[[], None]) -> Loaded:
    """Runs the first call, which compiles: how many seconds it took, and the graph breaks that left it in pieces.

    Raises:
        CannotRun: it cannot be compiled, or nothing of it was; what memory is lacking for stays an error of memory.
    """
    before, started = _dynamo_counts(), time.perf_counter()
    try:
        step()
        synchronize()
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise CannotRun(f"cannot be compiled: {type(error).__name__}: {first_line(error)}") from error
    seconds, counts = time.perf_counter() - started, _dynamo_counts() - before
    if counts["tried"] and not counts["graphs"]:
        raise CannotRun("torch.compile leaves all of it as it is: its code is one that it skips, or may not touch")
    return Loaded(compile_s=seconds, graph_breaks=counts["breaks"] + counts["tried"] - counts["traced"])


def _dynamo_counts() -> Counter[str]:
    """Functions that torch's compiler tried and that it could trace, graphs that it made, breaks between these."""
    counters = compiler_counters()
    return Counter(
        tried=counters["frames"]["total"],
        traced=counters["frames"]["ok"],
        graphs=counters["stats"]["unique_graphs"],
        breaks=counters["graph_break"].total(),
    )


@cache
def capture_stream() -> torch.cuda.Stream:
    """Where steps are warmed up and captured: on each stream cuBLAS keeps workspaces of its own, 64 MiB of them."""
    return torch.cuda.Stream()


def captured(step: Step) -> Step:
    """The step as one CUDA graph: replaying it launches everything at once. Its output is always the same tensor.

    The output forgets how it was computed: else the nodes that add up the gradients of inputs, which other subjects
    share, would stay alive and tie these to the stream of the capture.

    Raises:
        CaptureFailed: something in it cannot be captured.
    """
    graph, aside = torch.cuda.CUDAGraph(), capture_stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_CALLS):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    try:
        with torch.cuda.graph(graph, stream=aside):
            captured_output = step()
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise CaptureFailed(f"cannot be captured as a CUDA graph: {first_line(error)}") from error
    output: Any = tree_map_only(Tensor, Tensor.detach, captured_output)
    del captured_output

    def replay() -> object:
        graph.replay()
        return output

    return replay
