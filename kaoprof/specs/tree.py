"""Walks the layers of a model spec, nested ones included."""

from collections.abc import Iterator

from kaoprof.specs.layers import Add, Block, Concat, Layer, Residual


def walk_layers(layers: tuple[Layer, ...], path: str, copies: int = 1) -> Iterator[tuple[str, Layer, int]]:
    """Each layer with its key path and how often it stands in the network; what a container holds before itself."""
    for index, layer in enumerate(layers):
        here = f"{path}[{index}]"
        repeated = copies * getattr(layer, "repeat", 1)
        for inner_path, inner in parts_of(layer, here):
            yield from walk_layers(inner, inner_path, repeated)
        yield here, layer, repeated


def parts_of(layer: Layer, path: str) -> list[tuple[str, tuple[Layer, ...]]]:
    """The lists of layers inside a container, with their key paths."""
    if isinstance(layer, Block | Residual):
        return [(f"{path}.layers", layer.layers)]
    if isinstance(layer, Concat | Add):
        return [(f"{path}.branches[{index}]", branch) for index, branch in enumerate(layer.branches)]
    return []
