"""The cost of a network as a tree of layers: each layer's own, and their sums. Torch-free."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from kaoprof.costs.arithmetic import FLOPS_PER_MAC, TRAIN_FACTOR
from kaoprof.dims import Size

Shape: TypeAlias = tuple[Size, ...]  # of one sample: (c, *spatial), or (c,)
SUMMED = ("macs", "elementwise", "params", "params_norm", "map_entries")  # of the layers inside another


class LayerCost(NamedTuple):
    """One layer of a network, for one sample; of a layer made of others, their sum.

    Args:
        name: what the layer is called inside the one around it; the same as the module's name.
        type: what kind of layer it is; of a named block its name.
        output_shape: `(c, *spatial)` or `(c,)`.
        macs: contractions only.
        elementwise: every other FLOP of a forward pass in eval mode.
        params: weights without those of batch norm, which papers leave out.
        params_norm: scale and shift of batch norm.
        map_entries: attention coefficients, all heads together.
        children: the layers inside, in the order in which they run.
        origin: what describes it, for whoever builds its module; None of what only holds others.
        macs_backward: contractions of the backward pass, where they are not twice those of the forward pass.
    """

    name: str
    type: str
    output_shape: Shape
    macs: Size = 0
    elementwise: Size = 0
    params: Size = 0
    params_norm: Size = 0
    map_entries: Size = 0
    children: tuple["LayerCost", ...] = ()
    origin: Any = None
    macs_backward: Size | None = None

    @property
    def macs_trained(self) -> Size:
        """Contractions of forward and backward, where the layer's input needs a gradient."""
        return self.macs * TRAIN_FACTOR if self.macs_backward is None else self.macs + self.macs_backward

    @property
    def flops_all(self) -> Size:
        """All arithmetic, with 1 MAC = 2 FLOPs."""
        return FLOPS_PER_MAC * self.macs + self.elementwise

    def walk(self, path: str = "", depth: int = 0) -> Iterator[tuple[str, int, "LayerCost"]]:
        """Itself and all layers inside, outer before inner, as (dotted path, depth, layer)."""
        here = f"{path}.{self.name}" if path else self.name
        yield here, depth, self
        for child in self.children:
            yield from child.walk(here, depth + 1)

    def leaves(self) -> Iterator[tuple[str, "LayerCost"]]:
        """The layers that hold no others, as (dotted path, layer): their sum is the whole."""
        return ((path, layer) for path, _, layer in self.walk() if not layer.children)


def group(name: str, kind: str, children: tuple[LayerCost, ...], output_shape: Shape) -> LayerCost:
    """A layer made of others, which costs what they cost together."""
    totals = {quantity: sum(getattr(child, quantity) for child in children) for quantity in SUMMED}
    return LayerCost(name=name, type=kind, output_shape=output_shape, children=children, **totals)


def chain(name: str, kind: str, shape: Shape, steps: tuple[Callable[[Shape], LayerCost], ...]) -> LayerCost:
    """Layers one after another, each given the shape that the one before leaves."""
    children: list[LayerCost] = []
    for step in steps:
        children.append(step(shape))
        shape = children[-1].output_shape
    return group(name, kind, tuple(children), shape)
