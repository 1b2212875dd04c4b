"""The process is the caller's: whatever setting of it kaoprof, or a model's own code, may change is set back.

Torch-free until torch is there.
"""

import functools
import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from kaoprof.workload.turns import aside

P = ParamSpec("P")
T = TypeVar("T")
Setting = tuple[Callable[[], Any], Callable[[Any], object]]  # reads it, sets it

SETTINGS: dict[str, Setting] = {  # of Python
    "random": (random.getstate, random.setstate),
    "environment": (lambda: dict(os.environ), lambda before: _refill(os.environ, before)),
    "folder": (os.getcwd, os.chdir),
    "import path": (lambda: list(sys.path), lambda before: sys.path.__setitem__(slice(None), before)),
    "recursion": (sys.getrecursionlimit, sys.setrecursionlimit),
    "collector": (gc.isenabled, lambda before: gc.enable() if before else gc.disable()),
    "signals": (lambda: _handlers(), lambda before: _set_handlers(before)),  # noqa: PLW0108 - they stand below
}


@contextmanager
def process_as_before() -> Iterator[None]:
    """While active, anything may be set; then every setting is as it was."""
    settings = SETTINGS | _settings_of_torch() | _settings_of_numpy()
    before = {name: read() for name, (read, _) in settings.items()}
    had_torch, had_numpy = "torch" in sys.modules, "numpy" in sys.modules
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for name, (read, write) in settings.items():
                if not _same(read(), before[name]):
                    write(before[name])
            _begin_anew(torch=not had_torch, numpy=not had_numpy)


def leaves_process_alone(function: Callable[P, T]) -> Callable[P, T]:
    """The function, after which every setting of the process is as before."""

    @functools.wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> T:
        with aside(), process_as_before():
            return function(*args, **kwargs)

    return kept


def _settings_of_torch() -> dict[str, Setting]:
    """Of torch, if it is there: generators, threads, types, modes, which kernels may run."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "set_default_dtype"):  # not there, or still being imported
        return {}
    settings: dict[str, Setting] = {
        "torch random": (torch.get_rng_state, torch.set_rng_state),
        "threads": (torch.get_num_threads, torch.set_num_threads),
        "dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "device": (
            torch.get_default_device,
            lambda before: torch.set_default_device(None if before == torch.device("cpu") else before),
        ),
        "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
        "deterministic": (
            torch.get_deterministic_debug_mode,
            torch.set_deterministic_debug_mode,
        ),
        "precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "anomalies": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        "fast encoders": (
            torch.backends.mha.get_fastpath_enabled,
            torch.backends.mha.set_fastpath_enabled,
        ),
    }
    for name in ("enabled", "benchmark", "deterministic"):
        settings[f"cudnn {name}"] = _attribute(torch.backends.cudnn, name)
    for name in ("flash", "mem_efficient", "math", "cudnn"):
        enabled = getattr(torch.backends.cuda, f"{name}_sdp_enabled")
        settings[f"{name} attention"] = enabled, getattr(torch.backends.cuda, f"enable_{name}_sdp")
    if torch.cuda.is_initialized():
        settings["cuda random"] = torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all
    return settings


def _settings_of_numpy() -> dict[str, Setting]:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "random"):
        return {}
    return {"numpy random": (numpy.random.get_state, numpy.random.set_state)}


def _attribute(owner: Any, name: str) -> Setting:
    return lambda: getattr(owner, name), lambda before: setattr(owner, name, before)


def _begin_anew(*, torch: bool, numpy: bool) -> None:
    """What was imported meanwhile draws random numbers as if nobody had drawn any."""
    if torch and (imported := sys.modules.get("torch")) is not None:
        imported.set_rng_state(imported.Generator().get_state())
    if numpy and (imported := sys.modules.get("numpy")) is not None:
        imported.random.seed()


def _same(now: Any, before: Any) -> bool:
    """Whether two states are equal; those that hold arrays or tensors are compared by their bytes."""
    if isinstance(before, tuple | list):
        return len(now) == len(before) and all(map(_same, now, before))
    if hasattr(before, "numpy"):
        before, now = before.numpy(), now.numpy()
    return bool(before.tobytes() == now.tobytes()) if hasattr(before, "tobytes") else bool(now == before)


def _refill(mapping: Any, before: dict[str, str]) -> None:
    for name in mapping.keys() - before.keys():
        del mapping[name]
    mapping.update(before)


def _handlers() -> dict[int, Any]:
    """The handler of every signal; none where only the main thread could set them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _set_handlers(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)
