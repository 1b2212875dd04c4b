"""Counting sees the thread that it runs in: a module that computes in another one would seem to cost nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from kaoprof.errors import KaoprofError


@contextmanager
def seen_in_one_thread() -> Iterator[None]:
    """While active, remembers which modules are called in other threads.

    Raises:
        KaoprofError: at the end, if any were.
    """
    here, elsewhere = threading.get_ident(), set()

    def look(module: nn.Module, _inputs: Any) -> None:
        if threading.get_ident() != here:
            elsewhere.add(type(module).__name__)

    hook = register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        hook.remove()
    if elsewhere:
        names = ", ".join(sorted(elsewhere))
        hint = "what runs in another thread is not counted: call it in the one that calls the module"
        raise KaoprofError(f"{names} is called in another thread", hint=hint)
