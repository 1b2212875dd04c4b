"""A real measuring process: killed, hanging, talking nonsense, out of memory; and what it measures."""

import os
import shutil
import signal
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import torch
from msgspec.structs import replace
from torch import nn

from kaoprof.bench import workbench as bench_module
from kaoprof.bench.meters import CpuMeters
from kaoprof.bench.workbench import Bench
from kaoprof.bench.worker import answer
from kaoprof.catalog import operator_workload
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.measuring import child as child_module
from kaoprof.measuring.child import Child, ChildLost, SubjectFailed
from kaoprof.measuring.messages import (
    Failed,
    Figure,
    Load,
    Look,
    Peak,
    Prepare,
    ReadConditions,
    ReadFree,
    Reply,
    Time,
    TimeCopies,
    TimeLaunch,
    TimeProduct,
    Took,
    Weigh,
)  # fmt: skip
from kaoprof.workload.workload import TensorSpec, Workload


@pytest.fixture(scope="module")
def child():
    running = Child()
    running.ask(Prepare(device="cpu", threads=1), timeout_s=120)
    yield running
    running.kill()


@pytest.fixture
def fresh_child():
    running = Child()
    running.ask(Prepare(device="cpu", threads=1), timeout_s=120)
    yield running
    running.kill()


WORKLOAD = operator_workload(
    "kao_qkv", Dims(b=2, c=8, spatial=(9, 13)), AttentionOptions(), dtype="fp32", mode="forward", seed=0
)


def test_it_describes_its_environment(child):
    environment = child.ask(Prepare(device="cpu", threads=1), timeout_s=60).environment
    assert environment.torch == torch.__version__
    assert environment.threads == 1
    assert environment.memory_bytes > 2**28
    assert environment.device_name


def test_an_error_whose_text_is_no_unicode_is_an_answer():
    def fail(_number):
        raise ValueError("half a character: \ud800")

    bench = SimpleNamespace(subject=fail, status_of=lambda _: "error", explain=str)
    bench.failed = partial(Bench.failed, bench)
    line = msgspec.json.encode(Reply(number=7, answer=answer(bench, Time(subject=1))))
    reply = msgspec.json.decode(line, type=Reply)
    assert reply == Reply(number=7, answer=Failed(status="error", detail="half a character: \\ud800"))


def test_it_measures_memory_and_time(child):
    child.ask(Load(subject=1, workload=WORKLOAD), timeout_s=60)
    peak = child.ask(Weigh(subject=1), timeout_s=60)
    output_bytes = 2 * 8 * 9 * 13 * 4
    assert output_bytes <= peak.allocated < 4 * output_bytes
    told = child.ask(Time(subject=1, calls=3, warm_calls=1), timeout_s=60)
    assert 0 < told.seconds < 10
    assert told.page_faults >= 0
    assert 0 <= told.system_share <= 1
    assert child.ask(ReadFree(), timeout_s=60).value > 2**20
    assert child.ask(TimeProduct(dtype="fp32"), timeout_s=60).value > 1e6


def test_an_error_in_a_module_is_an_answer(child):
    broken = Workload(factory="torch.nn:Linear", args=(3, 4), inputs=(TensorSpec(shape=(2, 5), dtype="fp32"),))
    child.ask(Load(subject=2, workload=broken), timeout_s=60)
    with pytest.raises(SubjectFailed, match="mat1 and mat2 shapes cannot be multiplied") as failure:
        child.ask(Time(subject=2), timeout_s=60)
    assert failure.value.status == "error"


def test_memory_that_is_not_there_is_an_oom(child):
    huge = Workload(factory="torch.nn:Identity", inputs=(TensorSpec(shape=(2**22, 2**22), dtype="fp32"),))
    with pytest.raises(SubjectFailed) as failure:
        child.ask(Load(subject=3, workload=huge), timeout_s=60)
    assert failure.value.status == "oom"


def test_denormals_are_found_and_flushed_again(child):
    peaked = operator_workload(
        "nonlocal",
        Dims(b=2, c=64, spatial=(14, 14)),
        AttentionOptions(scale="none"),
        dtype="fp32",
        mode="forward",
        seed=0,
    )
    child.ask(Load(subject=4, workload=peaked), timeout_s=60)
    seen = child.ask(Look(quantity="denormals", subject=4), timeout_s=60)
    assert 0.001 < seen.observed.denormal_fraction < 0.5


