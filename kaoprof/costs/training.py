"""What a training step of a whole network costs in contractions, layer by layer. Torch-free, numbers and symbols alike.

A contraction of two inputs that both need gradients takes one product forward and two backward. The network's own input
needs none: a convolution or linear layer that sees nothing else takes one backward.
"""

from kaoprof.costs.layer_tree import LayerCost
from kaoprof.dims import Size

FIRST_FACTOR = 2  # one product forward, and one for the gradient of the weights
SIDE_BY_SIDE = ("concat", "add")  # layers whose children are all given the same input


def training_macs(cost: LayerCost, *, input_grad: bool) -> dict[str, Size | None]:
    """MACs of forward and backward of each layer by its dotted path; the whole is called "".

    None where no closed form is known: an attention of the network's own input, of which only a part needs gradients.

    Args:
        cost: of the forward pass.
        input_grad: whether the network's input needs a gradient, as inside of a larger one.
    """
    macs: dict[str, Size | None] = {}
    _walk(cost, cost.name, macs, fed=input_grad)
    return macs


def _walk(layer: LayerCost, path: str, macs: dict[str, Size | None], *, fed: bool) -> bool:
    """Whether the layer's output needs a gradient, where its input is `fed` by something that does."""
    macs[path] = None  # outer before inner, as in the tree
    if not layer.children:
        macs[path] = _of_leaf(layer, fed=fed)
        return fed or layer.type == "reuse" or layer.params + layer.params_norm != 0
    needs = fed
    outputs: list[bool] = []
    for child in layer.children:
        given = any(outputs) if child.name in SIDE_BY_SIDE and not child.children else needs
        output = _walk(child, f"{path}.{child.name}" if path else child.name, macs, fed=given)
        outputs.append(output)
        needs = fed if layer.type in SIDE_BY_SIDE else output
    inside = [macs[f"{path}.{child.name}" if path else child.name] for child in layer.children]
    known = [count for count in inside if count is not None]
    macs[path] = sum(known) if len(known) == len(inside) else None
    return any(outputs) or fed


def _of_leaf(layer: LayerCost, *, fed: bool) -> Size | None:
    if fed or layer.macs == 0:
        return layer.macs_trained
    return None if layer.map_entries != 0 else layer.macs * FIRST_FACTOR
