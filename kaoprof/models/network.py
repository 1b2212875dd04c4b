"""Networks: layers one after another and side by side, with references to the outputs of named blocks."""

from collections.abc import Sequence

from torch import Tensor, nn

from kaoprof.models.layers import Sum, resize, side_by_side

Saved = dict[str, Tensor]  # outputs of named blocks, within one call


class Routed(nn.Module):
    """A layer that may save or look up named outputs, as may those `inside`; the others see only their input."""

    def __init__(self, inside: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        for index, layer in enumerate(inside):
            self.add_module(str(index), layer)

    def forward(self, x: Tensor, saved: Saved) -> Tensor:
        raise NotImplementedError


def call(layer: nn.Module, x: Tensor, saved: Saved) -> Tensor:
    """The layer's output; named outputs are at hand for those that ask."""
    return layer(x, saved) if isinstance(layer, Routed) else layer(x)  # type: ignore[no-any-return]


class Chain(Routed):
    """Layers one after another. With a `label`, its output is saved under that name for the rest of the call."""

    def __init__(self, layers: Sequence[nn.Module], *, label: str | None = None) -> None:
        super().__init__(layers)
        self.label = label

    def forward(self, x: Tensor, saved: Saved) -> Tensor:
        for layer in self.children():
            x = call(layer, x, saved)
        if self.label is not None:
            saved[self.label] = x
        return x


class Residual(Routed):
    """The input plus what the layers make of it."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__(layers)
        self.add = Sum()

    def forward(self, x: Tensor, saved: Saved) -> Tensor:
        y = x
        for layer in list(self.children())[:-1]:
            y = call(layer, y, saved)
        return self.add(x, y)  # type: ignore[no-any-return]


class Concat(Routed):
    """Branches that get the same input; their outputs side by side as channels."""

    def forward(self, x: Tensor, saved: Saved) -> Tensor:
        return side_by_side(*(call(branch, x, saved) for branch in self.children()))


class Add(Routed):
    """Branches that get the same input; the sum of their outputs."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__(branches)
        self.add = Sum()

    def forward(self, x: Tensor, saved: Saved) -> Tensor:
        branches = list(self.children())[:-1]
        return self.add(*(call(branch, x, saved) for branch in branches))  # type: ignore[no-any-return]


class Reuse(Routed):
    """The saved output of a named block; its own input is ignored."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    def forward(self, x: Tensor, saved: Saved) -> Tensor:
        del x
        return saved[self.label]


class Upsample(Routed):
    """Enlarges the map by `scale`, to `size`, or to the size of the named output `like`."""

    def __init__(
        self, *, scale: int | None = None, size: Sequence[int] | None = None, like: str | None = None, mode: str
    ) -> None:
        super().__init__()
        self.scale = scale
        self.size = size
        self.like = like
        self.mode = mode

    def forward(self, x: Tensor, saved: Saved) -> Tensor:
        enlarged = self.size or [size * (self.scale or 1) for size in x.shape[2:]]
        return resize(x, saved[self.like].shape[2:] if self.like is not None else enlarged, self.mode)


class Network(nn.Module):
    """A whole network, `(b, c, *spatial) -> ` whatever its last layer leaves."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = Chain(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x, {})  # type: ignore[no-any-return]