@pytest.mark.slow
def test_a_killed_child_is_recognised(fresh_child):
    os.kill(fresh_child.pid, signal.SIGKILL)
    fresh_child.process.wait(60)  # until then it might still answer
    with pytest.raises(ChildLost, match="killed by SIGKILL") as loss:
        fresh_child.ask(ReadFree(), timeout_s=60)
    assert loss.value.status == "error"


@pytest.mark.slow
def test_a_child_killed_while_it_works_is_recognised(fresh_child):
    slow = operator_workload(
        "nonlocal", Dims(b=1, c=16, spatial=(64, 64)), AttentionOptions(), dtype="fp32", mode="forward", seed=0
    )
    fresh_child.ask(Load(subject=1, workload=slow), timeout_s=60)
    threading.Timer(0.3, os.kill, (fresh_child.pid, signal.SIGKILL)).start()
    with pytest.raises(ChildLost, match="SIGKILL"):
        fresh_child.ask(Time(subject=1, calls=10_000), timeout_s=60)


@pytest.mark.slow
def test_a_child_that_takes_too_long_is_stopped(fresh_child):
    fresh_child.ask(Load(subject=1, workload=WORKLOAD), timeout_s=60)
    with pytest.raises(ChildLost) as loss:
        fresh_child.ask(Time(subject=1, calls=10**7), timeout_s=0.3)
    assert loss.value.status == "timeout"
    assert fresh_child.process.poll() is not None


def test_a_child_that_ends_by_itself_leaves_its_last_words(monkeypatch):
    monkeypatch.setattr(child_module.sys, "executable", "/bin/false")
    dead = Child()
    with pytest.raises(ChildLost, match="ended with code 1"):
        dead.ask(ReadFree(), timeout_s=10)
    dead.kill()


def test_a_child_that_talks_nonsense_is_stopped(monkeypatch):
    monkeypatch.setattr(child_module.sys, "executable", "/bin/echo")  # answers with its own arguments
    babbler = Child()
    with pytest.raises(ChildLost, match=r"nonsense|ended"):
        babbler.ask(ReadFree(), timeout_s=10)
    babbler.kill()


@pytest.mark.slow
def test_a_child_does_not_outlive_a_closed_pipe(fresh_child):
    fresh_child.process.stdin.close()
    assert fresh_child.process.wait() == 0  # however busy the machine is


def test_the_allocators_events_see_buffers_inside_kernels():
    grad, output = torch.randn(64, 32).T, torch.randn(32, 64).softmax(-1)
    peak = CpuMeters().peak(lambda: torch._softmax_backward_data(grad, output, -1, torch.float32))
    assert peak["allocated"] == 2 * grad.nbytes  # the result, and a contiguous copy that no tensor shows


def attention(implementation, **changes):
    options = AttentionOptions(implementation=implementation)
    told = {"dtype": "fp32", "mode": "forward", "seed": 0} | changes
    return operator_workload("kao_kv", Dims(b=2, c=8, spatial=(5, 7)), options, **told)


@pytest.mark.slow
def test_a_forced_backend_that_cannot_serve_is_unsupported_and_others_are_not_touched(fresh_child):
    fresh_child.ask(Prepare(device="cpu", threads=1, sdpa="efficient"), timeout_s=60)
    fresh_child.ask(Load(subject=1, workload=attention("sdpa")), timeout_s=60)
    with pytest.raises(SubjectFailed, match="the attention backend 'efficient' cannot serve this on cpu") as failure:
        fresh_child.ask(Time(subject=1), timeout_s=60)
    assert failure.value.status == "unsupported"
    fresh_child.ask(Load(subject=2, workload=attention("matmul")), timeout_s=60)
    assert fresh_child.ask(Time(subject=2), timeout_s=60).seconds > 0


