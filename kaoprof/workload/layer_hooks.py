"""Tells somebody when each layer of a model starts and ends; leaves no hook behind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import nn


class Watcher(Protocol):
    """Who is told."""

    def enter(self, name: str, inputs: object) -> None:
        """A layer starts to run, with these arguments."""

    def leave(self, name: str, output: object) -> None:
        """It has run, with this result."""


@contextmanager
def watched(modules: "dict[str, nn.Module]", watcher: Watcher, *, failed_too: bool = False) -> Iterator[None]:
    """While active, `watcher` is told of every module; the hooks are gone afterwards, also after an exception.

    With `failed_too` it is also told that a layer has run which raised an exception: whatever calls it may catch that.
    """

    def entering(name: str) -> Callable[..., None]:
        return lambda _, args, kwargs: watcher.enter(name, (args, kwargs))

    def leaving(name: str) -> Callable[..., None]:
        return lambda _, args, output: watcher.leave(name, output)  # noqa: ARG005 - torch's signature

    handles = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_pre_hook(entering(name), with_kwargs=True))
            handles.append(module.register_forward_hook(leaving(name), always_call=failed_too))
        yield
    finally:
        for handle in handles:
            handle.remove()
