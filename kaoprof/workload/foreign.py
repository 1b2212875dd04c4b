"""Whose fault is an exception: of the module that is looked at, and of torch where it calls that, or of kaoprof."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PACKAGE = str(Path(__file__).parent.parent)
OWN_ROOMS = tuple(f"{PACKAGE}/{room}/" for room in ("counting", "explaining", "memory"))  # they watch what others run
MACHINERY = tuple(f"/{package}/" for package in ("torch", "sympy", "lib/python3"))  # acts for whoever called it


def foreign(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Hands on a call of the module that is looked at: what it raises is not kaoprof's fault."""
    return call(*args, **kwargs)


def is_own_fault(error: BaseException) -> bool:
    """Whether kaoprof's own code raised it: a fault of ours, which must not be blamed on anybody's module.

    The innermost call decides that is neither torch's nor sympy's. A `RuntimeError` is what torch raises where it
    refuses sizes that are symbols, or tensors without data: kaoprof's own code raises none.
    """
    if isinstance(error, RuntimeError):
        return False
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if frame.f_code is foreign.__code__:
            return False
        if file.startswith(OWN_ROOMS):
            return True
        if file.startswith(PACKAGE) or not any(package in file for package in MACHINERY):
            return False
    return False
