"""Attention modules that others have published: formulas known by hand, and the counts at ten sizes each."""

import random

import pytest

from kaoprof.explaining.analysis import analyse
from kaoprof.explaining.expressions import as_text, readable, value_at
from kaoprof.explaining.growth import order
from kaoprof.explaining.target import Target
from kaoprof.explaining.verification import Device, counted_at

CPU = Device(name="cpu", threads=2)
TOKENS = {"inputs": (("b", "n", "c"),), "sizes": {"b": 2, "n": 17, "c": 8}}


def vit_layer(channels):
    """One layer of the transformers package's vision transformer, with two heads."""
    from transformers import ViTConfig
    from transformers.models.vit.modeling_vit import ViTLayer

    config = ViTConfig(
        hidden_size=channels, num_attention_heads=2, intermediate_size=4 * channels, attn_implementation="eager"
    )
    return ViTLayer(config)


def agrees_at_ten_sizes(analysis, target):
    draw = random.Random(0)  # noqa: S311
    for _ in range(10):
        sizes = {name: draw.randint(least // 2 + 1, 40) * 2 for name, least in analysis.domain.least.items()}
        sizes["b"] = draw.randint(2, 9)
        assert sizes in analysis.domain
        counted = counted_at(target, sizes, None)
        for quantity in ("macs", "flops_all", "params"):
            assert value_at(analysis.formulas[quantity], sizes) == counted[quantity], (quantity, sizes)


def test_a_transformers_layer_whose_constructor_wants_numbers_is_interpolated():
    pytest.importorskip("transformers", reason="pip install transformers")
    target = Target(factory=f"{__name__}:vit_layer", args=("c",), **TOKENS)
    analysis = analyse(target, device=CPU)
    assert analysis.method == "interpolation"
    macs = analysis.formulas["macs"]
    assert as_text(readable(macs)) == "2 b c n (6 c + n)"  # 4 c^2 n, 8 c^2 n and 2 c n^2
    assert order(macs, tuple(target.sizes)) == "O(n^2 c)"
    agrees_at_ten_sizes(analysis, target)


def test_the_published_kronecker_attention():
    pytest.importorskip("kronecker_attention_pytorch", reason="pip install kronecker-attention-pytorch")
    target = Target(
        factory="kronecker_attention_pytorch:KroneckerSelfAttention",
        args=("c", 2, 4),
        inputs=(("b", "c", "h", "w"),),
        sizes={"b": 2, "c": 8, "h": 14, "w": 15},
    )
    analysis = analyse(target, device=CPU)
    assert analysis.method == "derivation"
    macs = analysis.formulas["macs"]
    assert as_text(readable(macs)) == "16 b (h + w) (2 c + h + w)"  # S = h + w: (24 + 8) c S and 2 x 8 S^2
    assert order(macs, tuple(target.sizes)) == "O(h^2)"
    agrees_at_ten_sizes(analysis, target)
