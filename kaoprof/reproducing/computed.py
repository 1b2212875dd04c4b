"""Figures of papers that no spec can say: added up from closed forms. Torch-free."""

from kaoprof.catalog import find_operator
from kaoprof.costs import layers as forms
from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.costs.cost import Cost
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.networks.checking import network_cost
from kaoprof.specs import load_spec

PUBLISHED = AttentionOptions(projection="published")
CCNET = Dims(b=1, c=512, spatial=(97, 97))
CCNET_NARROW = 64  # channels of its queries and keys: an eighth
EMA_BASES = 64
NEIGHBOURS = 7  # of NAT, along each axis
IMAGE, PATCH = 224, 4  # PVT
WIDTHS, HEADS, REDUCTIONS, EXPANSIONS = (64, 128, 320, 512), (1, 2, 5, 8), (8, 4, 2, 1), (8, 8, 4, 4)
CLASSES = 1000


def ccnet_nonlocal() -> dict[str, int]:
    """FLOPs of a non-local block with narrow queries and keys: N c 2 d + N c^2 + N^2 (d + c) multiply-adds."""
    n, c, d = CCNET.positions, CCNET.c, CCNET_NARROW
    return {"FLOPs": FLOPS_PER_MAC * (2 * n * c * d + n * c**2 + n**2 * (d + c))}


def ccnet_criss_cross() -> dict[str, int]:
    """FLOPs of criss-cross attention applied twice, as published."""
    cost = find_operator("criss_cross(loops=2)").cost(CCNET, PUBLISHED)
    return {"FLOPs": FLOPS_PER_MAC * int(cost.macs)}


def emanet_params_512() -> dict[str, int]:
    """Weights of EMANet(512)'s head, and its bases, which are kept but not trained."""
    return _with_bases("emanet-head-512", 512)


def emanet_params_256() -> dict[str, int]:
    """Likewise of EMANet(256)'s."""
    return _with_bases("emanet-head-256", 256)


def _with_bases(spec: str, channels: int) -> dict[str, int]:
    cost = network_cost(load_spec(spec))
    return {"parameters": int(cost.params + cost.params_norm) + EMA_BASES * channels}


def nat_mini() -> dict[str, int]:
    """Weights of NAT-Mini."""
    return _with_biases("nat-mini", (3, 4, 6, 5), 2)


def nat_tiny() -> dict[str, int]:
    """Likewise of NAT-Tiny."""
    return _with_biases("nat-tiny", (3, 4, 18, 5), 2)


def nat_small() -> dict[str, int]:
    """Likewise of NAT-Small."""
    return _with_biases("nat-small", (3, 4, 18, 5), 3)


def nat_base() -> dict[str, int]:
    """Likewise of NAT-Base."""
    return _with_biases("nat-base", (3, 4, 18, 5), 4)


def _with_biases(spec: str, depths: tuple[int, ...], heads: int) -> dict[str, int]:
    """With a bias for each head and relative position, which the operator has no more; heads double at each stage."""
    biases = sum(depth * heads * 2**stage for stage, depth in enumerate(depths)) * (2 * NEIGHBOURS - 1) ** 2
    return {"parameters": int(network_cost(load_spec(spec)).params) + biases}


def pvt_tiny() -> dict[str, int]:
    """MACs and parameters of PVT-Tiny."""
    return pvt((2, 2, 2, 2))


def pvt_small() -> dict[str, int]:
    """Likewise of PVT-Small."""
    return pvt((3, 4, 6, 3))


def pvt_medium() -> dict[str, int]:
    """Likewise of PVT-Medium."""
    return pvt((3, 4, 18, 3))


def pvt_large() -> dict[str, int]:
    """Likewise of PVT-Large."""
    return pvt((3, 8, 27, 3))


def pvt(depths: tuple[int, ...]) -> dict[str, int]:
    """MACs and parameters of a pyramid vision transformer with so many blocks in each of its four stages.

    In the last stage a class token stands among the positions, and is all that the classifier sees. Source: Wang et
    al., PVT, arXiv:2102.12122, table 1.
    """
    macs = params = 0
    channels, size = 3, IMAGE
    stages = zip(depths, WIDTHS, HEADS, REDUCTIONS, EXPANSIONS, strict=True)
    for number, (depth, width, heads, reduction, expansion) in enumerate(stages):
        patch = PATCH if number == 0 else 2
        embedding = forms.convolution(
            "", (channels, size, size), out=width, kernel=patch, stride=patch, padding=0, bias=True
        )
        size //= patch
        token = number == len(depths) - 1
        spatial = (size**2 + 1,) if token else (size, size)
        block = _block(Dims(b=1, c=width, spatial=spatial), heads, reduction, expansion)
        positions = (size**2 + token) * width
        macs += embedding.macs + depth * int(block.macs)
        params += embedding.params + 2 * width + positions + token * width + depth * int(block.params)
        channels = width
    head = forms.linear("", (channels,), out=CLASSES)
    return {"MACs": macs + head.macs, "parameters": params + 2 * channels + head.params}


def _block(dims: Dims, heads: int, reduction: int, expansion: int) -> Cost:
    """Attention with biases on queries, keys and values, two layer norms, and two linear layers with biases."""
    options = AttentionOptions(heads=heads, projection="published")
    attention = find_operator("spatial_reduction").telling({"reduction": reduction}).cost(dims, options)
    wide = expansion * dims.c
    return Cost(
        macs=attention.macs + 2 * dims.positions * dims.c * wide,
        elementwise=0,
        params=attention.params + 3 * dims.c + 4 * dims.c + 2 * dims.c * wide + wide + dims.c,
        map_entries=attention.map_entries,
    )
