"""What is timed and what is not, with clocks and devices that do as they are told."""

from types import SimpleNamespace

import pytest
import torch

from kaoprof.bench import meters as meters_module
from kaoprof.bench.caches import Flusher, last_level_bytes
from kaoprof.bench.ceilings import copy_seconds, launch_seconds, product_throughput
from kaoprof.bench.meters import CpuMeters, CudaMeters
from kaoprof.records.measured import Copy

CALL_NS, FLUSH_NS = 500, 10_000_000


class Machine:
    """A clock that only work moves on; notes what happened."""

    def __init__(self):
        self.now_ns, self.log = 0, []

    def step(self):
        self.log.append("step")
        self.now_ns += CALL_NS

    def flush(self):
        self.log.append("flush")
        self.now_ns += FLUSH_NS


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    monkeypatch.setattr(meters_module.time, "perf_counter_ns", lambda: made.now_ns)
    return made


def test_warm_calls_are_timed_as_one_block_after_the_warm_up(machine):
    assert CpuMeters().seconds(machine.step, calls=4, warm_calls=2) == pytest.approx(CALL_NS / 1e9)
    assert machine.log == ["step"] * 6


def test_caches_are_emptied_before_every_cold_call_and_outside_its_time(machine):
    cold = CpuMeters(machine.flush)
    assert cold.seconds(machine.step, calls=3, warm_calls=1) == pytest.approx(CALL_NS / 1e9)
    assert machine.log == ["step", *["flush", "step"] * 3]


class FakeCuda:
    """torch.cuda as far as the meters use it: a stream whose work takes `CALL_NS`, and events that read its clock."""

    def __init__(self, machine):
        self.machine, self.synchronized_at = machine, []

    def set_device(self, device):
        self.device = device

    def synchronize(self, _device):
        self.machine.log.append("synchronize")

    def Event(self, *, enable_timing):  # noqa: N802 - torch's name
        assert enable_timing
        machine = self.machine

        class Event:
            def record(self):
                self.at_ns = machine.now_ns

            def synchronize(self):
                machine.log.append("wait")

            def elapsed_time(self, end):
                return (end.at_ns - self.at_ns) / 1e6  # milliseconds, as torch says

        return Event()


def test_a_gpus_cold_call_starts_on_an_idle_device_after_the_flush(machine, monkeypatch):
    fake = FakeCuda(machine)
    monkeypatch.setattr(meters_module.torch, "cuda", fake)
    cold = CudaMeters("cuda:0", machine.flush)
    assert cold.seconds(machine.step, calls=2, warm_calls=0) == pytest.approx(CALL_NS / 1e9)
    assert machine.log == ["flush", "synchronize", "step", "wait"] * 2


def test_a_gpus_warm_calls_are_one_block_between_two_events(machine, monkeypatch):
    monkeypatch.setattr(meters_module.torch, "cuda", FakeCuda(machine))
    assert CudaMeters("cuda:0").seconds(machine.step, calls=3, warm_calls=1) == pytest.approx(CALL_NS / 1e9)
    assert machine.log == ["step", "synchronize", "step", "step", "step", "wait"]


MIB = 2**20


def cuda_with_statistics(monkeypatch, **told):
    """An allocator that tells of 3 MiB before a call and 10 MiB at its peak; blocks and segments are larger."""
    log = []
    current = {"requested_bytes": 3 * MIB, "allocated_bytes": 3 * MIB + 512, "reserved_bytes": 20 * MIB}
    peak = {"requested_bytes": 10 * MIB, "allocated_bytes": 10 * MIB + 2048, "reserved_bytes": 40 * MIB}

    def statistics(device):
        assert device == torch.device("cuda:1")
        highest = peak if "step" in log else current
        found = {f"{name}.all.current": size for name, size in current.items()}
        return found | {f"{name}.all.peak": size for name, size in highest.items()} | told

    cuda = SimpleNamespace(
        set_device=lambda _: None,
        synchronize=lambda _: log.append("synchronize"),
        empty_cache=lambda: log.append("empty"),
        reset_peak_memory_stats=lambda _: log.append("reset"),
        memory_stats=statistics,
    )
    monkeypatch.setattr(meters_module.torch, "cuda", cuda)
    return log


def test_a_gpus_peak_is_what_was_asked_for_above_what_was_there(monkeypatch):
    log = cuda_with_statistics(monkeypatch)
    peak = CudaMeters("cuda:1").peak(lambda: log.append("step"))
    assert log == ["synchronize", "empty", "reset", "step", "synchronize"]
    assert peak == {"allocated": 7 * MIB, "reserved": 37 * MIB - 512}


def test_an_allocator_that_knows_no_requests_tells_of_its_blocks(monkeypatch):
    log = cuda_with_statistics(monkeypatch, **{"requested_bytes.all.peak": 0, "requested_bytes.all.current": 0})
    assert CudaMeters("cuda:1").peak(lambda: log.append("step"))["allocated"] == 7 * MIB + 1536


