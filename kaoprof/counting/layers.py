"""Counts a whole model layer by layer, on meta tensors: each operation belongs to the innermost module that runs it.

Of a backward pass, each operation belongs to the module whose forward operation it differentiates. The module counted
is a private one, built for it; its hooks are gone afterwards in any case.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any, cast

import msgspec
import torch
from torch import Tensor, nn

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.counting.dispatcher import CountingMode
from kaoprof.counting.one_thread import seen_in_one_thread
from kaoprof.torch_internals import running_node, tree_leaves
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.layer_hooks import watched
from kaoprof.workload.workload import Workload

LABEL = "kaoprof layer"  # the key under which an autograd node remembers its module


class LayerCount(msgspec.Struct, frozen=True, kw_only=True):
    """What one module itself executes, for the whole batch; not what the modules inside it do.

    Args:
        type: the module's class.
        output_shape: of its (first) output, with the batch; None if it never ran or answers without a tensor.
        macs: contractions only.
        elementwise: every other FLOP.
        params: its own trainable numbers, not those of counted modules inside it.
        uncounted: each operation without a rule, with its calls.
        leaf: whether no other counted module is inside it.
    """

    type: str
    output_shape: tuple[int, ...] | None
    macs: int
    elementwise: int
    params: int
    uncounted: dict[str, int]
    leaf: bool

    @property
    def flops_all(self) -> int:
        """All arithmetic, with 1 MAC = 2 FLOPs."""
        return FLOPS_PER_MAC * self.macs + self.elementwise


class LayerCountingMode(CountingMode):
    """A `CountingMode` that also keeps the counts of each module apart, between its `enter` and its `leave`."""

    def __init__(self) -> None:
        super().__init__()
        self.running = [""]
        self.taking_apart = False
        self.macs_of: Counter[str] = Counter()
        self.elementwise_of: Counter[str] = Counter()
        self.uncounted_of: dict[str, Counter[str]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.taking_apart:  # one operation of the module, taken apart into several: attributed as a whole
            return super().__torch_dispatch__(func, types, args, kwargs)
        macs, elementwise, uncounted = self.macs, self.elementwise, self.uncounted.copy()
        self.taking_apart = True
        try:
            out = super().__torch_dispatch__(func, types, args, kwargs)
        finally:
            self.taking_apart = False
        layer = self.current()
        self.macs_of[layer] += self.macs - macs
        self.elementwise_of[layer] += self.elementwise - elementwise
        self.uncounted_of.setdefault(layer, Counter()).update(self.uncounted - uncounted)
        return out

    def current(self) -> str:
        """The module that the running operation belongs to."""
        node = running_node()
        return self.running[-1] if node is None else str(cast("dict[str, str]", node.metadata).get(LABEL, ""))

    def enter(self, name: str, inputs: object) -> None:
        """A module starts to run; whatever made its inputs since the last module belongs to the one around it."""
        for tensor in _tensors(inputs):
            _label(tensor.grad_fn, self.running[-1])
        self.running.append(name)

    def leave(self, name: str, output: object) -> None:
        """It has run: its output is noted, and the autograd nodes that made it remember it."""
        self.running.pop()
        tensors = _tensors(output)
        if tensors:
            self.shapes[name] = tuple(tensors[0].shape)
        for tensor in tensors:
            _label(tensor.grad_fn, name)


def _tensors(value: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def _label(node: Any, name: str) -> None:
    """Marks the nodes that lead to `node` and are unmarked: what is inside was marked before by its own module."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node is None or LABEL in node.metadata:
            continue
        node.metadata[LABEL] = name
        waiting += [before for before, _ in node.next_functions]


def count_layers(workload: Workload, names: Collection[str] | None = None) -> dict[str, LayerCount]:
    """Runs the workload once on meta and counts each module on its own; the sum is the whole.

    Args:
        workload: what is run.
        names: the modules to tell apart, such as the leaves of a network's cost; an operation inside any other belongs
            to the nearest of these around it. Without names, all modules. The whole module is called "".

    Raises:
        KaoprofError: modules are called in other threads.
    """
    module = build_module(workload, device="meta")
    step = step_of(workload, module, build_inputs(workload, device="meta"))
    modules = {name: part for name, part in module.named_modules() if names is None or name in names or not name}
    counting = LayerCountingMode()
    inference = torch.inference_mode(workload.mode == "forward")
    with inference, seen_in_one_thread(), watched(modules, counting), counting:
        output = step()
        del output
    params = _own_params(module, modules)
    holders = {_holder(name, modules) for name in modules if name}
    return {
        name: LayerCount(
            type=type(part).__name__,
            output_shape=counting.shapes.get(name),
            macs=counting.macs_of[name],
            elementwise=counting.elementwise_of[name],
            params=params[name],
            uncounted=dict(counting.uncounted_of.get(name, {})),
            leaf=name not in holders,
        )
        for name, part in modules.items()
    }


def _own_params(module: nn.Module, modules: Collection[str]) -> Counter[str]:
    """Trainable numbers of each counted module, each number once, given to the innermost one that holds it."""
    own: Counter[str] = Counter()
    for name, parameter in module.named_parameters():
        own[_holder(name, modules)] += parameter.numel()
    return own


def _holder(name: str, modules: Collection[str]) -> str:
    """The innermost counted module around what is called `name`."""
    name = name.rpartition(".")[0]
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name
