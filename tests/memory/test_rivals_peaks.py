"""The predicted peak of every rival against the allocator's own events: within 1 %."""

import itertools

import pytest
from representatives import few_of, mostly_slow

from kaoprof.catalog import OPERATORS, group, operator_workload
from kaoprof.dims import MODES, AttentionOptions, Dims

CASES = [
    (name, implementation, spatial, projection, mode)
    for name in OPERATORS
    if name not in group("paper")
    for implementation in OPERATORS[name].implementations
    for spatial, projection, mode in itertools.product(
        [(14, 14), (28, 28), (48, 40)], ("none", "qkvo", "published"), MODES
    )
]


@pytest.mark.parametrize("threads", [1], indirect=True)
@pytest.mark.parametrize(
    ("name", "implementation", "spatial", "projection", "mode"), mostly_slow(few_of(CASES, together=2))
)
def test_the_peak_of_a_rival_is_predicted(threads, name, implementation, spatial, projection, mode, check_peak):
    del threads
    options = AttentionOptions(heads=2, projection=projection, implementation=implementation)
    dims = Dims(b=2, c=32, spatial=spatial)
    check_peak(operator_workload(name, dims, options, dtype="fp32", mode=mode, seed=0), rel=0.01)


@pytest.mark.parametrize("threads", [1], indirect=True)
@pytest.mark.parametrize(
    ("told", "mode"), list(itertools.product(["spatial_reduction(pooled=7)", "spatial_reduction(reduction=2)"], MODES))
)
def test_the_peak_of_both_kinds_of_reduction_is_predicted(threads, told, mode, check_peak):
    del threads
    options = AttentionOptions(heads=2, projection="published", implementation="sdpa")
    check_peak(
        operator_workload(told, Dims(b=2, c=32, spatial=(28, 30)), options, dtype="fp32", mode=mode, seed=0), rel=0.01
    )
