"""Traffic, deviation, variants, energy, conditions: each against figures that can be worked out by hand."""

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kaoprof.bench import conditions as conditions_module
from kaoprof.bench import energy as energy_module
from kaoprof.bench import variants as variants_module
from kaoprof.bench.conditions import conditions_of, cpu_conditions
from kaoprof.bench.deviation import deviation_of, is_random, relative_to
from kaoprof.bench.energy import board_meter, energy_meter, joules_per_call
from kaoprof.bench.environment import settings_of
from kaoprof.bench.failures import CaptureFailed
from kaoprof.bench.layer_meter import layer_traffic
from kaoprof.bench.looks import kept
from kaoprof.bench.traffic import trace
from kaoprof.bench.variants import CannotRun, captured, compile_now, compiled
from kaoprof.catalog import operator_workload
from kaoprof.comparing.run import analytic, workload_of
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.measuring.messages import Loaded
from kaoprof.records.compare import Case
from kaoprof.records.measured import Conditions, Deviation, Traffic
from kaoprof.workload.attention_backend import forced_attention, is_refusal
from kaoprof.workload.building import build_inputs, build_module, step_of

X = torch.arange(1.0, 36.0).reshape(5, 7)
TOKENS = torch.randn(2, 1, 11, 8, generator=torch.Generator().manual_seed(0))


def traced(step, module=None, inputs=(), *, trained=False):
    return trace(step, module or nn.Identity(), inputs, trained=trained)


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
    found = traced(step)
    assert (found.operations, found.moved_bytes) == (operations, 4 * elements)


def test_the_backward_pass_is_part_of_a_training_step():
    dims, options = Dims(b=2, c=4, spatial=(3, 5)), AttentionOptions()
    found = []
    for mode in ("forward", "train"):
        work = operator_workload("kao_qkv", dims, options, dtype="fp32", mode=mode, seed=0)
        module, inputs = build_module(work, device="cpu"), build_inputs(work, device="cpu")
        found.append(traced(step_of(work, module, inputs), module, inputs, trained=mode == "train"))
    assert found[1].operations > 2 * found[0].operations
    assert found[1].moved_bytes > 2 * found[0].moved_bytes


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("name", ["nonlocal:matmul", "nonlocal_pool:sdpa", "kao_kv:sdpa", "kao_qkv:matmul"])
def test_what_must_be_moved_is_what_the_closed_form_says(name, mode):
    operator, implementation = name.split(":")
    case = Case(operator=operator, implementation=implementation, b=2, c=8, spatial=(6, 10), mode=mode)
    work = workload_of(case, 0)
    module, inputs = build_module(work, device="cpu"), build_inputs(work, device="cpu")
    found = traced(step_of(work, module, inputs), module, inputs, trained=mode == "train")
    assert found.compulsory_bytes == analytic(case).compulsory_bytes


def test_of_a_table_only_what_was_looked_up_is_moved():
    table, words = nn.Embedding(1000, 4), torch.tensor([[1, 2, 3]])
    found = traced(lambda: table(words), table, (words,))
    assert found.moved_bytes == 3 * 8 + 2 * 3 * 4 * 4  # the words; three rows read and written
    assert found.compulsory_bytes == 3 * 8 + 3 * 4 * 4


def test_a_weight_that_nothing_reads_need_not_be_moved():
    module = nn.ModuleDict({"used": nn.Linear(3, 5), "idle": nn.Linear(100, 100)})
    x = torch.randn(2, 3)
    found = traced(lambda: module["used"](x), module, (x,))
    assert found.compulsory_bytes == 4 * (2 * 3 + 3 * 5 + 5 + 2 * 5)


def test_each_layer_has_its_own_traffic_and_the_one_around_it_their_sum():
    module = nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 7)))
    x = torch.randn(2, 3)
    moved, compulsory = layer_traffic(lambda: module(x), module, ["0", "1", "1.0", "1.1"])
    assert compulsory["0"] == 4 * (2 * 3 + 3 * 5 + 5 + 2 * 5)
    assert (moved["1.0"], compulsory["1.0"]) == (Traffic(operations=1, moved_bytes=4 * 20), 4 * 20)
    assert compulsory["1"] == 4 * (2 * 5 + 5 * 7 + 7 + 2 * 7)
    assert moved["1"].operations == moved["1.0"].operations + moved["1.1"].operations
    assert moved["1"].moved_bytes == moved["1.0"].moved_bytes + moved["1.1"].moved_bytes
    whole = traced(lambda: module(x), module, (x,))
    assert whole.moved_bytes == moved["0"].moved_bytes + moved["1"].moved_bytes
    assert not module._forward_hooks


def test_an_output_that_differs_from_call_to_call_has_no_deviation():
    torch.manual_seed(0)
    x, dropout = torch.ones(64), nn.Dropout(0.5)
    assert is_random(dropout(x), dropout(x))
    assert not is_random(x, x + 1e-6)
    assert is_random(x, None)
    assert not is_random(torch.tensor([torch.nan, 1.0]), torch.tensor([torch.nan, 1.0]))  # that is said elsewhere


