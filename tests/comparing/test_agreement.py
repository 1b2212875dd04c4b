"""Formula = dispatcher = fvcore, for every operator at sizes that hypothesis chooses; and counting changes nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from kaoprof.catalog import OPERATORS, group, operator_workload
from kaoprof.comparing.census import count
from kaoprof.costs.arithmetic import TRAIN_FACTOR
from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.counting.fvcore_count import count_with_fvcore
from kaoprof.dims import IMPLEMENTATIONS, PROJECTIONS, SCALES, AttentionOptions, Dims
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.workload import TensorSpec, Workload

SMALL = st.integers(min_value=1, max_value=9)


def workload(name, dims, options, mode="forward"):
    return operator_workload(name, dims, options, dtype="fp32", mode=mode, seed=0)


@given(
    name=st.sampled_from(group("paper")),
    batch=st.integers(1, 3),
    head_size=SMALL,
    spatial=st.lists(SMALL, min_size=1, max_size=3).map(tuple),
    heads=st.integers(1, 3),
    projection=st.sampled_from(PROJECTIONS),
    scale=st.sampled_from(SCALES),
    implementation=st.sampled_from(IMPLEMENTATIONS),
)
def test_formula_equals_dispatcher_equals_fvcore(
    name, batch, head_size, spatial, heads, projection, scale, implementation
):
    dims = Dims(b=batch, c=heads * head_size, spatial=spatial)
    options = AttentionOptions(heads=heads, projection=projection, scale=scale, implementation=implementation)
    cost = OPERATORS[name].cost(dims, options)
    work = workload(name, dims, options)
    counted = count_on_meta(work)
    assert counted.macs == batch * cost.macs
    assert counted.flops_all == batch * cost.flops_all
    assert count_with_fvcore(work) == batch * cost.macs
    assert not counted.uncounted
    assert sum(parameter.numel() for parameter in build_module(work, device="meta").parameters()) == cost.params


class Einsum(nn.Module):
    """`einsum` of its inputs."""

    def __init__(self, equation):
        super().__init__()
        self.equation = equation

    def forward(self, *tensors):
        return torch.einsum(self.equation, *tensors)


@given(
    terms=st.lists(st.text("abcd", min_size=1, max_size=4), min_size=1, max_size=2),
    sizes=st.lists(st.integers(2, 999), min_size=4, max_size=4),
    ones=st.sets(st.tuples(st.integers(0, 1), st.sampled_from("abcd"))),
    data=st.data(),
)
def test_einsum_has_the_same_count_to_the_last_digit(terms, sizes, ones, data):
    known = dict(zip("abcd", sizes, strict=True))
    kept = data.draw(st.lists(st.sampled_from(sorted(set("".join(terms)))), unique=True).map("".join))
    work = Workload(
        factory="test_agreement:Einsum",
        kwargs={"equation": f"{','.join(terms)}->{kept}"},
        inputs=tuple(
            TensorSpec(shape=tuple(1 if (number, axis) in ones else known[axis] for axis in term), dtype="fp32")
            for number, term in enumerate(terms)
        ),
    )
    assert count_with_fvcore(work) == count_on_meta(work).macs


@pytest.mark.parametrize("equation", ["abc,cd", "abc,cd,d->ab"])
def test_an_einsum_that_torch_has_to_read_first_gets_no_second_opinion(equation):
    shapes = ((2, 3, 4), (4, 5), (5,))[: equation.count(",") + 1]
    inputs = tuple(TensorSpec(shape=shape, dtype="fp32") for shape in shapes)
    work = Workload(factory="test_agreement:Einsum", kwargs={"equation": equation}, inputs=inputs)
    assert count_with_fvcore(work) is None
    assert count_on_meta(work).macs > 0


class Calls(nn.Module):
    """One of the functions below, of the input and a weight `(4 4)`."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        return SECOND_OPINIONS[self.name][0](x, self.weight)


