"""The bench told to use a GPU: our side of every call, on a torch.cuda that computes on the CPU and checks names."""

import sys
import time
import weakref
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
import torch
from representatives import mostly_slow
from torch import nn
from torch.overrides import TorchFunctionMode

from kaoprof.bench import workbench as bench_module
from kaoprof.bench.energy import nvml_handle
from kaoprof.bench.failures import CaptureFailed
from kaoprof.bench.variants import capture_stream
from kaoprof.bench.workbench import Bench
from kaoprof.bench.worker import answer
from kaoprof.catalog import operator_workload
from kaoprof.dims import MODES, AttentionOptions, Dims
from kaoprof.measuring.messages import (
    Clear,
    Failed,
    Figure,
    Load,
    Loaded,
    Look,
    Peak,
    ReadConditions,
    ReadFree,
    Time,
    TimeCopies,
    TimeLaunch,
    TimeProduct,
    Weigh,
    preparation,
)  # fmt: skip
from kaoprof.records.measured import Conditions
from kaoprof.workload.workload import TensorSpec, Workload

DEVICE = "cuda:1"
GIB = 2**30
FAULT = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be reported later"


def on_cpu(value):
    is_cuda = isinstance(value, str | torch.device) and str(value).startswith("cuda")
    return "cpu" if is_cuda else value


class ComputesOnTheCpu(TorchFunctionMode):
    """Whatever asks for a GPU gets the CPU; another GPU than the one that was chosen is an error."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for device in (*args, *kwargs.values()):
            assert on_cpu(device) is device or str(device) == DEVICE
        return func(*map(on_cpu, args), **{name: on_cpu(value) for name, value in kwargs.items()})


class GeneratorOnTheCpu(torch.Generator):
    def __new__(cls, device="cpu"):
        return super().__new__(cls, on_cpu(device))


class Event:
    def __init__(self, *, enable_timing):
        assert enable_timing

    def record(self):
        self.at_s = time.perf_counter()

    def synchronize(self):
        assert self.at_s > 0

    def elapsed_time(self, end):
        return (end.at_s - self.at_s) * 1e3  # milliseconds, as torch says


def statistics(_device):
    return {f"{name}_bytes.all.{which}": 4096 for name in ("requested", "allocated", "reserved")
            for which in ("current", "peak")}  # fmt: skip


@pytest.fixture
def gpu(monkeypatch):
    """What the bench did to the device, in order. Arguments are checked against torch's own signatures."""
    log = []
    properties = SimpleNamespace(
        L2_cache_size=2**16, total_memory=80 * GIB, uuid="1234", major=9, minor=0, multi_processor_count=132
    )
    told = {
        "set_device": None, "synchronize": None, "empty_cache": None, "reset_peak_memory_stats": None,
        "mem_get_info": (70 * GIB, 80 * GIB), "get_device_name": "NVIDIA H200", "get_device_properties": properties,
    }  # fmt: skip

    def noting(name, reply):
        def effect(*_args, **_kwargs):
            log.append(name)
            return reply

        return effect

    for name, reply in told.items():
        fake = create_autospec(getattr(torch.cuda, name), side_effect=noting(name, reply))
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(torch.cuda, "memory_stats", create_autospec(torch.cuda.memory_stats, side_effect=statistics))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "Generator", GeneratorOnTheCpu)
    monkeypatch.setattr("kaoprof.bench.energy.importlib.util.find_spec", lambda _: None)  # no NVML
    monkeypatch.setattr("kaoprof.bench.ceilings.SEARCH_S", 0.0)
    monkeypatch.setattr("kaoprof.bench.ceilings.PRODUCT_SIZES", (16, 32))
    precisions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    threads = torch.get_num_threads()
    with ComputesOnTheCpu():
        yield log
    torch.set_float32_matmul_precision(precisions[0])
    torch.backends.cudnn.allow_tf32 = precisions[1]
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def workload(mode="forward", dtype="fp32", implementation="sdpa"):
    dims, options = Dims(b=2, c=8, spatial=(5, 7)), AttentionOptions(implementation=implementation)
    return operator_workload("kao_kv", dims, options, dtype=dtype, mode=mode, seed=0)


