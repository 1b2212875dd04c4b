"""The peak as a formula gives at every size what the dry run finds there."""

import itertools
import random

import pytest
from representatives import mostly_slow

from kaoprof.catalog import group
from kaoprof.dims import IMPLEMENTATIONS, MODES, AttentionOptions
from kaoprof.explaining.expressions import value_at
from kaoprof.explaining.peak_formula import derive_peak
from kaoprof.explaining.target import operator_target
from kaoprof.memory.live_bytes import predict_peak_bytes

THREADS = 3
LAYOUTS = ((1, 1), (2, 2), (3, 1))  # (spatial axes, heads)
LARGEST = {1: 1500, 2: 40, 3: 13}  # so that the fused kernel's blocks of 192 and 768 positions are crossed


@pytest.mark.parametrize(
    ("name", "implementation", "mode", "layout"),
    mostly_slow(list(itertools.product(group("paper"), IMPLEMENTATIONS, MODES, LAYOUTS))),
)
def test_the_formula_is_the_predicted_peak_at_five_sizes(name, implementation, mode, layout):
    ndim, heads = layout
    options = AttentionOptions(heads=heads, projection="qkvo", implementation=implementation)
    target = operator_target(name, options, ndim=ndim, mode=mode)
    peak = derive_peak(target, device="cpu", threads=THREADS)
    assert peak.specialisations == ()
    draw = random.Random(f"{name} {implementation} {mode} {layout}")  # noqa: S311 - sizes to test at
    for _ in range(5):
        sizes = {axis: draw.randint(3, LARGEST[ndim]) for axis in target.sizes}
        sizes |= {"b": draw.randint(2, 5), "c": heads * draw.randint(2, 20)}
        predicted = predict_peak_bytes(target.at(sizes), device="cpu", threads=THREADS)
        assert value_at(peak.peak_bytes, sizes) == predicted, sizes