SECOND_OPINIONS = {
    "dots": (lambda x, w: torch.einsum("...c,cd->...d", x, w), 6 * 16),
    "dots on both sides": (lambda x, w: torch.einsum("...cd,...de->...ce", x, w[None]), 6 * 16),
    "weight on the left": (lambda x, w: w @ x.mT, 6 * 16),
    "spread": (lambda x, w: x[:, None] @ w[None, None], 6 * 16),
    "axes": (lambda x, w: torch.tensordot(x, w, 1), 6 * 16),
    "a vector": (lambda x, w: torch.mv(w, x[0, 0]), 16),
    "added": (lambda x, w: torch.baddbmm(x, x, w.expand(2, 4, 4)), 6 * 16),
    "bilinear": (lambda x, w: F.bilinear(x, x, w[None]), 6 * 16),
    "one sample": (lambda x, w: F.conv1d(x[0].mT, w[:, :, None]), 3 * 16),
    "the same size": (lambda x, w: F.conv1d(x.mT, w[:, :, None].expand(4, 4, 2), padding="same"), 6 * 32),
    "without products": (lambda x, w: F.hardshrink(torch.fft.rfft(x @ w).abs()).cummax(0)[0], 6 * 16),
}


@pytest.mark.parametrize("name", SECOND_OPINIONS)
def test_fvcore_agrees_wherever_it_can_be_brought_to(name):
    inputs = (TensorSpec(shape=(2, 3, 4), dtype="fp32"),)
    work = Workload(factory="test_agreement:Calls", kwargs={"name": name}, inputs=inputs)
    assert count_with_fvcore(work) == count_on_meta(work).macs == SECOND_OPINIONS[name][1]


@pytest.mark.parametrize("name", group("paper"))
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_training_step_multiplies_every_contraction_by_three(name, implementation, projection):
    dims = Dims(b=2, c=6, spatial=(3, 5))
    options = AttentionOptions(heads=2, projection=projection, implementation=implementation)
    counted = count_on_meta(workload(name, dims, options, mode="train"))
    assert counted.macs == TRAIN_FACTOR * 2 * OPERATORS[name].cost(dims, options).macs
    assert not counted.uncounted


@pytest.mark.parametrize("name", group("paper"))
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_torchs_own_counter_agrees_on_meta(name, implementation):
    work = workload(name, Dims(b=2, c=8, spatial=(7, 4)), AttentionOptions(implementation=implementation))
    step = step_of(work, build_module(work, device="meta"), build_inputs(work, device="meta"))
    with FlopCounterMode(display=False) as torchs:
        step()
    assert count_on_meta(work).macs * 2 == torchs.get_total_flops()


def test_huge_sizes_are_counted_without_allocating_them():
    dims = Dims(b=1, c=64, spatial=(1024, 1024))
    census = count(workload("nonlocal", dims, AttentionOptions()), device="cpu", threads=2)
    positions = 1024**2
    assert census.macs == 2 * positions**2 * 64 + positions * 64**2
    assert census.peak_bytes_predicted >= 4 * positions**2  # the coefficients, written over the similarities


def test_an_operation_without_a_rule_is_named():
    from kaoprof.counting.dispatcher import CountingMode

    with torch.inference_mode(), CountingMode() as counting:
        torch.linalg.svdvals(torch.empty(3, 4, device="meta"))
    assert list(counting.uncounted) == ["_linalg_svd"]


def test_fvcore_leaves_no_trace_and_abstains_from_training():
    import fvcore.nn.jit_analysis

    before = dict(vars(torch.nn.Module))
    work = workload("kao_kv", Dims(b=1, c=4, spatial=(3, 3)), AttentionOptions())
    assert count_with_fvcore(work) == 2 * 9 * 6 * 4 + 6 * 16
    assert dict(vars(torch.nn.Module)) == before
    assert count_with_fvcore(workload("kao_kv", Dims(b=1, c=4, spatial=(3, 3)), AttentionOptions(), "train")) is None
    assert fvcore.nn.jit_analysis is not None


@pytest.mark.parametrize("dtype", ["fp64", "fp32", "bf16", "fp16"])
def test_building_in_another_dtype_leaves_torchs_default_alone(dtype):
    before = torch.get_default_dtype()
    work = operator_workload(
        "kao_qkv", Dims(b=1, c=4, spatial=(3, 3)), AttentionOptions(), dtype=dtype, mode="forward", seed=0
    )
    module = build_module(work, device="cpu")
    assert {parameter.dtype for parameter in module.parameters()} == {build_inputs(work, device="cpu")[0].dtype}
    assert torch.get_default_dtype() == before


def test_the_same_seed_gives_the_same_weights_and_inputs():
    work = workload("kao_qkv", Dims(b=1, c=4, spatial=(3, 3)), AttentionOptions(projection="qkv"))
    first, second = (
        [*build_module(work, device="cpu").state_dict().values(), *build_inputs(work, device="cpu")] for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
