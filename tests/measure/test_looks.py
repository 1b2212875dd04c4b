"""Traffic, deviation, variants, energy, conditions: each against figures that can be worked out by hand."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from kaoprof.build import build_inputs, build_module, operator_workload, step_of
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.measure import conditions as conditions_module
from kaoprof.measure import energy as energy_module
from kaoprof.measure import variants as variants_module
from kaoprof.measure.conditions import conditions_of, cpu_conditions
from kaoprof.measure.deviation import deviation_of, relative_to
from kaoprof.measure.energy import energy_meter, joules_per_call
from kaoprof.measure.traffic import forced_attention, is_refusal, trace
from kaoprof.measure.variants import CannotRun, captured, compile_seconds

X = torch.arange(1.0, 36.0).reshape(5, 7)
TOKENS = torch.randn(2, 1, 11, 8, generator=torch.Generator().manual_seed(0))


def attend():
    return F.scaled_dot_product_attention(TOKENS, TOKENS, TOKENS)


@pytest.mark.parametrize(
    ("step", "operations", "elements"),
    [
        (lambda: X + X, 1, 35 + 35),  # the same tensor is read once
        (lambda: X * X.clone(), 2, 3 * 35 + 2 * 35),
        (lambda: X.T.reshape(7, 5).unsqueeze(0), 0, 0),  # views move nothing
        (lambda: X[0].expand(1000, 7).sum(), 1, 7 + 1),  # an expanded axis is read from the same place
        (lambda: X.clone().add_(1.0), 2, 2 * 35 + 2 * 35),  # in place: read and written
        (lambda: torch.empty(1000), 0, 0),
    ],
    ids=["sum", "two operations", "views", "expanded", "in place", "empty"],
)
def test_operations_and_bytes_are_those_that_reach_the_device(step, operations, elements):
    found = trace(step)
    assert (found["operations"], found["moved_bytes"]) == (operations, 4 * elements)


def test_the_backward_pass_is_part_of_a_training_step():
    dims, options = Dims(b=2, c=4, spatial=(3, 5)), AttentionOptions()
    found = []
    for mode in ("forward", "train"):
        work = operator_workload("kao_qkv", dims, options, dtype="fp32", mode=mode, seed=0)
        module = build_module(work, device="cpu")
        found.append(trace(step_of(work, module, build_inputs(work, device="cpu"))))
    assert found[1]["operations"] > 2 * found[0]["operations"]
    assert found[1]["moved_bytes"] > 2 * found[0]["moved_bytes"]


def test_the_attention_that_ran_is_named():
    assert trace(attend)["backend"] == "flash"
    assert trace(lambda: X + 1)["backend"] is None
    with forced_attention("math"):
        assert trace(attend)["backend"] == "math"


def test_a_backend_that_cannot_serve_is_recognised():
    with forced_attention("cudnn"), pytest.raises(RuntimeError) as refusal:
        attend()
    assert is_refusal(refusal.value)
    assert not is_refusal(RuntimeError("something else"))
    attend()  # and afterwards all are allowed again


def test_the_deviation_is_relative_to_the_largest_and_to_the_root_mean_square():
    found = relative_to(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0], dtype=torch.float64))
    assert found["largest"] == pytest.approx(0.5 / 4.0)
    assert found["rms"] == pytest.approx((0.25 / 2) ** 0.5 / (25 / 2) ** 0.5)
    assert found["not_finite"] == 0.0


def test_what_is_not_finite_is_no_deviation_but_said():
    found = relative_to(torch.tensor([1.0, float("nan"), float("inf"), 2.0]), torch.ones(4, dtype=torch.float64))
    assert found == {"largest": None, "rms": None, "not_finite": 0.5}
    assert relative_to(torch.zeros(3), torch.zeros(3, dtype=torch.float64))["largest"] is None


@pytest.mark.parametrize("implementation", ["matmul", "sdpa"])
def test_fewer_bits_deviate_more(implementation):
    found = {}
    for dtype in ("fp64", "fp32", "bf16"):
        options = AttentionOptions(implementation=implementation)
        dims = Dims(b=2, c=8, spatial=(5, 7))
        work = operator_workload("kao_kv", dims, options, dtype=dtype, mode="forward", seed=0)
        module, inputs = build_module(work, device="cpu"), build_inputs(work, device="cpu")
        found[dtype] = deviation_of(step_of(work, module, inputs)(), module, inputs)["largest"]
        assert next(module.parameters()).dtype == inputs[0].dtype  # the module itself stays as it is
    assert found["fp64"] < 1e-14
    assert 1e-8 < found["fp32"] < 1e-5
    assert 1e-4 < found["bf16"] < 0.1


def test_what_cannot_be_compiled_says_why_and_out_of_memory_stays_what_it_is():
    def broken():
        raise RuntimeError("no compiler\nand a long story")

    with pytest.raises(CannotRun, match=r"cannot be compiled: RuntimeError: no compiler$"):
        compile_seconds(broken, lambda: None)

    def hungry():
        raise MemoryError

    with pytest.raises(MemoryError):
        compile_seconds(hungry, lambda: None)


def test_the_first_call_and_its_wait_are_the_time_of_compiling(monkeypatch):
    ticks = iter([10.0, 13.5])
    monkeypatch.setattr(variants_module.time, "perf_counter", lambda: next(ticks))
    calls = []
    assert compile_seconds(lambda: calls.append("call"), lambda: calls.append("wait")) == 3.5
    assert calls == ["call", "wait"]


def fake_graphs(monkeypatch, *, fails=False):
    log = []

    class Graph:
        def replay(self):
            log.append("replay")

    class Stream:
        def wait_stream(self, _other):
            log.append("wait")

    @contextmanager
    def entered(name):
        log.append(name)
        yield
        if fails and name == "capture":
            raise RuntimeError("operation not permitted when stream is capturing")

    cuda = SimpleNamespace(
        CUDAGraph=Graph, Stream=Stream, current_stream=Stream, OutOfMemoryError=torch.cuda.OutOfMemoryError,
        stream=lambda _: entered("aside"), graph=lambda _: entered("capture"),
    )  # fmt: skip
    monkeypatch.setattr(variants_module.torch, "cuda", cuda)
    return log


def test_a_graph_is_warmed_up_aside_captured_once_and_replayed(monkeypatch):
    log = fake_graphs(monkeypatch)
    replay = captured(lambda: log.append("step") or "output")
    assert log == ["wait", "aside", "step", "step", "step", "wait", "capture", "step"]
    assert (replay(), replay()) == ("output", "output")
    assert log[-2:] == ["replay", "replay"]


def test_what_cannot_be_captured_says_why(monkeypatch):
    fake_graphs(monkeypatch, fails=True)
    with pytest.raises(CannotRun, match="cannot be captured as a CUDA graph: operation not permitted"):
        captured(lambda: None)


def powercap(folder, readings):
    for name, (energy, most) in readings.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "energy_uj").write_text(f"{energy}\n")
        (folder / name / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def test_processors_are_added_up_without_their_parts_and_a_counter_may_begin_anew(tmp_path):
    powercap(tmp_path, {"intel-rapl:0": (9_000_000, 10_000_000), "intel-rapl:1": (1_000_000, 10_000_000),
                        "intel-rapl:0:0": (5, 10)})  # fmt: skip
    meter = energy_meter("cpu", tmp_path)

    def run(calls):
        assert calls == 4
        powercap(tmp_path, {"intel-rapl:0": (500_000, 10_000_000), "intel-rapl:1": (3_000_000, 10_000_000)})

    assert meter.source == "RAPL"
    assert joules_per_call(meter, run, 4) == pytest.approx((1.5 + 2.0) / 4)


def test_without_a_counter_that_can_be_read_there_is_no_meter(tmp_path):
    assert energy_meter("cpu", tmp_path) is None
    (powercap(tmp_path, {"intel-rapl:0": (1, 2)}) / "intel-rapl:0" / "energy_uj").write_text("")
    assert energy_meter("cpu", tmp_path) is None


class FakeNvml:
    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU, NVML_PERF_POLICY_POWER, NVML_PERF_POLICY_THERMAL = "sm", "gpu", "power", "heat"
    millijoules = 7_000

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802 - NVML's name
        assert handle == "board 0"
        return self.millijoules

    def nvmlDeviceGetClockInfo(self, _handle, clock):  # noqa: N802
        return {"sm": 1980}[clock]

    def nvmlDeviceGetTemperature(self, _handle, _sensor):  # noqa: N802
        raise RuntimeError("Not Supported")

    def nvmlDeviceGetViolationStatus(self, _handle, policy):  # noqa: N802
        return SimpleNamespace(violationTime={"power": 30, "heat": 12}[policy])


def test_a_gpus_energy_is_its_counters_difference(monkeypatch):
    nvml = FakeNvml()
    monkeypatch.setattr(energy_module, "nvml_handle", lambda _: ("board 0", nvml))
    meter = energy_meter("cuda:0")

    def run(_calls):
        nvml.millijoules += 50

    assert (meter.source, joules_per_call(meter, run, 10)) == ("NVML", pytest.approx(0.005))


def test_a_gpus_conditions_are_those_that_it_tells(monkeypatch):
    monkeypatch.setattr(conditions_module, "nvml_handle", lambda _: ("board 0", FakeNvml()))
    assert conditions_of("cuda:0") == {"clock_hz": 1.98e9, "temperature_c": None, "throttled": 42}
    monkeypatch.setattr(conditions_module, "nvml_handle", lambda _: None)
    assert set(conditions_of("cuda:0").values()) == {None}


def test_a_processor_counts_how_often_its_cores_slowed_themselves(tmp_path):
    assert cpu_conditions(tmp_path)["throttled"] is None
    for core, count in enumerate((3, 4)):
        folder = tmp_path / f"cpu{core}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    assert cpu_conditions(tmp_path)["throttled"] == 7
