"""Who is cheaper at which size: equal to asking at every size."""

import itertools

import pytest
from representatives import mostly_slow

from kaoprof.catalog import group
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions
from kaoprof.errors import UndefinedError, UsageError
from kaoprof.fitting.crossing import cross
from kaoprof.fitting.exact import Setting, needed_bytes, needed_macs

PAIRS = list(itertools.combinations(group("paper"), 2))
IMPLEMENTED_PAIRS = [(*pair, implementation) for pair in PAIRS for implementation in IMPLEMENTATIONS]


def cheaper_at(size, first, second, needs):
    costs = {operator: need(size) for operator, need in zip((first, second), needs, strict=True)}
    return None if costs[first] == costs[second] else min(costs, key=costs.get)


def answered_at(crossing, size):
    return next(part.cheaper for part in crossing.stretches if part.start <= size <= (part.end or size))


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("sizes", [{"c": 5}, {"c": 64, "t": 3}, {"c": 2, "w": 9}])
def test_macs_agree_with_asking_at_each_size(first, second, sizes):
    setting = Setting(sizes=sizes)
    crossing = cross(first, second, "h", "macs", setting)
    needs = [needed_macs(operator, "h", setting) for operator in (first, second)]
    for size in [*range(1, 40), 1001, 2**15]:
        assert answered_at(crossing, size) == cheaper_at(size, first, second, needs), size


@pytest.mark.parametrize(("first", "second", "implementation"), mostly_slow(IMPLEMENTED_PAIRS))
def test_memory_agrees_with_predicting_at_each_size(first, second, implementation):
    setting = Setting(sizes={"c": 12}, options=AttentionOptions(implementation=implementation))
    crossing = cross(first, second, "h", "memory", setting)
    needs = [needed_bytes(operator, "h", setting) for operator in (first, second)]
    edges = {edge for part in crossing.stretches for edge in (part.start, part.end) if edge}
    for size in sorted(edges | {1, 31, 300}):
        assert answered_at(crossing, size) == cheaper_at(size, first, second, needs), size


def test_kao_kv_beats_regular_attention_from_three_on():
    crossing = cross("nonlocal", "kao_kv", "h", "macs", Setting(sizes={"c": 64}))
    assert (crossing.cheaper, crossing.since) == ("kao_kv", 3)  # N = S at 2 x 2: 4 positions, 4 averages


def test_a_fixed_reduction_is_dearer_than_kao_kv_from_twice_its_square_on():
    """2 N n_kv c against 2 N S c: floor(h / 8)^2 > 2 h from h = 136 on; below 8 there are no keys."""
    bare = Setting(sizes={"c": 64}, options=AttentionOptions(projection="none"))
    crossing = cross("spatial_reduction", "kao_kv", "h", "macs", bare)
    told = [(part.start, part.end, part.cheaper) for part in crossing.stretches]
    assert told == [(8, 135, "spatial_reduction"), (136, None, "kao_kv")]


def test_what_has_no_meaning_at_any_size_is_refused():
    with pytest.raises(UndefinedError, match="with one axis there is none"):
        cross("nonlocal", "coordinate", "n", "macs", Setting(sizes={"c": 8}))


def test_channels_are_compared_in_steps_of_the_heads():
    crossing = cross("nonlocal", "kao_qkv", "c", "macs", Setting(sizes={"h": 7}, options=AttentionOptions(heads=4)))
    assert [(part.start, part.end, part.cheaper) for part in crossing.stretches] == [(4, None, "kao_qkv")]


def test_an_unknown_quantity_is_refused():
    with pytest.raises(UsageError, match="unknown quantity"):
        cross("nonlocal", "kao_kv", "h", "time", Setting(sizes={"c": 8}))