@pytest.mark.slow
def test_it_traces_compares_and_reads_the_device(child):
    child.ask(Load(subject=5, workload=attention("sdpa")), timeout_s=60)
    traced = child.ask(Look(quantity="traffic", subject=5), timeout_s=60)
    assert traced.observed.backend == "flash"
    assert traced.observed.traffic.moved_bytes > 2 * (2 * 8 * 5 * 7) * 4  # at least its input and output
    assert 0 < traced.observed.traffic.launch_s < 1
    assert 0 < child.ask(Look(quantity="deviation", subject=5), timeout_s=60).observed.deviation.largest < 1e-5
    joules = child.ask(Look(quantity="energy", subject=5, calls=2), timeout_s=60).observed.energy_j
    assert joules is None or joules >= 0
    assert child.ask(ReadConditions(), timeout_s=60).conditions.cores_taken is None  # the parent adds it
    assert 0 < child.ask(TimeLaunch(), timeout_s=60).value < 1
    copies = child.ask(TimeCopies(), timeout_s=120).copies
    assert [copy.moved_bytes for copy in copies] == sorted(copy.moved_bytes for copy in copies)
    assert all(copy.seconds > 0 for copy in copies)


def test_a_sample_alone_stands_for_its_batch(child):
    work = operator_workload("nonlocal", Dims(b=6, c=8, spatial=(13, 9)), AttentionOptions(), dtype="fp32",
                             mode="forward", seed=0)  # fmt: skip
    child.ask(Load(subject=8, workload=work), timeout_s=60)
    looks = [Look(quantity="traffic", subject=8, alone=alone) for alone in (False, True)]
    whole, alone = (child.ask(look, timeout_s=60).observed.traffic for look in looks)
    assert whole.operations == alone.operations
    assert whole.moved_bytes <= alone.moved_bytes < 1.01 * whole.moved_bytes  # weights are counted six times


def test_a_deviation_that_cannot_be_computed_is_no_failure(child):
    broken = Workload(factory="torch.nn:Linear", args=(3, 4), inputs=(TensorSpec(shape=(2, 5), dtype="fp32"),))
    child.ask(Load(subject=6, workload=broken), timeout_s=60)
    told = child.ask(Look(quantity="deviation", subject=6), timeout_s=60).observed.deviation
    assert told.largest is None
    assert told.not_compared.startswith("it fails: mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize(
    ("name", "why"), [("Changes", "it changes its input"), ("Nothing", "no single tensor of real numbers")]
)
def test_what_changes_its_input_or_finds_nothing_has_no_deviation(child, name, why):
    here = str(Path(__file__).parent.parent)
    child.ask(Prepare(device="cpu", threads=1, paths=(here,)), timeout_s=60)
    work = Workload(factory=f"somebodys:{name}", inputs=(TensorSpec(shape=(2, 5), dtype="fp32"),))
    child.ask(Load(subject=9, workload=work), timeout_s=60)
    assert child.ask(Look(quantity="deviation", subject=9), timeout_s=60).observed.deviation.not_compared == why


def loaded_from_here(child, name):
    child.ask(Prepare(device="cpu", threads=1, paths=(str(Path(__file__).parent.parent),)), timeout_s=60)
    work = Workload(factory=f"somebodys:{name}", inputs=(TensorSpec(shape=(2, 5), dtype="fp32"),))
    child.ask(Load(subject=9, workload=work), timeout_s=60)


def test_a_copy_of_the_process_that_a_module_forks_answers_nothing(child):
    loaded_from_here(child, "Forks")
    for _ in range(3):
        assert isinstance(child.ask(Time(subject=9, calls=2), timeout_s=60), Took)
        assert isinstance(child.ask(ReadFree(), timeout_s=60), Figure)
        assert isinstance(child.ask(Weigh(subject=9), timeout_s=60), Peak)


def test_an_answer_to_another_question_is_not_taken_for_this_ones(fresh_child):
    loaded_from_here(fresh_child, "Answers")
    with pytest.raises(ChildLost, match=r"answered Took 99 to Time 4: code that it ran writes into its pipe"):
        fresh_child.ask(Time(subject=9), timeout_s=60)
    assert fresh_child.process.poll() is not None


@pytest.mark.slow
def test_it_runs_on_the_cores_that_it_is_told(fresh_child):
    one = min(os.sched_getaffinity(0))
    environment = fresh_child.ask(Prepare(device="cpu", threads=1, affinity=(one,)), timeout_s=60).environment
    assert (environment.affinity, environment.cores) == ((one,), 1)


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="needs a C++ compiler")
@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_a_compiled_subject_says_how_long_that_took_and_computes_the_same(child):
    told = child.ask(Load(subject=7, workload=attention("matmul"), variant="compile"), timeout_s=300)
    assert told.compile_s > 0
    assert told.graph_breaks == 0
    assert child.ask(Time(subject=7, calls=2), timeout_s=60).seconds > 0
    assert child.ask(Look(quantity="deviation", subject=7), timeout_s=60).observed.deviation.largest < 1e-5


