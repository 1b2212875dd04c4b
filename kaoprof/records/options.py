"""How rows are measured and what they are compared with: validated, and kept with what rests on it."""

import math
import re
from typing import Any

import msgspec

from kaoprof.dims import CACHES, SDPA_BACKENDS, one_of
from kaoprof.errors import UsageError

MOST = {"samples": 1_000_000, "threads": 1024}
MOST_CORES = 4096
KINDS: dict[str, tuple[Any, str]] = {  # of what a program may get wrong
    "device": (str, "text, such as 'cuda:0'"), "seed": (int, "whole number"), "budget_s": (int | float, "number"),
    "timeout_s": (int | float, "number"), "samples": (int | None, "whole number"),
    "threads": (int | None, "whole number"), "precision": (int | float | None, "number"),
}  # fmt: skip


def checked_options(options: "Options | None") -> "Options":
    """The options, or those by default.

    Raises:
        UsageError: they are something else, such as a mapping.
    """
    if options is None or isinstance(options, Options):
        return options or Options()
    kind = type(options).__name__
    raise UsageError(f"must be kaoprof.Options, not a {kind}", where="options", hint="kaoprof.Options(samples=10)")


def _check_device(device: str) -> None:
    if re.fullmatch(r"mps(:\d{1,3})?", device, re.ASCII):
        raise UsageError("MPS is not supported: its allocator tells no peak", where="device", hint="use --device cpu")
    if "," in device:
        hint = "one of them; or sweep --device cuda --on ray, which takes every GPU"
        raise UsageError(f"one process measures on one device, not on {device[:40]}", where="device", hint=hint)
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", device, re.ASCII):
        raise UsageError(f"unknown device {device!r}", where="device", hint="auto, cpu, cuda or cuda:0")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the rows are measured and what they are compared with; times in seconds.

    Args:
        device: `auto` takes the GPU if there is one; else `cpu` or `cuda[:i]`.
        analytic: only the closed forms; nothing is counted, predicted or measured.
        budget_s: time for measuring, over all cells.
        samples: rounds, instead of as many as the budget allows.
        precision: half of an interval, relative to its time, at which to stop before the budget is spent: 0.02 is 2 %.
        timeout_s: the longest that one call may take.
        force_run: run also what is predicted not to fit.
        threads: of CPU kernels; None leaves torch's choice.
        seed: of weights, inputs and the order of measuring.
        baseline: the operator that ratios refer to.
        memory_fraction: of the free memory, what a row may need.
        cache: `cold` empties the device's caches before every call, `warm` does not; `auto` is cold on a GPU.
        sdpa: the one backend that fused attention may use: flash, efficient, cudnn or math; `auto`: torch chooses.
        affinity: the cores to run on; None leaves the system's choice.
        compile: for every row another one, compiled by torch.
        graph: for every row another one, replayed as a CUDA graph.
    """

    device: str = "auto"
    analytic: bool = False
    budget_s: float = 10.0
    samples: int | None = None
    precision: float | None = None
    timeout_s: float = 60.0
    force_run: bool = False
    threads: int | None = None
    seed: int = 0
    baseline: str = "nonlocal"
    memory_fraction: float = 0.8
    cache: str = "auto"
    sdpa: str = "auto"
    affinity: tuple[int, ...] | None = None
    compile: bool = False
    graph: bool = False

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.analytic and self.variants:
            raise UsageError("excludes analytic, which runs nothing", where=self.variants[0])
        one_of("cache", self.cache, CACHES)
        one_of("sdpa", self.sdpa, SDPA_BACKENDS)
        if self.affinity is not None and not all(0 <= core < MOST_CORES for core in self.affinity):
            raise UsageError(f"cores are numbered from 0 to {MOST_CORES - 1}", where="affinity")
        _check_device(self.device)

    def _check_numbers(self) -> None:
        for name, (kinds, what) in KINDS.items():
            if not isinstance(getattr(self, name), kinds):
                raise UsageError(f"{getattr(self, name)!r} is no {what}", where=name.removesuffix("_s"))
        for name in ("budget_s", "timeout_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise UsageError(f"must be more than zero, not {value}", where=name.removesuffix("_s"))
        for name in ("samples", "threads"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MOST[name]:
                raise UsageError(f"must be between 1 and {MOST[name]}, not {value}", where=name)
        if self.precision is not None and not 0 < self.precision < 1:
            raise UsageError(f"must be more than 0 and less than 1, not {self.precision}", where="precision")
        if self.precision is not None and self.samples is not None:
            raise UsageError("excludes samples, which says how many there are", where="precision")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"must be between 0 and 2^63, not {self.seed}", where="seed")

    @property
    def threads_wanted(self) -> int | None:
        """The threads that were asked for: by number, or one for each core; None leaves torch's choice."""
        return self.threads or (len(self.affinity) if self.affinity else None)

    @property
    def variants(self) -> tuple[str, ...]:
        """How rows are run beside eagerly."""
        return tuple(name for name, wanted in (("compile", self.compile), ("graph", self.graph)) if wanted)
