"""What only a CUDA device can show; skipped without one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import kaoprof
from kaoprof.bench.caches import Flusher
from kaoprof.bench.meters import CudaMeters
from kaoprof.bench.traffic import FUSED
from kaoprof.bench.variants import captured
from kaoprof.catalog import OPERATORS, group, operator_workload
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.errors import MeasurementError
from kaoprof.findings.operators import standings
from kaoprof.measuring.child import Child, ChildLost, SubjectFailed
from kaoprof.measuring.devices import find_device
from kaoprof.measuring.messages import Load, ReadFree, preparation
from kaoprof.measuring.run import describe_environment
from kaoprof.profiling.run import ModelOptions, profile
from kaoprof.tape.models import record_workload
from kaoprof.tape.prediction import predicted
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.cuda_attention import fused_attention
from kaoprof.workload.workload import TensorSpec, Workload

pytestmark = pytest.mark.gpu
DEVICE = "cuda:0"
TIMEOUT_S = 300.0
ATTEMPTS = 5  # of a time that is compared with another: the fastest counts, since clocks rise and other processes run


@pytest.fixture
def child():
    running = Child()
    running.ask(preparation(DEVICE, threads=None), timeout_s=TIMEOUT_S)
    yield running
    running.kill()


def fastest(meters, step, *, calls):
    return min(meters.seconds(step, calls=calls, warm_calls=3) for _ in range(ATTEMPTS))


@pytest.mark.parametrize(
    ("name", "implementation"),
    [(name, kind) for name, operator in OPERATORS.items() for kind in operator.implementations],
)
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
    resident = torch.zeros(2**20 + 1, device=DEVICE)  # the allocator's blocks are whole multiples of 512 bytes
    peak = meters.peak(lambda: resident + 1)
    assert peak["allocated"] == resident.nbytes
    assert peak["reserved"] >= peak["allocated"]


def test_events_measure_the_work_and_not_its_launch():
    meters = CudaMeters(DEVICE)
    factor = torch.randn(4096, 4096, device=DEVICE)
    one = fastest(meters, lambda: factor @ factor, calls=10)
    ten = fastest(meters, lambda: [factor @ factor for _ in range(10)], calls=10)
    assert 5 < ten / one < 20


@pytest.mark.parametrize(("dtype", "backends"), [("fp32", {"efficient"}), ("bf16", {"flash", "cudnn"})])
def test_compare_measures_on_the_gpu(dtype, backends):
    options = kaoprof.Options(device=DEVICE, budget_s=2.0)
    record = kaoprof.compare(h=28, c=64, batch=2, dtype=dtype, options=options)
    assert [(row.case.name, row.detail) for row in record.rows if row.status != "ok"] == []
    assert record.environment.cuda is not None
    assert not record.environment.denormals_flushed
    for row in record.rows:
        assert row.latency is not None
        assert row.peak_bytes_reserved >= row.peak_bytes_measured > 0
        assert row.counted.macs == row.analytic.macs
        assert row.backend in (backends if row.case.implementation == "sdpa" else {None})


def measured(**told):
    sizes = {"h": 28, "c": 64, "batch": 2, "operators": ["nonlocal", "kao_qkv"]}
    given = {name: told.pop(name) for name in list(told) if name in {*sizes, "dtype", "mode", "heads"}}
    return kaoprof.compare(**(sizes | given), options=kaoprof.Options(device=DEVICE, budget_s=1.0, **told))


@pytest.mark.parametrize(
    ("implementation", "mode", "dtype", "heads", "tolerance"),
    [
        ("matmul", "forward", "fp32", 1, 0.02),
        ("matmul", "train", "fp32", 1, 0.05),
        ("sdpa", "forward", "fp32", 1, 0.05),
        ("sdpa", "train", "fp32", 1, 0.10),
        ("sdpa", "train", "fp32", 8, 0.10),
        ("sdpa", "forward", "fp64", 1, 0.05),
    ],
)
def test_the_predicted_peak_is_the_measured_one(implementation, mode, dtype, heads, tolerance):
    names = [f"{name}:{implementation}" for name in group("paper")]
    for row in measured(mode=mode, operators=names, dtype=dtype, heads=heads).rows:
        assert row.counted.peak_bytes_predicted == pytest.approx(row.peak_bytes_measured, rel=tolerance), row.case.name
        assert row.counted.unmodelled == ()


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_flash_is_predicted_and_what_cudnn_may_hold_is_named(mode):
    (flash,) = measured(mode=mode, operators=["nonlocal:sdpa"], dtype="bf16", sdpa="flash").rows
    assert flash.counted.peak_bytes_predicted == pytest.approx(flash.peak_bytes_measured, rel=0.02)
    assert flash.counted.unmodelled == ()
    (own_choice,) = measured(mode=mode, operators=["nonlocal:sdpa"], dtype="bf16").rows
    assert own_choice.counted.unmodelled == (() if own_choice.backend == "flash" else ("attention by cuDNN",))
    assert own_choice.peak_bytes_measured >= 0.9 * own_choice.counted.peak_bytes_predicted


HIDDEN = {  # forms whose kernels hold copies, shared sums and the like: see `memory/kernels/cuda.py`
    "softmax of columns": lambda h: h.mT.softmax(-1),
    "norm of columns": lambda h: F.layer_norm(h.mT, h.shape[1:2]),
    "dropout": lambda h: F.dropout(F.gelu(h), 0.5, training=True),
    "rolled": lambda h: h.roll((3, 5), (1, 2)),
    "running sum": lambda h: h.mT.cumsum(-1),
    "groups": lambda h: F.group_norm(h.mT, 8),
    "sum of rows": lambda h: h.sum((0, 1)),
    "sorted": lambda h: h.sort(-1)[0],
}


class Formed(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.linear, self.form = nn.Linear(64, 256), HIDDEN[form]

    def forward(self, x):
        return self.form(self.linear(x))


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("form", HIDDEN)
def test_what_kernels_hold_for_themselves_is_predicted(form, dtype, mode):
    work = Workload(
        factory=f"{__name__}:Formed", args=(form,), inputs=(TensorSpec(shape=(8, 200, 64), dtype=dtype),), mode=mode
    )
    module, inputs = build_module(work, device=DEVICE), build_inputs(work, device=DEVICE)
    step = step_of(work, module, inputs)
    step()  # a first call leaves workspaces
    module.zero_grad(set_to_none=True)
    for tensor in inputs:
        tensor.grad = None
    prediction = predicted(record_workload(work), device="cuda", threads=1)
    assert prediction.peak_bytes == pytest.approx(CudaMeters(DEVICE).peak(step)["allocated"], rel=0.02)
    assert prediction.unmodelled == ()


class Served(TorchDispatchMode):
    """Which fused attention runs."""

    def __init__(self):
        super().__init__()
        self.backends = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.backends |= {FUSED[name] for name in [func.overloadpacket.__name__] if name in FUSED}
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("head", [1, 8, 25, 64, 136, 256, 264])
@pytest.mark.parametrize("by_heads", [False, True])
def test_the_backend_of_attention_is_the_predicted_one(dtype, head, by_heads):
    shape = (2, 40, 3, head) if by_heads else (2, 3, 40, head)
    drawn = [torch.randn(shape, dtype=dtype, device=DEVICE) for _ in range(3)]
    query, key, value = (tensor.transpose(1, 2) if by_heads else tensor for tensor in drawn)
    without_data = [tensor.to("meta") for tensor in (query, key, value)]
    with Served() as real:
        F.scaled_dot_product_attention(query, key, value)
    with Served() as expected:
        fused_attention(*without_data)
    assert real.backends == expected.backends


def test_what_does_not_fit_on_the_gpu_is_a_row():
    options = kaoprof.Options(device=DEVICE, budget_s=1.0, force_run=True)
    record = kaoprof.compare(h=1024, c=8, operators=["nonlocal:matmul", "kao_qkv:matmul"], options=options)
    assert [row.status for row in record.rows] == ["oom", "ok"]


def test_what_ran_out_of_memory_half_way_is_given_back(child):
    free = child.ask(ReadFree(), timeout_s=TIMEOUT_S).value
    n = int((0.6 * free / 4) ** 0.5)  # one map of n x n fits, training holds two
    dims, options = Dims(b=1, c=8, spatial=(n,)), AttentionOptions()
    work = operator_workload("nonlocal", dims, options, dtype="fp32", mode="train", seed=0)
    with pytest.raises(SubjectFailed, match="out of memory") as failure:
        child.ask(Load(subject=1, workload=work), timeout_s=TIMEOUT_S)
    assert failure.value.status == "oom"
    assert child.ask(ReadFree(), timeout_s=TIMEOUT_S).value > 0.95 * free


def test_a_fault_on_the_gpu_ends_its_process_and_no_other(child):
    beyond = TensorSpec(shape=(64,), dtype="int64", high=1000)
    broken = Workload(factory="torch.nn:Embedding", args=(4, 3), inputs=(beyond,))  # has 4 rows: asserts on the device
    with pytest.raises(ChildLost) as loss:
        child.ask(Load(subject=1, workload=broken), timeout_s=TIMEOUT_S)
    assert loss.value.status == "error"
    assert [row.status for row in measured(operators=["kao_qkv:matmul"]).rows] == ["ok"]


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(MeasurementError, match="there is no cuda:"):
        find_device(f"cuda:{torch.cuda.device_count()}")
    assert find_device("auto") == DEVICE


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_every_row_is_above_its_floor_and_says_what_binds_it(cache):
    record = measured(cache=cache)
    assert record.protocol.cache == cache
    assert record.protocol.ceilings.copies
    assert record.protocol.ceilings.cold_copies or cache == "warm"
    for cell in standings(record).values():
        for standing in cell:
            assert standing.limits.times_floor > 1
            assert standing.limits.demand.limit in {"launch", "memory", "compute"}
            assert 0 < standing.row.deviation.largest < 1e-3


def test_caches_are_cold_by_default_and_a_flush_is_outside_the_time():
    assert measured().protocol.cache == "cold"
    meters = CudaMeters(DEVICE, Flusher(DEVICE))
    small = torch.zeros(2**10, device=DEVICE)
    assert fastest(meters, lambda: small + 1, calls=10) < fastest(CudaMeters(DEVICE), meters.flush, calls=10)


def test_a_cold_copy_takes_longer_than_a_warm_one():
    source, target = (torch.zeros(2 * 2**20, device=DEVICE) for _ in range(2))  # 8 MiB each: both fit the L2 cache
    cold, warm = (
        fastest(CudaMeters(DEVICE, flush), lambda: target.copy_(source), calls=50)
        for flush in (Flusher(DEVICE), lambda: None)  # both wait for an idle device before every call
    )
    assert cold > warm


@pytest.mark.parametrize("backend", ["flash", "efficient", "cudnn", "math"])
def test_a_forced_backend_ran_or_is_unsupported(backend):
    record = measured(sdpa=backend, dtype="bf16", operators=["nonlocal:sdpa"])
    (row,) = record.rows
    assert row.status in {"ok", "unsupported"}, row.detail
    assert row.backend == (backend if row.status == "ok" else None)
    if row.status == "unsupported":
        assert f"'{backend}' cannot serve" in row.detail
    else:
        assert row.deviation.largest < 0.1


def test_flash_attention_does_not_serve_fp32_and_the_row_says_so():
    (row,) = measured(sdpa="flash", operators=["nonlocal:sdpa"]).rows
    assert row.status == "unsupported"


def test_fewer_bits_deviate_more():
    largest = {
        dtype: measured(dtype=dtype, operators=["nonlocal:matmul"]).rows[0].deviation.largest
        for dtype in ("fp32", "tf32", "bf16")
    }
    assert largest["fp32"] < 3e-5 < largest["tf32"] < largest["bf16"]  # 24, 11 and 8 significant bits


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_a_graph_is_measured_beside_its_eager_row(mode):
    record = measured(graph=True, mode=mode, h=14, c=8, operators=["kao_qkv:matmul"], cache="warm")
    eager, graph = record.rows
    assert graph.case.implementation == "matmul+graph"
    assert (eager.status, graph.status) == ("ok", "ok"), (eager.detail, graph.detail)
    assert min(graph.latency.samples_s) < min(eager.latency.samples_s)  # eagerly it is bound by its launches


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_a_replayed_graph_computes_what_its_step_computes(mode):
    dims = Dims(b=2, c=16, spatial=(9, 13))
    work = operator_workload("kao_qkv", dims, AttentionOptions(), dtype="fp32", mode=mode, seed=0)
    module, (x,) = build_module(work, device=DEVICE), build_inputs(work, device=DEVICE)
    step = step_of(work, module, (x,))
    replay = captured(step)
    with torch.no_grad():
        x.mul_(2.0)
    torch.testing.assert_close(replay(), step().detach())


def test_a_compiled_row_says_how_long_compiling_took():
    _, compiled = measured(compile=True, operators=["kao_qkv:matmul"]).rows
    assert compiled.status in {"ok", "unsupported"}
    assert (compiled.compile_s is not None) == (compiled.status == "ok")


def test_a_model_is_profiled_layer_by_layer():
    options = kaoprof.Options(device=DEVICE, budget_s=2.0)
    (model,) = profile(["kanet-qkv"], model=ModelOptions(size=(64,)), options=options).models
    assert (model.status, model.detail) == ("ok", "")
    assert model.latency is not None
    assert model.total.peak_bytes_measured > 0
    assert model.total.timed_s == pytest.approx(sum(row.timed_s for row in model.layers if row.leaf))
    assert model.total.timed_s > 0


def test_ceilings_are_those_of_a_gpu():
    found = describe_environment(kaoprof.Options(device=DEVICE), refresh=True)["ceilings"]
    assert found.bytes_per_s > 50e9
    assert found.products["fp32"] > 1e12
    assert 1e-7 < found.launch_s < 1e-3
    assert found.cold_copies[0].seconds >= found.copies[0].seconds


def test_energy_and_conditions_are_read_where_nvml_is_installed():
    record = measured(operators=["nonlocal:matmul"])
    if record.environment.energy_source is None:
        pytest.skip("NVML's Python module is not installed, or it tells of no energy")
    assert 0 < record.rows[0].energy_j < 100
    before, after = record.protocol.before, record.protocol.after
    assert before.clock_hz is None or before.clock_hz > 1e8
    assert after.temperature_c is None or 0 < after.temperature_c < 120
