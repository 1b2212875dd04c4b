"""Figures of papers that no spec can say: added up from closed forms. Torch-free."""

from kaoprof.catalog import find_operator
from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.networks.checking import network_cost
from kaoprof.specs import load_spec

PUBLISHED = AttentionOptions(projection="published")
CCNET = Dims(b=1, c=512, spatial=(97, 97))
CCNET_NARROW = 64  # channels of its queries and keys: an eighth
EMA_BASES = 64
NEIGHBOURS = 7  # of NAT, along each axis


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