def test_the_attention_that_ran_is_named():
    assert traced(attend).backend == "flash"
    assert traced(lambda: X + 1).backend is None
    with forced_attention("math"):
        assert traced(attend).backend == "math"


def test_the_attention_inside_torchs_own_layer_is_named_too():
    layer, tokens = nn.MultiheadAttention(8, 2), torch.randn(11, 3, 8)
    for forced, named in (("auto", "flash"), ("math", "math")):
        with forced_attention(forced):
            assert traced(lambda: layer(tokens, tokens, tokens, need_weights=False)).backend == named
    assert F.scaled_dot_product_attention is torch._C._nn.scaled_dot_product_attention


def test_a_backend_that_cannot_serve_is_recognised():
    with forced_attention("cudnn"), pytest.raises(RuntimeError) as refusal:
        attend()
    assert is_refusal(refusal.value)
    assert is_refusal(RuntimeError("cuDNN Frontend error: [cudnn_frontend] Error: No valid execution plans built."))
    assert not is_refusal(RuntimeError("something else"))
    attend()  # and afterwards all are allowed again


def test_the_deviation_is_relative_to_the_largest_and_to_the_root_mean_square():
    found = relative_to(torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0], dtype=torch.float64))
    assert found.largest == pytest.approx(0.5 / 4.0)
    assert found.rms == pytest.approx((0.25 / 2) ** 0.5 / (25 / 2) ** 0.5)
    assert found.not_finite == 0.0


def test_what_is_not_finite_is_no_deviation_but_said():
    found = relative_to(torch.tensor([1.0, float("nan"), float("inf"), 2.0]), torch.ones(4, dtype=torch.float64))
    assert found == Deviation(largest=None, rms=None, not_finite=0.5)
    assert relative_to(torch.zeros(3), torch.zeros(3, dtype=torch.float64)).largest is None


@pytest.mark.parametrize("implementation", ["matmul", "sdpa"])
def test_fewer_bits_deviate_more(implementation):
    found = {}
    for dtype in ("fp64", "fp32", "bf16"):
        options = AttentionOptions(implementation=implementation)
        dims = Dims(b=2, c=8, spatial=(5, 7))
        work = operator_workload("kao_kv", dims, options, dtype=dtype, mode="forward", seed=0)
        module, inputs = build_module(work, device="cpu"), build_inputs(work, device="cpu")
        found[dtype] = deviation_of(step_of(work, module, inputs)(), module, inputs).largest
        assert next(module.parameters()).dtype == inputs[0].dtype  # the module itself stays as it is
    assert found["fp64"] < 1e-14
    assert 1e-8 < found["fp32"] < 1e-5
    assert 1e-4 < found["bf16"] < 0.1


def test_what_cannot_be_compiled_says_why_and_out_of_memory_stays_what_it_is():
    def broken():
        raise RuntimeError("no compiler\nand a long story")

    with pytest.raises(CannotRun, match=r"cannot be compiled: RuntimeError: no compiler$"):
        compile_now(broken, lambda: None)

    def hungry():
        raise MemoryError

    with pytest.raises(MemoryError):
        compile_now(hungry, lambda: None)


def test_the_first_call_and_its_wait_are_the_time_of_compiling(monkeypatch):
    ticks = iter([10.0, 13.5])
    monkeypatch.setattr(variants_module.time, "perf_counter", lambda: next(ticks))
    calls = []
    found = compile_now(lambda: calls.append("call"), lambda: calls.append("wait"))
    assert found == Loaded(compile_s=3.5, graph_breaks=0)
    assert calls == ["call", "wait"]


class InPieces(nn.Module):
    """What torch.compile cannot take in one piece."""

    def forward(self, x):
        if x.sum().item() > 0:  # the sum has to be known before the code can go on
            return x + 1
        return x - 1