@pytest.fixture
def bench(gpu):
    prepared = Bench()
    environment = prepared.prepare(preparation(DEVICE, threads=1, cache="cold")).environment
    assert environment.device_name == "NVIDIA H200"
    assert environment.memory_bytes == 80 * GIB
    assert environment.denormals_flushed is False
    assert environment.energy_source is None
    assert (environment.capability, environment.multiprocessors, environment.driver) == ("9.0", 132, None)
    assert "set_device" in gpu
    yield prepared
    prepared.forced.close()


@pytest.mark.parametrize(
    ("mode", "dtype"), mostly_slow([(mode, dtype) for dtype in ("fp32", "tf32", "bf16") for mode in MODES])
)
def test_every_request_is_answered_on_a_gpu(bench, mode, dtype):
    load = Load(subject=1, workload=workload(mode, dtype))
    assert answer(bench, load) == Loaded()
    took = answer(bench, Time(subject=1, calls=2, warm_calls=1))
    assert 0 < took.seconds < 10
    assert took.page_faults is None
    assert answer(bench, Weigh(subject=1)) == Peak(allocated=0, reserved=0)
    looks = {
        name: answer(bench, Look(subject=1, quantity=name, calls=3)) for name in ("traffic", "deviation", "energy")
    }
    assert looks["traffic"].observed.backend == "flash"
    assert looks["deviation"].observed.deviation.not_finite == 0.0
    assert looks["energy"].observed.energy_j is None
    assert answer(bench, TimeProduct(dtype=dtype)).value > 0
    assert answer(bench, ReadConditions()).conditions == Conditions()
    assert answer(bench, ReadFree()) == Figure(value=70 * GIB)
    for request in (TimeCopies(cache="cold"), TimeLaunch(), Clear()):
        assert not isinstance(answer(bench, request), Failed)
    assert torch.get_float32_matmul_precision() == ("high" if dtype == "tf32" else "highest")
    assert torch.backends.cudnn.allow_tf32 == (dtype == "tf32")


def test_a_subject_runs_once_before_it_is_timed(bench, monkeypatch):
    calls = []
    monkeypatch.setattr(bench_module, "step_of", lambda *_: lambda: calls.append("step"))
    bench.load(Load(subject=1, workload=workload()))
    assert calls == ["step"]  # cuDNN compiles its attention in a first call, which may take seconds


class WantsSeveralValues(nn.Module):
    """As a batch norm in training does."""

    def forward(self, x):
        if x.shape[-1] < 3:
            raise ValueError("Expected more than 1 value per channel when training")
        return x + 1


def test_a_module_that_cannot_run_on_the_smallest_input_has_no_launch_time(bench):
    image = TensorSpec(shape=(2, 3, 5, 7), dtype="fp32")
    work = Workload(factory=f"{__name__}:WantsSeveralValues", inputs=(image,))
    assert answer(bench, Load(subject=1, workload=work)) == Loaded()
    traffic = answer(bench, Look(quantity="traffic", subject=1)).observed.traffic
    assert (traffic.launch_s, traffic.operations) == (None, 1)


def failing(bench, monkeypatch, step):
    monkeypatch.setattr(bench_module, "step_of", lambda *_: step)
    return answer(bench, Load(subject=1, workload=workload()))


def test_what_a_failed_call_held_is_given_back(bench, gpu, monkeypatch):
    held = []

    def hungry():
        tensor = torch.zeros(7)
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4 TiB")

    alive = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive.append(held[-1]() is not None))
    reply = failing(bench, monkeypatch, hungry)
    assert (reply.status, "Tried to allocate 4 TiB" in reply.detail) == ("oom", True)
    assert alive == [False]  # a tensor that is still alive is not given back
    assert "synchronize" in gpu


def test_a_library_without_memory_is_out_of_memory(bench, monkeypatch):
    def starved():
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    assert failing(bench, monkeypatch, starved).status == "oom"