@pytest.mark.slow
def test_without_a_compiler_the_compiled_subject_is_unsupported(monkeypatch):
    monkeypatch.setenv("CXX", "/nonexistent")
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    running = Child()
    try:
        running.ask(Prepare(device="cpu", threads=1), timeout_s=120)
        with pytest.raises(SubjectFailed, match=r"^cannot be compiled: ") as failure:
            running.ask(Load(subject=1, workload=attention("matmul"), variant="compile"), timeout_s=300)
        assert failure.value.status == "unsupported"
        running.ask(Load(subject=1, workload=attention("matmul")), timeout_s=60)
        assert running.ask(Time(subject=1), timeout_s=60).seconds > 0
    finally:
        running.kill()


def test_the_name_of_a_signal_is_known_or_its_number():
    assert child_module._signal_name(signal.SIGKILL) == "SIGKILL"
    assert child_module._signal_name(signal.SIGRTMIN + 6) == f"signal {signal.SIGRTMIN + 6}"


def test_what_code_sets_for_the_whole_process_is_undone_before_the_next_call():
    bench = bench_module.Bench()
    neighbour = bench.subjects[0] = SimpleNamespace(workload=WORKLOAD, flags=bench.flags)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 3)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        assert bench.subject(0) is neighbour
        assert torch.get_num_threads() == threads
        assert torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float32
    finally:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        torch.set_flush_denormal(False)  # which the bench sets for its own process


MEDDLING = {
    "in place": lambda x: x.zero_(),
    "behind torch's back": lambda x: x.data.add_(1),
    "in numpy": lambda x: x.numpy().fill(2),
    "in another order": lambda x: x.data.copy_(x.flip(0)),
    "in its shape": lambda x: x.unsqueeze_(0),
    "in its dtype": lambda x: setattr(x, "data", torch.zeros(1, dtype=torch.float64)),
    "in its memory": lambda x: x.untyped_storage().resize_(0),
    "in its gradient": lambda x: x.requires_grad_().sum().backward(),
}  # what somebody's code does to an input that it was given


@pytest.mark.parametrize("how", MEDDLING)
@pytest.mark.parametrize("sizes", [(2, 3, 5), (2, 40, 41)])
def test_inputs_that_a_neighbour_changed_are_what_they_were(how, sizes):
    workload = replace(WORKLOAD, inputs=(TensorSpec(shape=sizes, dtype="fp32"),))
    bench = Bench()
    (mine,), (neighbours,) = (bench.inputs_for(number, workload).lend() for number in (1, 2))
    values, places = mine.clone(), mine.data_ptr()
    assert neighbours.data_ptr() == places
    MEDDLING[how](neighbours)
    bench.inputs_for(1, workload)
    assert torch.equal(mine, values)
    assert (mine.requires_grad, mine.grad) == (False, None)
    if how != "in its memory":
        assert mine.data_ptr() == places  # what was compiled or captured reads it there


class Zeroes(nn.Module):
    def forward(self, x):
        return x.zero_()


class Shows(nn.Module):
    def forward(self, x):
        return x.clone()


def test_a_module_that_zeroes_its_input_takes_nothing_from_its_neighbour():
    bench = Bench()
    for number, kind in enumerate((Shows, Zeroes)):
        bench.load(
            Load(subject=number, workload=replace(WORKLOAD, factory=f"{__name__}:{kind.__name__}", args=(), kwargs={}))
        )
    shown = bench.subject(0).step()
    assert bench.subject(1).step().count_nonzero() == 0
    assert torch.equal(bench.subject(0).step(), shown)
    assert shown.count_nonzero() == shown.numel()


def test_what_a_subject_makes_of_its_own_inputs_is_undone_between_requests_as_well():
    bench = Bench()
    (x,) = bench.inputs_for(1, WORKLOAD).lend()
    values = x.clone()
    x.add_(1)
    assert torch.equal(bench.inputs_for(1, WORKLOAD).lend()[0], values)
    assert torch.equal(x, values)
