"""Which module is running: follows every call of a module, under the path by which its caller holds it.

Calls are seen at `nn.Module.__call__`, so no hook is left anywhere and torch's own choices between fast paths, which
ask for hooks, stay what they are.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from kaoprof.torch_internals import CALL, last_sequence_number, running_node, sequence_number, submodules
from kaoprof.workload.patching import replaced
from kaoprof.workload.turns import is_aside

NO_NODE = -1
FOLLOWS = "kaoprof_follows"  # marks a call of modules that is followed
ACCUMULATION = 2**62  # nodes that add up gradients have the greatest sequence number of all


class Frame(NamedTuple):
    """A module that is running: its path, its identity, and the autograd node during which it was called."""

    path: str
    identity: int
    node: int


class ModuleTrail:
    """Follows the calls of the modules inside `root`, which is called ""; of other modules it takes no notice.

    Every operation belongs to the innermost module that runs. In a backward pass it belongs to the module whose forward
    made the node that runs: nodes are numbered in the order in which they were made. A module that is called while a
    node runs is computed again.
    """

    def __init__(self, root: nn.Module | None) -> None:
        self.root = root
        self.frames = [Frame("", 0 if root is None else id(root), NO_NODE)]
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.called: set[str] = set()
        self.elsewhere: set[str] = set()
        self.on_enter: Callable[[str], None] = _unheard
        self.on_leave: Callable[[str], None] = _unheard
        self._thread = threading.get_ident()
        self._holders: dict[int, list[tuple[int, str]]] = {}
        self._known: dict[tuple[int, int, str], str | None] = {}
        self._numbers = [0]
        self._paths = [""]
        self._last = ""
        self._outer: Callable[..., Any] | None = None

    @contextmanager
    def followed(self) -> Iterator[None]:
        """While active, calls are followed."""
        self._holders = self._all_holders()
        outer = nn.Module.__call__  # of whoever follows calls already

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return self._call(module, args, kwargs)

        if hasattr(outer, FOLLOWS) and not is_aside():
            self._outer = outer
        setattr(call, FOLLOWS, True)
        with replaced(nn.Module, "__call__", call):
            yield

    def _call(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            if self._may_hold(module):
                self.elsewhere.add(type(module).__name__)
            return self._run(module, args, kwargs)
        path = self.path_of(module)
        if path is None:
            return self._run(module, args, kwargs)
        self.enter(path, id(module))
        try:
            output = self._run(module, args, kwargs)
            shape = shape_of(output)
            if shape is not None:
                self.shapes[path] = shape
            return output
        finally:
            self.leave(path)

    def _run(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        return getattr(module, CALL)(*args, **kwargs) if self._outer is None else self._outer(module, *args, **kwargs)

    def _may_hold(self, module: nn.Module) -> bool:
        """Whether a module that runs in another thread may be one of those that are followed."""
        return self.root is None or module is self.root or id(module) in self._holders

    def enter(self, path: str, identity: int) -> None:
        """What is called so starts to run."""
        self.called.add(path)
        self.frames.append(Frame(path, identity, _running_node()))
        self._turn()
        self.on_enter(path)

    def leave(self, path: str) -> None:
        """It has run, or failed."""
        self.frames.pop()
        self._turn()
        self.on_leave(path)

    def _turn(self) -> None:
        """Nodes made from here on belong to the module that runs now."""
        self._numbers.append(last_sequence_number() + 1)
        self._paths.append(self.frames[-1].path)

    def here(self) -> tuple[str, int]:
        """The path of the module that the running operation belongs to, and the node that runs, `NO_NODE` for none.

        The node is `NO_NODE` also where a module is running that was called for itself, outside of a backward pass.
        """
        node = _running_node()
        frame = self.frames[-1]
        if node in (NO_NODE, frame.node):
            return frame.path, node
        if node < ACCUMULATION:
            self._last = self._paths[_position(self._numbers, node)]
        return self._last, node

    def recomputing(self, node: int) -> bool:
        """Whether the operation that runs during a node is of a module that was called there."""
        return node != NO_NODE and self.frames[-1].node == node

    def path_of(self, module: nn.Module) -> str | None:
        """The path by which the nearest running module holds this one; None if none does, not even the whole."""
        if module is self.root:
            return ""
        frame = self.frames[-1]
        key = (id(module), frame.identity, frame.path)
        if key not in self._known:
            self._known[key] = self._searched(module)
        return self._known[key]

    def _all_holders(self) -> dict[int, list[tuple[int, str]]]:
        """Of every module that is followed: which modules hold it, and under which name."""
        return holders_of(self.root)

    def _searched(self, module: nn.Module) -> str | None:
        if id(module) not in self._holders:
            self._holders = self._all_holders()  # a module may have been made since
        running = {frame.identity: depth for depth, frame in enumerate(self.frames)}
        best: tuple[int, str] | None = None
        waiting, seen = [(id(module), "")], set()
        while waiting:
            identity, path = waiting.pop(0)
            depth = running.get(identity, -1) if path else -1
            if depth >= 0 and (best is None or depth > best[0]):
                best = depth, path
            if depth == len(self.frames) - 1:
                break
            for holder, name in self._holders.get(identity, ()):
                if (holder, name) not in seen:
                    seen.add((holder, name))
                    waiting.append((holder, f"{name}.{path}" if path else name))
        if best is None:
            return None
        depth, path = best
        around = self.frames[depth].path
        return f"{around}.{path}" if around else path


def type_name(module: nn.Module) -> str:
    """The class of a module; of scripted ones that which was scripted."""
    name = getattr(module, "original_name", None)
    return name if isinstance(name, str) else type(module).__name__


def _unheard(_: str) -> None:
    """Nobody is told."""


def _running_node() -> int:
    node = running_node()
    return NO_NODE if node is None else sequence_number(node)


def _position(numbers: list[int], node: int) -> int:
    """The last position where the number is not above the node's."""
    low, high = 0, len(numbers)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if numbers[middle] <= node else (low, middle)
    return low


def holders_of(root: nn.Module | None) -> dict[int, list[tuple[int, str]]]:
    """Of every module inside `root`: which modules hold it, and under which name."""
    holders: dict[int, list[tuple[int, str]]] = {}
    if root is None:
        return holders
    for module in root.modules():
        for name, child in submodules(module).items():
            if child is not None:
                holders.setdefault(id(child), []).append((id(module), name))
    return holders


def shape_of(output: Any) -> tuple[int, ...] | None:
    """The shape of the first tensor in an answer; None if there is none."""
    tensor = next(iter(tensors_in(output)), None)
    return None if tensor is None or tensor.is_nested else tuple(int(size) for size in tensor.shape)


def tensors_in(value: Any, depth: int = 6) -> Iterator[Tensor]:
    """The tensors in a value: alone, in any collection, in dataclasses, and in plain objects."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, str | bytes | int | float | bool | None | type) or depth == 0:
        return
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from tensors_in(inner, depth - 1)
    elif isinstance(value, Sequence | AbstractSet):
        for inner in value:
            yield from tensors_in(inner, depth - 1)
    elif not isinstance(value, nn.Module) and not callable(value):
        slots = [name for kind in type(value).__mro__ for name in vars(kind).get("__slots__", ())]
        held = [*vars(value).values()] if hasattr(value, "__dict__") else []
        for inner in [*held, *(getattr(value, name, None) for name in slots)]:
            yield from tensors_in(inner, depth - 1)