def test_a_device_that_answers_no_more_ends_the_process(bench, monkeypatch):
    def faulty(*_):
        raise RuntimeError(FAULT)

    monkeypatch.setattr(torch.cuda, "synchronize", faulty)
    with pytest.raises(SystemExit, match=r"^CUDA error: an illegal memory access was encountered$"):
        failing(bench, monkeypatch, faulty)


def test_an_error_that_leaves_the_device_well_is_an_answer(bench, monkeypatch):
    def wrong():
        raise RuntimeError("shapes cannot be multiplied")

    assert failing(bench, monkeypatch, wrong).status == "error"


def test_a_capture_that_failed_ends_the_process(bench, monkeypatch):
    def broken_off(_step):
        raise CaptureFailed("cannot be captured as a CUDA graph: operation not permitted")

    monkeypatch.setattr(bench_module, "captured", broken_off)
    with pytest.raises(SystemExit, match="cannot be captured as a CUDA graph"):
        answer(bench, Load(subject=1, workload=workload(), variant="graph"))


def test_what_is_free_includes_the_allocators_cache(bench, gpu):
    gpu.clear()
    answer(bench, ReadFree())
    assert gpu == ["empty_cache", "mem_get_info"]


class SwitchesEverything(nn.Module):
    """As a research repository's constructor does."""

    def __init__(self):
        super().__init__()
        torch.backends.cudnn.benchmark = True
        torch.backends.fp32_precision = "tf32"
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(True)

    def forward(self, x):
        return x + 1


def switches():
    return (torch.backends.cudnn.benchmark, torch.backends.fp32_precision, torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled())  # fmt: skip


def test_switches_stay_with_the_subject_whose_code_set_them(bench):
    image = TensorSpec(shape=(2, 3, 5, 7), dtype="fp32")
    try:
        answer(bench, Load(subject=1, workload=Workload(factory=f"{__name__}:SwitchesEverything", inputs=(image,))))
        answer(bench, Load(subject=2, workload=workload()))
        seen = {}
        for number in (1, 2, 1):
            bench.subject(number)
            seen[number] = switches()
        assert seen == {1: (True, "tf32", "medium", True), 2: (False, "none", "highest", False)}
    finally:
        bench.flags.apply()
    assert switches() == (False, "none", "highest", False)


def test_fp64_of_fused_attention_is_not_compared_where_its_map_does_not_fit(bench):
    fused = operator_workload(
        "nonlocal", Dims(b=2, c=8, spatial=(20, 20)), AttentionOptions(implementation="sdpa"), dtype="fp32",
        mode="forward", seed=0,
    )  # fmt: skip
    answer(bench, Load(subject=1, workload=fused))
    map_bytes = 2 * 400 * 400 * 8
    for allowed, known in ((map_bytes, False), (4 * map_bytes, True)):
        looked = answer(bench, Look(subject=1, quantity="deviation", allowed_bytes=allowed)).observed.deviation
        assert (looked.largest is not None) is known


class NVMLError(Exception):
    pass


@pytest.mark.parametrize(("uuid", "known"), [("1234", "GPU-1234"), ("1234", "MIG-1234"), ("MIG-1234", "MIG-1234")])
def test_nvml_knows_a_device_or_a_part_of_one_by_its_uuid(monkeypatch, uuid, known):
    def handle(name):
        if name != known:
            raise NVMLError("Not Found")
        return f"handle of {name}"

    nvml = SimpleNamespace(nvmlInit=lambda: None, nvmlDeviceGetHandleByUUID=handle, NVMLError=NVMLError)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr("kaoprof.bench.energy.importlib.util.find_spec", lambda _: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid=uuid))
    assert nvml_handle(DEVICE) == (f"handle of {known}", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="another"))
    assert nvml_handle(DEVICE) is None


def test_all_captures_share_one_stream(monkeypatch):
    capture_stream.cache_clear()
    monkeypatch.setattr(torch.cuda, "Stream", object)
    assert capture_stream() is capture_stream()
    capture_stream.cache_clear()
