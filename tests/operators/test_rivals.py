"""What holds of every rival in the catalogue: formula = derivation = count = fvcore, and options that mean the same."""

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from representatives import few_of

from kaoprof.catalog import OPERATORS, find_operator, group, operator_workload
from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.counting.fvcore_count import count_with_fvcore
from kaoprof.dims import PROJECTIONS, SCALES, AttentionOptions, Dims, ceil_div
from kaoprof.errors import UndefinedError
from kaoprof.explaining.closed_form_check import compare_with_formula
from kaoprof.explaining.derivation import derive
from kaoprof.explaining.target import operator_target
from kaoprof.workload.building import build_module, resolve

RIVALS = [name for name in OPERATORS if name not in group("paper")]
PER_RANK = {1: 12, 2: 9, 3: 5}  # the largest size of an axis
OWN: dict[str, list[str]] = {
    "agent": ["agent(agents=4)", "agent", "agent(agents=9,reduction=2)"],
    "criss_cross": ["criss_cross", "criss_cross(loops=2)"],
    "window": ["window(window=3)", "window(window=3,shift=2)", "window(window=3x2,shift=1x0)"],
    "grid": ["grid(window=2)", "grid(window=2x1x3)"],
    "neighborhood": ["neighborhood(kernel=3)", "neighborhood", "neighborhood(kernel=1x3)"],
    "spatial_reduction": ["spatial_reduction(reduction=2)", "spatial_reduction(reduction=1)", "spatial_reduction",
                          "spatial_reduction(pooled=7)"],
    "efficient": ["efficient", "efficient(key_channels=12,value_channels=24)"],
    "gc": ["gc", "gc(ratio=2)"],
    "ema": ["ema", "ema(bases=5,iterations=1)"],
    "coordinate": ["coordinate", "coordinate(ratio=1)"],
}  # fmt: skip
# the names under which single operators are tried, where not as published alone


@given(name=st.sampled_from(RIVALS), data=st.data())
def test_formula_equals_count_equals_fvcore(name, data):
    agreeing(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
@given(data=st.data())
@settings(max_examples=40)  # of each: all of them together draw as many as the profile says
def test_formula_equals_count_equals_fvcore_for_each(name, data):
    agreeing(name, data)


def agreeing(name, data):
    """Holds formula, count and fvcore against each other at what `data` draws."""
    operator = find_operator(data.draw(st.sampled_from(OWN.get(name, [name]))))
    axes = next((len(value) for value in operator.own.values() if isinstance(value, tuple)), None)
    rank, heads = axes or data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    spatial = tuple(data.draw(st.integers(1, PER_RANK[rank])) for _ in range(rank))
    dims = Dims(b=data.draw(st.integers(1, 3)), c=heads * data.draw(st.integers(1, 9)), spatial=spatial)
    options = AttentionOptions(
        heads=heads,
        projection=data.draw(st.sampled_from(PROJECTIONS)),
        scale=data.draw(st.sampled_from(SCALES)),
        implementation=data.draw(st.sampled_from(operator.implementations)),
    )
    mode = data.draw(st.sampled_from(("forward", "train")))
    try:
        cost = operator.cost(dims, options)
    except UndefinedError:
        assume(False)
    assume(mode == "forward" or dims.b * dims.positions > 1)  # a batch norm has no statistics of one
    work = operator_workload(operator.full_name, dims, options, dtype="fp32", mode=mode, seed=0)
    counted = count_on_meta(work)
    assert counted.macs == dims.b * (cost.macs_trained if mode == "train" else cost.macs)
    assert not counted.uncounted
    assert sum(parameter.numel() for parameter in build_module(work, device="meta").parameters()) == cost.params
    if mode == "forward":
        assert ceil_div(counted.flops_all, dims.b) == cost.flops_all  # work on weights alone is done once
        assert count_with_fvcore(work) in (None, dims.b * cost.macs)


DERIVED = [
    (told, ndim, projection, heads, implementation)
    for name in RIVALS
    for told in OWN.get(name, [name])
    for ndim, projection, heads, implementation in few_of(
        [
            (ndim, *projected, implementation)
            for ndim in (2, 1, 3)
            for projected in (("value", 1), ("published", 2))
            for implementation in OPERATORS[name].implementations
        ],
        together=1,
    )
    if all(len(sizes.split("x")) == ndim for sizes in re.findall(r"\d+(?:x\d+)+", told))  # a number for each axis
]


@pytest.mark.slow
@pytest.mark.parametrize(("told", "ndim", "projection", "heads", "implementation"), DERIVED)
def test_the_formula_is_what_is_derived(told, ndim, projection, heads, implementation):
    options = AttentionOptions(heads=heads, projection=projection, implementation=implementation)
    target = operator_target(told, options, ndim=ndim)
    try:
        find_operator(told).cost(Dims(b=1, c=8, spatial=(8,) * ndim), options)
    except UndefinedError:
        pytest.skip("has no meaning on so many axes")
    derivation = derive(target)
    assert (derivation.specialisations, derivation.uncounted) == ((), {})
    proof = compare_with_formula(derivation.formulas, target, told, options, derivation.domain)
    assert {line.quantity: line.difference for line in proof} == dict.fromkeys(("macs", "params", "flops_all"), "0")


@pytest.mark.parametrize("name", RIVALS)
def test_its_module_takes_what_its_formula_takes_with_the_same_defaults(name):
    operator = OPERATORS[name]
    parameters = inspect.signature(resolve(operator.factory).__init__).parameters
    own = {key: parameter.default for key, parameter in parameters.items() if key in operator.published}
    assert own == operator.published
    assert ("axes" in parameters) == operator.ranked


@pytest.mark.parametrize("name", RIVALS)
def test_loops_are_held_against_it(name):
    text = (Path(__file__).parent / f"test_{name}.py").read_text(encoding="utf-8")
    assert "assert_as_in_loops(" in text
    assert re.search(r"assert_gradients\(|def test_gradients", text)
