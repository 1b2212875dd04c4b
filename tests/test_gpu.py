"""What only a CUDA device can show; skipped without one."""

import pytest
import torch

import kaoprof
from kaoprof.build import build_inputs, build_module, operator_workload, step_of
from kaoprof.catalog import OPERATORS
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions, Dims
from kaoprof.measure.meters import CudaMeters

pytestmark = pytest.mark.gpu
DEVICE = "cuda:0"
ALLOCATOR_BLOCK = 512  # the caching allocator rounds every tensor up to this


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("mode", ["forward", "train"])
def test_an_operator_computes_on_the_gpu_what_it_computes_on_the_cpu(name, implementation, mode):
    options = AttentionOptions(heads=2, projection="qkvo", implementation=implementation)
    work = operator_workload(name, Dims(b=2, c=16, spatial=(9, 13)), options, dtype="fp64", mode=mode, seed=0)
    on_cpu, on_gpu = build_module(work, device="cpu"), build_module(work, device=DEVICE)
    on_gpu.load_state_dict(on_cpu.state_dict())
    (x,) = build_inputs(work, device="cpu")
    expected = step_of(work, on_cpu, (x,))()
    y = x.detach().to(DEVICE).requires_grad_(mode == "train")
    found = step_of(work, on_gpu, (y,))()
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-9, atol=1e-9)
    if mode == "train":
        torch.testing.assert_close(y.grad.cpu(), x.grad, rtol=1e-9, atol=1e-9)


def test_the_allocators_peak_is_above_what_was_there_before():
    meters = CudaMeters(DEVICE)
    resident = torch.zeros(2**20, device=DEVICE)
    peak = meters.peak(lambda: resident + 1)
    assert peak["allocated"] == resident.nbytes
    assert peak["reserved"] >= peak["allocated"]


def test_events_measure_the_work_and_not_its_launch():
    meters = CudaMeters(DEVICE)
    factor = torch.randn(4096, 4096, device=DEVICE)
    one = meters.seconds(lambda: factor @ factor, calls=10, warm_calls=3)
    ten = meters.seconds(lambda: [factor @ factor for _ in range(10)], calls=10, warm_calls=3)
    assert 5 < ten / one < 20


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_compare_measures_on_the_gpu(dtype):
    options = kaoprof.Options(device=DEVICE, budget_s=2.0)
    record = kaoprof.compare(h=28, c=64, batch=2, dtype=dtype, options=options)
    assert {row.status for row in record.rows} == {"ok"}
    assert record.environment.cuda is not None
    for row in record.rows:
        assert row.latency is not None
        assert row.peak_bytes_reserved >= row.peak_bytes_measured > 0
        assert row.counted.macs == row.analytic.macs


def test_what_does_not_fit_on_the_gpu_is_a_row():
    options = kaoprof.Options(device=DEVICE, budget_s=1.0, force_run=True)
    record = kaoprof.compare(h=1024, c=8, operators=["nonlocal:matmul", "kao_qkv:matmul"], options=options)
    assert [row.status for row in record.rows] == ["oom", "ok"]
