"""Formula = derivation, as polynomials: for every operator, shape of input, projection, implementation and mode."""

import itertools

import pytest
from representatives import few_of, mostly_slow

from kaoprof.catalog import group
from kaoprof.dims import IMPLEMENTATIONS, PROJECTIONS, AttentionOptions
from kaoprof.explaining.closed_form_check import compare_with_formula
from kaoprof.explaining.derivation import derive
from kaoprof.explaining.expressions import value_at
from kaoprof.explaining.growth import order
from kaoprof.explaining.target import operator_target, workload_target
from kaoprof.networks import network_workload
from kaoprof.specs import load_spec
from kaoprof.torch_internals import LINEAR_FIXES_SIZES

NAMES = tuple(group("paper"))
ALL_FORWARD = list(itertools.product(NAMES, (1, 2, 3), PROJECTIONS, IMPLEMENTATIONS, (1, 2), ("forward",)))
SOME_TRAINING = list(itertools.product(NAMES, (1, 2, 3), ("none", "qkvo"), ("matmul",), (1, 2), ("train",)))
FUSED_TRAINING = list(itertools.product(NAMES, (2,), ("value",), ("sdpa",), (1, 2), ("train",)))


@pytest.mark.parametrize(
    ("name", "ndim", "projection", "implementation", "heads", "mode"),
    mostly_slow([*few_of(ALL_FORWARD, together=2), *SOME_TRAINING, *FUSED_TRAINING]),
)
def test_what_the_module_does_is_what_the_formula_says(name, ndim, projection, implementation, heads, mode):
    options = AttentionOptions(heads=heads, projection=projection, implementation=implementation)
    target = operator_target(name, options, ndim=ndim, mode=mode)
    derivation = derive(target)
    assert derivation.specialisations == ()
    assert derivation.uncounted == {}
    assert {
        line.quantity: line.difference
        for line in compare_with_formula(derivation.formulas, target, name, options, derivation.domain)
    } == dict.fromkeys(("macs", "params", *(["flops_all"] if mode == "forward" else [])), "0")


@pytest.mark.slow
def test_a_whole_network_is_derived_with_its_printed_count():
    target = workload_target(network_workload(load_spec("kanet-qkv")))
    derivation = derive(target)
    assert derivation.specialisations == ()
    assert derivation.domain.lines() == ("b >= 2", "h >= 33", "w >= 33")  # its stride is 32 in all
    at_224 = {"b": 1, "h": 224, "w": 224}
    assert value_at(derivation.formulas["macs"], at_224) == 281_119_392  # arXiv:2007.08442 prints 281m
    assert order(derivation.formulas["macs"], tuple(target.sizes)) == "O(h^2)"


def test_the_pooled_form_asks_for_no_more_than_sizes_of_three():
    """At h = 2 the pooled map has one row, which torch treats apart; that is all that a reader must know."""
    derivation = derive(operator_target("nonlocal_pool", AttentionOptions(implementation="sdpa"), ndim=3))
    least = ("b >= 2", "c >= 2", "t >= 3", "h >= 3", "w >= 3")
    assert derivation.domain.lines() == least or (LINEAR_FIXES_SIZES and set(least) < set(derivation.domain.lines()))