def test_what_was_compiled_in_pieces_says_in_how_many(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # no compiler is needed for that
    whole, pieces = compiled(nn.ReLU()), compiled(InPieces())
    assert compile_now(lambda: whole(X), lambda: None).graph_breaks == 0
    assert compile_now(lambda: pieces(X), lambda: None).graph_breaks == 1


class Untouched(nn.Module):
    @torch.compiler.disable
    def forward(self, x):
        return x + 1


@pytest.mark.parametrize("module", [Untouched(), nn.LSTM(7, 3)], ids=["disabled", "LSTM"])
def test_what_torch_leaves_as_it_is_is_not_called_compiled(module, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    one = compiled(module)
    with pytest.raises(CannotRun, match="leaves all of it as it is"):
        compile_now(lambda: one(X), lambda: None)


def test_what_was_compiled_before_is_not_called_uncompiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    for module in (nn.Hardswish(), nn.Hardswish()):
        one = compiled(module)
        assert compile_now(lambda one=one: one(X), lambda: None).graph_breaks == 0


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

    aside = Stream()

    def capturing(_graph, *, stream):
        assert stream is aside  # on another one cuBLAS would keep workspaces of its own
        return entered("capture")

    cuda = SimpleNamespace(
        CUDAGraph=Graph, Stream=Stream, current_stream=Stream, OutOfMemoryError=torch.cuda.OutOfMemoryError,
        stream=lambda stream: entered("aside") if stream is aside else None, graph=capturing,
    )  # fmt: skip
    monkeypatch.setattr(variants_module.torch, "cuda", cuda)
    monkeypatch.setattr(variants_module, "capture_stream", lambda: aside)
    return log


def test_a_graph_is_warmed_up_aside_captured_once_and_replayed(monkeypatch):
    log = fake_graphs(monkeypatch)
    replay = captured(lambda: log.append("step") or "output")
    assert log == ["wait", "aside", "step", "step", "step", "wait", "capture", "step"]
    assert (replay(), replay()) == ("output", "output")
    assert log[-2:] == ["replay", "replay"]


def test_what_cannot_be_captured_says_why(monkeypatch):
    fake_graphs(monkeypatch, fails=True)
    with pytest.raises(CaptureFailed, match="cannot be captured as a CUDA graph: operation not permitted"):
        captured(lambda: None)


def test_a_graphs_output_keeps_nothing_alive_of_how_it_was_computed(monkeypatch):
    fake_graphs(monkeypatch)
    weight = torch.ones(3, requires_grad=True)
    outputs = captured(lambda: {"answers": [weight * 2.0], "mode": "train"})()
    (answer,) = outputs["answers"]
    assert (answer.grad_fn, outputs["mode"]) == (None, "train")
    assert torch.equal(answer, torch.full((3,), 2.0))


def test_what_already_fails_without_a_capture_keeps_its_own_error(monkeypatch):
    fake_graphs(monkeypatch)

    def refused():
        raise RuntimeError("No available kernel. Aborting execution.")

    with pytest.raises(RuntimeError, match="No available kernel") as error:
        captured(refused)
    assert is_refusal(error.value)


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


class RarelyRenewed:
    """A board that draws 500 W, whose counter is renewed ten times a second only."""

    def __init__(self):
        self.now_s = 0.034  # since it was renewed

    def nvmlDeviceGetTotalEnergyConsumption(self, _handle):  # noqa: N802 - NVML's name
        return 500_000 * int(self.now_s / 0.1) // 10


def test_energy_is_read_when_the_counter_was_just_renewed():
    board = RarelyRenewed()

    def run(calls):
        board.now_s += calls * 1e-3

    found = joules_per_call(board_meter("board 0", board), run, 550)
    assert found == pytest.approx(0.5, rel=0.03)  # 500 W for 1 ms; between two blind readings of 550 ms: 0.45 or 0.55
    assert board.now_s < 3 * 0.55


def test_a_counter_that_stands_still_is_not_waited_for_for_ever():
    board = SimpleNamespace(nvmlDeviceGetTotalEnergyConsumption=lambda _: 7)
    made = []
    assert joules_per_call(board_meter("board 0", board), made.append, 100) == 0
    assert sum(made) == 100 + 200


def test_a_gpus_conditions_are_those_that_it_tells(monkeypatch):
    monkeypatch.setattr(conditions_module, "nvml_handle", lambda _: ("board 0", FakeNvml()))
    told = Conditions(clock_hz=1.98e9, temperature_c=None, throttled=42)
    assert conditions_of("cuda:0") == told
    monkeypatch.setattr(conditions_module, "nvml_handle", lambda _: None)
    assert conditions_of("cuda:0") == Conditions()


def test_a_processor_counts_how_often_its_cores_slowed_themselves(tmp_path):
    assert cpu_conditions(tmp_path).throttled is None
    for core, count in enumerate((3, 4)):
        folder = tmp_path / f"cpu{core}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    assert cpu_conditions(tmp_path).throttled == 7


def test_variables_that_change_a_figure_are_told_without_their_folders():
    told = settings_of({
        "OMP_NUM_THREADS": "3", "GLIBC_TUNABLES": "glibc.malloc.mmap_max=0", "MALLOC_ARENA_MAX": "2",
        "LD_PRELOAD": "/home/me/a.so /opt/libjemalloc.so", "HOME": "/home/me", "PATH": "/bin",
    })  # fmt: skip
    assert told == (
        "GLIBC_TUNABLES=glibc.malloc.mmap_max=0",
        "LD_PRELOAD=a.so libjemalloc.so",
        "MALLOC_ARENA_MAX=2",
        "OMP_NUM_THREADS=3",
    )


class Remembers(nn.Module):
    """Keeps what it was given: all of it, or the last."""

    def __init__(self, *, everything):
        super().__init__()
        self.everything, self.seen = everything, []

    def forward(self, x):
        self.seen = [*self.seen, x.clone()] if self.everything else [x.clone()]
        return x


@pytest.mark.parametrize("everything", [True, False])
def test_a_cache_that_grows_with_every_call_is_said(everything):
    module = Remembers(everything=everything)
    subject = SimpleNamespace(module=module, step=partial(module, torch.ones(256)))
    detail = kept(SimpleNamespace(subject=subject)).observed.detail
    assert ("1.00 KiB more" in detail) == everything
