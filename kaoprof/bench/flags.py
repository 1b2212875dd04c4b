"""Switches of torch that decide which kernels run: each subject has those that its own code left, nobody else's."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

Switch = tuple[Callable[[], Any], Callable[[Any], object]]  # what it is, and how it is set
CUDNN = ("enabled", "benchmark", "deterministic")
MATMUL = ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction", "allow_fp16_accumulation")
PRECISIONS = ("", "cudnn", "cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")
SDPA = ("flash", "mem_efficient", "math", "cudnn")


def _attribute(owner: Any, name: str) -> Switch:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _owner(path: str) -> Any:
    owner: Any = torch.backends
    for name in filter(None, path.split(".")):
        owner = getattr(owner, name, None)
    return owner


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(switched: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(switched[0], warn_only=switched[1])


def _switches() -> list[Switch]:
    """All of them, the older ones first: setting these changes some of the newer ones, never the other way round."""
    cuda, owners = torch.backends.cuda, [_owner(path) for path in PRECISIONS]
    return [
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        _attribute(torch.backends.cudnn, "allow_tf32"),
        *(_attribute(torch.backends.cudnn, name) for name in CUDNN),
        *(_attribute(cuda.matmul, name) for name in MATMUL if hasattr(cuda.matmul, name)),
        *((getattr(cuda, f"{name}_sdp_enabled"), getattr(cuda, f"enable_{name}_sdp")) for name in SDPA),
        *(_attribute(owner, "fp32_precision") for owner in owners if hasattr(owner, "fp32_precision")),
        (_deterministic, _set_deterministic),
    ]


class Flags:
    """How the switches stand at one moment. `apply` puts them back."""

    def __init__(self) -> None:
        self.states: list[tuple[Callable[[Any], object], Any]] = []
        for look, put in _switches():
            with suppress(RuntimeError):  # torch refuses to tell by an older name what was set by a newer one
                self.states.append((put, look()))

    def apply(self) -> None:
        """Sets every switch as it stood."""
        for put, state in self.states:
            put(state)
