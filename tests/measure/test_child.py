"""A real measuring process: killed, hanging, talking nonsense, out of memory; and what it measures."""

import os
import signal
import threading
import time

import pytest
import torch

from kaoprof.build import TensorSpec, Workload, operator_workload
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.measure import child as child_module
from kaoprof.measure.child import Child, ChildLost, SubjectFailed
from kaoprof.measure.messages import Request
from kaoprof.measure.meters import CpuMeters


@pytest.fixture(scope="module")
def child():
    running = Child()
    running.ask(Request(do="prepare", device="cpu", threads=1), timeout_s=120)
    yield running
    running.kill()


@pytest.fixture
def fresh_child():
    running = Child()
    running.ask(Request(do="prepare", device="cpu", threads=1), timeout_s=120)
    yield running
    running.kill()


WORKLOAD = operator_workload(
    "kao_qkv", Dims(b=2, c=8, spatial=(9, 13)), AttentionOptions(), dtype="fp32", mode="forward", seed=0
)


def test_it_describes_its_environment(child):
    environment = child.ask(Request(do="prepare", device="cpu", threads=1), timeout_s=60)
    assert environment["torch"] == torch.__version__
    assert environment["threads"] == 1
    assert environment["memory_bytes"] > 2**28
    assert environment["device_name"]


def test_it_measures_memory_and_time(child):
    child.ask(Request(do="load", subject=1, workload=WORKLOAD), timeout_s=60)
    peak = child.ask(Request(do="peak", subject=1), timeout_s=60)
    output_bytes = 2 * 8 * 9 * 13 * 4
    assert output_bytes <= peak["allocated"] < 4 * output_bytes
    assert 0 < child.ask(Request(do="time", subject=1, calls=3, warm_calls=1), timeout_s=60) < 10
    assert child.ask(Request(do="free"), timeout_s=60) > 2**20
    assert child.ask(Request(do="throughput", dtype="fp32"), timeout_s=60) > 1e6


def test_an_error_in_a_module_is_an_answer(child):
    broken = Workload(factory="torch.nn:Linear", args=(3, 4), inputs=(TensorSpec(shape=(2, 5), dtype="fp32"),))
    child.ask(Request(do="load", subject=2, workload=broken), timeout_s=60)
    with pytest.raises(SubjectFailed, match="mat1 and mat2 shapes cannot be multiplied") as failure:
        child.ask(Request(do="time", subject=2), timeout_s=60)
    assert failure.value.status == "error"


def test_memory_that_is_not_there_is_an_oom(child):
    huge = Workload(factory="torch.nn:Identity", inputs=(TensorSpec(shape=(2**22, 2**22), dtype="fp32"),))
    with pytest.raises(SubjectFailed) as failure:
        child.ask(Request(do="load", subject=3, workload=huge), timeout_s=60)
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
    child.ask(Request(do="load", subject=4, workload=peaked), timeout_s=60)
    assert 0.001 < child.ask(Request(do="denormals", subject=4), timeout_s=60) < 0.5


def test_a_killed_child_is_recognised(fresh_child):
    os.kill(fresh_child.pid, signal.SIGKILL)
    with pytest.raises(ChildLost, match="killed by SIGKILL") as loss:
        fresh_child.ask(Request(do="free"), timeout_s=60)
    assert loss.value.status == "error"


def test_a_child_killed_while_it_works_is_recognised(fresh_child):
    slow = operator_workload(
        "nonlocal", Dims(b=1, c=16, spatial=(64, 64)), AttentionOptions(), dtype="fp32", mode="forward", seed=0
    )
    fresh_child.ask(Request(do="load", subject=1, workload=slow), timeout_s=60)
    threading.Timer(0.3, os.kill, (fresh_child.pid, signal.SIGKILL)).start()
    with pytest.raises(ChildLost, match="SIGKILL"):
        fresh_child.ask(Request(do="time", subject=1, calls=10_000), timeout_s=60)


def test_a_child_that_takes_too_long_is_stopped(fresh_child):
    fresh_child.ask(Request(do="load", subject=1, workload=WORKLOAD), timeout_s=60)
    with pytest.raises(ChildLost) as loss:
        fresh_child.ask(Request(do="time", subject=1, calls=10**7), timeout_s=0.3)
    assert loss.value.status == "timeout"
    assert fresh_child.process.poll() is not None


def test_a_child_that_ends_by_itself_leaves_its_last_words(monkeypatch):
    monkeypatch.setattr(child_module.sys, "executable", "/bin/false")
    dead = Child()
    with pytest.raises(ChildLost, match="ended with code 1"):
        dead.ask(Request(do="free"), timeout_s=10)
    dead.kill()


def test_a_child_that_talks_nonsense_is_stopped(monkeypatch):
    monkeypatch.setattr(child_module.sys, "executable", "/bin/echo")  # answers with its own arguments
    babbler = Child()
    with pytest.raises(ChildLost, match=r"nonsense|ended"):
        babbler.ask(Request(do="free"), timeout_s=10)
    babbler.kill()


def test_a_child_does_not_outlive_a_closed_pipe(fresh_child):
    fresh_child.process.stdin.close()
    deadline = time.monotonic() + 20
    while fresh_child.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert fresh_child.process.poll() == 0


def test_the_allocators_events_see_buffers_inside_kernels():
    grad, output = torch.randn(64, 32).T, torch.randn(32, 64).softmax(-1)
    peak = CpuMeters().peak(lambda: torch._softmax_backward_data(grad, output, -1, torch.float32))
    assert peak["allocated"] == 2 * grad.nbytes  # the result, and a contiguous copy that no tensor shows