def test_the_last_cache_is_the_largest_that_the_system_names(tmp_path):
    for number, size in enumerate(("48K", "1024K", "32768K")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(f"{size}\n")
    assert last_level_bytes("cpu", tmp_path) == 32 * 2**20
    (tmp_path / "index2" / "size").write_text("none\n")
    assert last_level_bytes("cpu", tmp_path) == 2**20
    assert last_level_bytes("cpu", tmp_path / "absent") == 64 * 2**20


def test_a_flush_touches_several_times_the_cache(monkeypatch):
    monkeypatch.setattr("kaoprof.bench.caches.last_level_bytes", lambda _: 2**20)  # a server's takes seconds to fill
    flush = Flusher("cpu")
    flush()
    assert flush.buffer.nbytes >= 2 * 2**20
    assert torch.equal(flush.buffer, torch.ones_like(flush.buffer))


class Rated:
    """Meters of a device that copies at 10 GB/s and multiplies at 1 TFLOP/s, each after a launch of 2 µs."""

    kind = "cuda"
    flush = None

    def __init__(self):
        self.attempt = 0

    def seconds(self, step, *, calls, warm_calls):  # noqa: ARG002 - the meters' signature
        self.attempt += 1
        noise = 1.5 if self.attempt % 3 else 1.0
        out = step()
        if out.ndim == 2:
            return noise * (2e-6 + 2 * out.shape[0] ** 3 / 1e12)
        return noise * (2e-6 + 2 * out.nbytes / 10e9 if out.numel() > 1 else 2e-6)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("kaoprof.bench.ceilings.SEARCH_S", 0.0)
    monkeypatch.setattr("kaoprof.bench.ceilings.free_bytes", lambda _: 2**30)
    monkeypatch.setattr("kaoprof.bench.ceilings.last_level_bytes", lambda _: 2**20)
    monkeypatch.setattr("kaoprof.bench.ceilings.PRODUCT_SIZES", (64, 128, 256))


@pytest.mark.usefixtures("quick")
def test_copies_double_up_to_several_times_the_cache_and_the_fastest_counts():
    copies = copy_seconds(Rated(), "cpu")
    assert [copy.moved_bytes for copy in copies] == [2**power for power in range(17, 27)]  # 64 x 1 MiB
    assert [copy.seconds for copy in copies] == [pytest.approx(2e-6 + copy.moved_bytes / 10e9) for copy in copies]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("kind", "largest", "seconds"), [("cuda", 2**26, 2.0), ("cpu", 2**23, 3.0)])
def test_on_a_gpu_a_ceiling_is_the_better_of_two_kernels(monkeypatch, kind, largest, seconds):
    def seconds_of(_, step):
        negated = step.func is torch.neg
        innermost = step.func is torch.mm and step.args[1].stride(0) == 1
        return 2.0 if negated or innermost else 3.0

    monkeypatch.setattr("kaoprof.bench.ceilings.fastest_seconds", seconds_of)
    meters = SimpleNamespace(kind=kind)
    assert copy_seconds(meters, "cpu")[-1] == Copy(moved_bytes=largest, seconds=seconds)
    assert product_throughput(meters, "cpu", "fp64") == 2 * 64**3 / seconds


@pytest.mark.usefixtures("quick")
def test_copies_leave_most_of_the_memory_alone(monkeypatch):
    monkeypatch.setattr("kaoprof.bench.ceilings.free_bytes", lambda _: 8 * 2**20)
    assert copy_seconds(Rated(), "cpu")[-1].moved_bytes == 2**20


@pytest.mark.usefixtures("quick")
def test_the_fastest_size_of_product_is_the_ceiling():
    assert product_throughput(Rated(), "cpu", "fp32") == pytest.approx(2 * 256**3 / (2e-6 + 2 * 256**3 / 1e12))
    assert launch_seconds(Rated(), "cpu") == pytest.approx(2e-6)


@pytest.mark.usefixtures("quick")
def test_a_gpus_single_precision_is_at_least_as_fast_as_three_products_in_tf32(monkeypatch):
    rates = {"highest": 50e12, "high": 420e12}
    monkeypatch.setattr("kaoprof.bench.ceilings._throughput", lambda *_: rates[torch.get_float32_matmul_precision()])
    assert product_throughput(Rated(), "cpu", "fp32") == 140e12
    assert torch.get_float32_matmul_precision() == "highest"
    assert product_throughput(CpuMeters(), "cpu", "fp32") == 50e12


@pytest.mark.usefixtures("quick")
def test_half_precision_is_at_least_as_fast_as_its_wider_type(monkeypatch):
    rates = {torch.float16: 1e9, torch.float32: 100e9}
    monkeypatch.setattr("kaoprof.bench.ceilings._throughput", lambda _meters, _device, dtype: rates[dtype])
    assert product_throughput(Rated(), "cpu", "fp16") == 100e9
