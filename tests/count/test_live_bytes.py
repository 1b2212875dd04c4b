"""The predicted peak against the allocator's own events, to the byte where the kernels allow it."""

import pytest
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from kaoprof.build import build_inputs, build_module, operator_workload, step_of
from kaoprof.catalog import OPERATORS
from kaoprof.count.live_bytes import predict_peak_bytes
from kaoprof.count.product_scratch import multiplies_in_blocks
from kaoprof.dims import IMPLEMENTATIONS, MODES, AttentionOptions, Dims
from kaoprof.measure.meters import CpuMeters

SIZES = [(8, 8, (28, 28)), (2, 64, (56, 56)), (1, 16, (8, 24, 24))]
SCALAR_BYTES = 64  # a mean divides by a scalar that lives for a moment: a few bytes


def peaks(name, dims, options, mode="forward", dtype="fp32"):
    work = operator_workload(name, dims, options, dtype=dtype, mode=mode, seed=0)
    predicted = predict_peak_bytes(work, device="cpu", threads=torch.get_num_threads())
    module, inputs = build_module(work, device="cpu"), build_inputs(work, device="cpu")
    return predicted, CpuMeters().peak(step_of(work, module, inputs))["allocated"]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("b", "c", "spatial"), SIZES)
def test_the_prediction_is_within_one_percent_of_the_allocator(name, implementation, b, c, spatial):
    predicted, measured = peaks(name, Dims(b=b, c=c, spatial=spatial), AttentionOptions(implementation=implementation))
    assert predicted == pytest.approx(measured, rel=0.01)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("heads", "spatial"), [(1, (5,)), (2, (9, 13)), (4, (200,)), (2, (30, 27)), (1, (2, 3, 4))])
@pytest.mark.parametrize("projection", ["none", "qkvo"])
def test_the_prediction_holds_at_awkward_sizes(name, implementation, heads, spatial, projection):
    options = AttentionOptions(heads=heads, projection=projection, implementation=implementation)
    predicted, measured = peaks(name, Dims(b=2, c=20, spatial=spatial), options)
    assert abs(predicted - measured) <= SCALAR_BYTES


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("c", "spatial"), [(32, (28, 28)), (8, (30, 7)), (16, (4, 9, 10)), (8, (300,))])
def test_training_is_predicted_with_its_kernels_buffers_and_gradients_added_in_place(name, implementation, c, spatial):
    options = AttentionOptions(implementation=implementation)
    predicted, measured = peaks(name, Dims(b=2, c=c, spatial=spatial), options, mode="train")
    assert predicted == pytest.approx(measured, rel=0.01)


@pytest.mark.skipif(
    not multiplies_in_blocks(torch.bfloat16), reason="bfloat16 products go another way on this processor"
)
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("c", "spatial"), [(32, (28, 28)), (8, (30, 7)), (16, (4, 9, 10)), (8, (300,)), (64, (31, 29))]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_bfloat16_is_predicted_with_the_blocks_of_its_products(name, implementation, mode, c, spatial, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        dims, options = Dims(b=2, c=c, spatial=spatial), AttentionOptions(implementation=implementation)
        predicted, measured = peaks(name, dims, options, mode=mode, dtype="bf16")
    finally:
        torch.set_num_threads(before)
    assert abs(predicted - measured) <= SCALAR_BYTES


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("c", "spatial"), [(32, (28, 28)), (8, (30, 7)), (16, (4, 9, 10)), (8, (300,))])
def test_training_in_float16_is_predicted(name, implementation, c, spatial):
    options = AttentionOptions(implementation=implementation)
    predicted, measured = peaks(name, Dims(b=2, c=c, spatial=spatial), options, mode="train", dtype="fp16")
    assert predicted == pytest.approx(measured, rel=0.01)


def test_averages_in_float16_take_a_copy_in_single_precision():
    dims = Dims(b=2, c=32, spatial=(28, 20))
    predicted, measured = peaks("kao_qkv", dims, AttentionOptions(), dtype="fp16")
    assert predicted == pytest.approx(measured, rel=0.01)
    assert predicted > 4 * 2 * 32 * 28 * 20


def test_averages_in_bfloat16_take_none():
    dims = Dims(b=2, c=32, spatial=(64, 64))
    predicted, measured = peaks("kao_qkv", dims, AttentionOptions(projection="none"), dtype="bf16")
    assert predicted == pytest.approx(measured, rel=0.01)
    assert predicted < 4 * 2 * 32 * 64 * 64


def test_the_prediction_leaves_no_mode_behind_and_repeats_itself():
    dims = Dims(b=2, c=8, spatial=(6, 6))
    work = operator_workload("kao_kv", dims, AttentionOptions(), dtype="fp32", mode="forward", seed=0)
    first = predict_peak_bytes(work, device="cpu", threads=2)
    assert predict_peak_bytes(work, device="cpu", threads=2) == first
    assert _get_current_dispatch_mode_stack() == []
