"""Who is measured when, and what happens when a child dies: with a child and a clock that do as they are told."""

import sys

import pytest
from msgspec.structs import replace
from samples import measured_record

from kaoprof.errors import MeasurementError
from kaoprof.measuring.calibration import MIN_SAMPLE_S
from kaoprof.measuring.child import ChildLost, SubjectFailed
from kaoprof.measuring.crew import PROCESSES
from kaoprof.measuring.messages import (
    Clear,
    Cleared,
    CopyTimes,
    DeviceConditions,
    Figure,
    Load,
    Loaded,
    Look,
    Peak,
    Prepare,
    Prepared,
    ReadConditions,
    ReadFree,
    Seen,
    Time,
    TimeCopies,
    TimeLaunch,
    TimeProduct,
    Took,
    Weigh,
)  # fmt: skip
from kaoprof.measuring.other_load import Neighbours
from kaoprof.measuring.plan import MIN_ROUNDS, SLOW_ROUNDS, Subject
from kaoprof.measuring.session import Session, measure
from kaoprof.records.measured import Conditions, Copy, Deviation, Observed, Traffic
from kaoprof.records.options import Options
from kaoprof.stats.timings import quiet_time
from kaoprof.workload.workload import TensorSpec, Workload

GIB = 2**30
FIRST = 1  # the process that does all that is no sample: on a CPU it takes none
SAMPLING = set(range(FIRST + 1, FIRST + PROCESSES + 1))  # the numbers of those that do


HERE = measured_record().environment
CONDITIONS = Conditions(clock_hz=2e9, temperature_c=50.0, throttled=3)
TRAFFIC = Traffic(operations=7, moved_bytes=100)
DEVIATION = Deviation(largest=1e-7, rms=1e-8)
SEEN = {
    "denormals": Observed(denormal_fraction=0.0),
    "traffic": Observed(traffic=TRAFFIC, backend="flash"),
    "deviation": Observed(deviation=DEVIATION),
    "energy": Observed(energy_j=0.25),
}
ANSWERS = {
    Prepare: Prepared(environment=HERE),
    ReadFree: Figure(value=10 * GIB),
    TimeProduct: Figure(value=100e9),
    TimeCopies: CopyTimes(copies=(Copy(moved_bytes=2**17, seconds=1e-6),)),
    TimeLaunch: Figure(value=1e-6),
    ReadConditions: DeviceConditions(conditions=CONDITIONS),
    Load: Loaded(),
    Clear: Cleared(),
}
SYSTEM_WORK = {"page_faults": 12.5, "system_share": 0.25}


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeChild:
    """Takes as long as `seconds[key]` says for a call; `script` may raise at a given request."""

    def __init__(self, clock, seconds, script=None, noise=lambda: 1.0):
        self.clock, self.seconds, self.script, self.noise = clock, seconds, script or (lambda _: None), noise
        self.asked, self.killed = [], False

    def ask(self, request, *, timeout_s):
        self.asked.append(request)
        self.script(request)
        if isinstance(request, Time):
            call_s = self.seconds[request.subject] * self.noise()
            self.clock.now += call_s * (request.calls + request.warm_calls)
            if call_s * request.calls > timeout_s:
                raise ChildLost("timeout", "too slow")
            return Took(seconds=call_s, **SYSTEM_WORK)
        if isinstance(request, Weigh):
            self.clock.now += self.seconds[request.subject]
            return Peak(allocated=100 + request.subject)
        return Seen(observed=SEEN[request.quantity]) if isinstance(request, Look) else ANSWERS[type(request)]

    def kill(self):
        self.killed = True


def subject(key, *, predicted_bytes=GIB, floor_flops=1, dtype="fp32", variant="eager"):
    inputs = (TensorSpec(shape=(1, 2, 3), dtype=dtype),)
    return Subject(key=key, label=f"op{key}", workload=Workload(factory="a:b", inputs=inputs), resident_bytes=0,
                   predicted_bytes=predicted_bytes, floor_flops=floor_flops, variant=variant)  # fmt: skip


def run(subjects, seconds, *, script=None, children=None, noise=lambda: 1.0, store=None, found=None, **plan):
    clock = FakeClock()
    settings = {"device": "cpu", "threads": None, "budget_s": 10.0, "samples": None, "timeout_s": 60.0,
                "memory_fraction": 0.8, "force_run": False, "seed": 0} | plan  # fmt: skip
    born = []

    def open_child():
        born.append(FakeChild(clock, seconds, script, noise))
        return born[-1]

    session = Session(Options(**settings), open_child, lambda _: None, clock, store=store)
    if found is not None:
        found["session"] = session
    measure(session, [subjects])
    if children is not None:
        children.extend(born)
    return session


def test_every_round_holds_every_subject_in_an_order_that_changes():
    children = []
    session = run([subject(key) for key in range(3)], {0: 0.1, 1: 0.1, 2: 0.1}, children=children, budget_s=5.0)
    rounds = [measurement.rounds for measurement in session.measurements.values()]
    assert rounds[0] == rounds[1] == rounds[2] == list(range(len(rounds[0])))
    orders = set()
    for child in children[1:]:  # the first one takes no samples, and the others warm up by a call of each
        samples = [request.subject for request in child.asked if isinstance(request, Time)][3:]
        orders |= {tuple(samples[start : start + 3]) for start in range(0, len(samples), 3)}
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert len(orders) > 1


@pytest.mark.parametrize("told", [True, False])
def test_what_the_system_did_stands_beside_every_sample(monkeypatch, told):
    if not told:
        monkeypatch.setattr(sys.modules[__name__], "SYSTEM_WORK", {})
    latency = run([subject(0)], {0: 0.1}, budget_s=2.0).measurements[0].latency
    samples = len(latency.samples_s)
    assert latency.page_faults == (12.5,) * samples * told
    assert latency.system_shares == (0.25,) * samples * told


def test_the_budget_is_kept_when_it_allows_enough_rounds():
    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.05}, budget_s=8.0)
    loading_s, round_s = PROCESSES * 0.15, 0.15  # a call of each where samples are taken; the last round
    assert 8.0 <= session.clock.now < 8.0 + loading_s + round_s
    assert len(session.measurements[0].samples_s) > MIN_ROUNDS


def test_ten_rounds_are_taken_even_when_the_budget_is_spent():
    session = run([subject(0), subject(1)], {0: 0.4, 1: 0.1}, budget_s=1.0)
    assert len(session.measurements[0].samples_s) == len(session.measurements[1].samples_s) == MIN_ROUNDS


def test_a_subject_slower_than_its_share_leaves_after_a_few_rounds_and_the_others_stay():
    session = run([subject(0), subject(1)], {0: 3.0, 1: 0.01}, budget_s=4.0 + 2.0)
    assert len(session.measurements[1].samples_s) >= MIN_ROUNDS
    session = run([subject(0), subject(1)], {0: 3.1, 1: 0.01}, budget_s=6.0)
    assert len(session.measurements[0].samples_s) <= SLOW_ROUNDS
    assert len(session.measurements[1].samples_s) >= MIN_ROUNDS


def test_a_subject_slower_than_the_whole_budget_is_not_called_again():
    children = []
    session = run([subject(0), subject(1)], {0: 20.0, 1: 0.01}, budget_s=10.0, children=children)
    assert session.measurements[0].samples_s == [20.0]
    assert sum(isinstance(request, Time) and request.subject == 0 for request in children[0].asked) == 1


def test_a_fixed_number_of_samples_overrides_the_budget():
    session = run([subject(0), subject(1)], {0: 3.0, 1: 0.01}, budget_s=1.0, samples=4)
    assert [len(session.measurements[key].samples_s) for key in (0, 1)] == [4, 4]


def test_fast_subjects_are_called_in_blocks_that_are_long_enough_and_warmed_up():
    children = []
    session = run([subject(0)], {0: 1e-4}, budget_s=1.0, children=children)
    blocks = [request for request in children[0].asked if isinstance(request, Time)][-5:]
    assert all(block.calls * 1e-4 >= MIN_SAMPLE_S and block.warm_calls == 1 for block in blocks)
    assert session.measurements[0].samples_s[0] == pytest.approx(1e-4)


def test_what_is_predicted_not_to_fit_is_skipped_with_the_numbers():
    session = run([subject(0, predicted_bytes=9 * GIB), subject(1)], {0: 0.1, 1: 0.1})
    refused = session.measurements[0]
    assert refused.status == "skipped"
    assert "needs 9.00 GiB, allowed 8.00 GiB (80 % of 10.0 GiB free)" in refused.detail
    assert session.measurements[1].status == "ok"


def test_what_is_predicted_too_slow_is_skipped_with_its_floor():
    session = run([subject(0, floor_flops=int(100e9 * 90))], {0: 0.1})
    assert session.measurements[0].status == "skipped"
    assert "at least 90.0 s at this device's 100 GFLOP/s" in session.measurements[0].detail


def test_force_run_tries_anyway():
    session = run([subject(0, predicted_bytes=9 * GIB)], {0: 0.1}, force_run=True)
    assert session.measurements[0].status == "ok"


@pytest.mark.parametrize("when", ["load", "peak", "time"])
def test_a_dead_child_is_one_row_and_the_others_are_measured_by_a_new_child(when):
    children = []

    def script(request):
        if request.what == when and request.subject == 1:
            raise ChildLost("error", "the measuring process was killed by SIGKILL")

    calls = dict.fromkeys(range(3), 0.1)
    session = run([subject(key) for key in range(3)], calls, script=script, children=children, budget_s=5.0)
    assert session.measurements[1].status == "error"
    assert f"killed by SIGKILL during '{when}'" in session.measurements[1].detail
    for key in (0, 2):
        assert session.measurements[key].status == "ok"
        assert len(session.measurements[key].samples_s) >= MIN_ROUNDS
    assert len(children) == FIRST + PROCESSES + 1
    assert all(child.killed for child in children)


def test_a_child_that_dies_in_the_middle_of_the_rounds_keeps_what_was_measured():
    deaths = iter([True])

    def script(request):
        asked = [r for r in children_seen if isinstance(r, Time) and r.subject == 1]
        children_seen.append(request)
        if isinstance(request, Time) and request.subject == 1 and len(asked) == 7 and next(deaths, False):
            raise ChildLost("error", "killed")

    children_seen = []
    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.1}, script=script)
    assert session.measurements[1].status == "error"
    assert len(session.measurements[1].samples_s) == 2  # seven calls, of which five warmed it up
    assert session.measurements[0].status == "ok"
    assert session.measurements[0].rounds == sorted(set(session.measurements[0].rounds))


def test_out_of_memory_is_a_status_and_the_child_lives_on():
    children = []

    def script(request):
        if isinstance(request, Weigh) and request.subject == 0:
            raise SubjectFailed("oom", "cannot allocate")

    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.1}, script=script, children=children, budget_s=5.0)
    assert (session.measurements[0].status, session.measurements[0].detail) == ("oom", "cannot allocate")
    assert session.measurements[1].status == "ok"
    assert len(children) == FIRST + PROCESSES


def test_the_rounds_are_shared_by_several_processes_where_there_is_time():
    children = []
    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.01}, budget_s=12.0, children=children)
    assert len(children) == FIRST + PROCESSES
    assert all(child.killed for child in children)
    warming, *timed = [sum(isinstance(request, Time) for request in child.asked) for child in children]
    assert min(timed) > 0.5 * max(timed)
    assert warming == 4  # a call of each, and a block of each to calibrate it
    rounds = session.measurements[0].rounds
    assert rounds == session.measurements[1].rounds == list(range(len(rounds)))
    assert 12.0 <= session.clock.now < 13.0


def test_what_is_too_slow_for_many_rounds_stays_in_one_process():
    children = []
    session = run([subject(key) for key in range(3)], {0: 9.0, 1: 0.01, 2: 0.01}, budget_s=25.0, children=children)
    loaded = [{request.subject for request in child.asked if isinstance(request, Load)} for child in children]
    assert loaded == [{0, 1, 2}, *[{1, 2}] * PROCESSES]
    assert set(session.measurements[0].launches) == {1}
    assert len(session.measurements[0].samples_s) == 2
    assert len(session.measurements[1].samples_s) >= MIN_ROUNDS


def test_a_timeout_is_a_status():
    session = run([subject(0), subject(1)], {0: 99.0, 1: 0.1}, timeout_s=60.0)
    assert session.measurements[0].status == "timeout"
    assert session.measurements[1].status == "ok"


def test_an_interrupt_leaves_a_complete_account_and_no_child():
    def script(request):
        if isinstance(request, Weigh) and request.subject == 1:
            raise KeyboardInterrupt

    clock, born = FakeClock(), []

    def open_child():
        born.append(FakeChild(clock, {0: 0.1, 1: 0.1, 2: 0.1}, script))
        return born[-1]

    plan = Options(device="cpu", threads=None, budget_s=1.0, samples=None, timeout_s=60.0, memory_fraction=0.8,
                force_run=False, seed=0)  # fmt: skip
    session = Session(plan, open_child, lambda _: None, clock)
    with pytest.raises(KeyboardInterrupt):
        measure(session, [[subject(key) for key in range(3)]])
    assert session.measurements[0].observed.peak_bytes_measured == 100
    assert session.measurements[2].status == "skipped"
    assert born[0].killed


def test_a_child_that_never_works_is_an_error_that_says_so():
    def script(request):
        if isinstance(request, Prepare):
            raise ChildLost("error", "no torch")

    with pytest.raises(MeasurementError, match="the measuring process cannot work: no torch"):
        run([subject(0)], {0: 0.1}, script=script)


def test_every_sample_says_which_process_took_it():
    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.1}, budget_s=12.0)
    for measurement in session.measurements.values():
        assert len(measurement.launches) == len(measurement.samples_s)
        turns = [set(measurement.launches[start : start + PROCESSES]) for start in range(0, 9, PROCESSES)]
        assert turns == [SAMPLING] * 3  # whatever disturbs for a while disturbs all processes


def asked(children, what):
    """The subjects about which was asked, or None for the device."""
    return [getattr(request, "subject", None) for child in children for request in child.asked if request.what == what]


def is_look(request, quantity):
    return isinstance(request, Look) and request.quantity == quantity


def test_a_subject_is_traced_and_compared_with_fp64():
    session = run([subject(0)], {0: 1e-3}, budget_s=2.0)
    observed = session.measurements[0].observed
    assert (observed.traffic, observed.backend) == (TRAFFIC, "flash")
    assert observed.deviation == DEVIATION
    assert observed.energy_j is None


def test_fp64_is_not_compared_with_itself_nor_what_would_take_too_long():
    children = []
    seconds = {0: 1e-3, 1: 1e-3, 2: 1.0}
    found = run([subject(0, dtype="fp64"), subject(1), subject(2)], seconds, budget_s=2.0, children=children)
    assert asked(children, "deviation") == [1]
    assert found.measurements[0].observed.deviation is None
    assert found.measurements[2].observed.deviation == Deviation.unknown("too slow for this budget")


def test_a_failed_look_is_the_rows_failure_and_ends_its_measuring():
    def script(request):
        if is_look(request, "traffic"):
            raise ChildLost("error", "killed")

    session = run([subject(0), subject(1)], {0: 1e-3, 1: 1e-3}, script=script, budget_s=2.0)
    assert "killed during 'traffic'" in session.measurements[0].detail


def test_energy_is_read_where_there_is_a_meter_in_a_block_that_is_long_enough(monkeypatch):
    monkeypatch.setitem(ANSWERS, Prepare, Prepared(environment=replace(HERE, energy_source="RAPL")))
    children = []
    session = run([subject(0)], {0: 1e-3}, children=children, budget_s=2.0)
    assert session.measurements[0].observed.energy_j == 0.25
    (request,) = [request for child in children for request in child.asked if is_look(request, "energy")]
    assert request.calls * 1e-3 == pytest.approx(0.5)


def test_a_cold_sample_is_one_call_on_a_cpu_and_ten_on_a_gpu():
    for device, calls in (("cpu", 1), ("cuda:0", 10)):
        session = run([subject(0)], {0: 1e-4}, cache="cold", device=device, budget_s=1.0)
        assert session.measurements[0].calls == calls


def test_every_new_process_is_prepared_alike():
    children = []
    plan = {"cache": "cold", "sdpa": "math", "affinity": (0, 2)}
    run([subject(0), subject(1)], {0: 0.1, 1: 0.01}, budget_s=12.0, children=children, **plan)
    prepared = [request for child in children for request in child.asked if isinstance(request, Prepare)]
    assert len(prepared) == FIRST + PROCESSES
    assert {(one.cache, one.sdpa, one.affinity) for one in prepared} == {("cold", "math", (0, 2))}


def test_compiling_is_given_time_and_noted_once():
    compilations = iter(Loaded(compile_s=s, graph_breaks=2) for s in (4.0, 0.5, 0.5, 0.5))
    times = []

    class Compiling(FakeChild):
        def ask(self, request, *, timeout_s):
            if isinstance(request, Load):
                times.append((request.variant, timeout_s))
                return next(compilations)
            return super().ask(request, timeout_s=timeout_s)

    clock = FakeClock()
    settings = {"device": "cpu", "threads": None, "budget_s": 12.0, "samples": None, "timeout_s": 60.0,
                "memory_fraction": 0.8, "force_run": False, "seed": 0}  # fmt: skip
    session = Session(Options(**settings), lambda: Compiling(clock, {0: 0.1}), lambda _: None, clock)
    measure(session, [[subject(0, variant="compile")]])
    assert session.measurements[0].observed.compile_s == 4.0
    assert session.measurements[0].observed.graph_breaks == 2
    assert [variant for variant, _ in times] == ["compile"] * (FIRST + PROCESSES)
    assert min(limit for _, limit in times) > 600
    assert session.measurements[0].observed.traffic is None  # what a compiled module launches no tracer sees


class FakeStore:
    def __init__(self, found=None):
        self.found, self.kept = found, []

    def known(self, environment):
        assert environment == HERE
        return self.found

    def keep(self, _environment, ceilings):
        self.kept.append(ceilings)


def test_ceilings_are_learnt_once_and_kept():
    store, children = FakeStore(), []
    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.1}, store=store, children=children, budget_s=2.0)
    assert store.kept == [session.ceilings]
    assert session.throughput_flops == session.ceilings.products["fp32"] == 100e9
    assert len(asked(children, "timecopies")) == len(asked(children, "timeproduct")) == 1
    again, children = FakeStore(session.ceilings), []
    run([subject(0)], {0: 0.1}, store=again, children=children, budget_s=2.0)
    assert again.kept == asked(children, "timecopies") == asked(children, "timeproduct") == []


def test_the_device_is_looked_at_before_and_after():
    children = []
    session = run([subject(0)], {0: 0.1}, budget_s=12.0, children=children)
    assert session.connection.before == CONDITIONS
    assert session.after == replace(CONDITIONS, cores_taken=session.after.cores_taken)
    before, after = [number for number, request in enumerate(children[0].asked) if isinstance(request, ReadConditions)]
    assert before == 1  # right after it was prepared
    assert after > max(number for number, request in enumerate(children[0].asked) if isinstance(request, Time))


def test_a_subject_that_times_out_while_it_is_calibrated_is_not_asked_again():
    children = []
    session = run([subject(0)], {0: 0.5}, timeout_s=0.1, children=children)
    assert session.measurements[0].status == "timeout"
    assert not [request for child in children[1:] for request in child.asked if getattr(request, "subject", None) == 0]


def blocks_until_settled(noise, **plan):
    """Blocks of 50 ms that a subject ran before it was calibrated."""
    children = []
    factors = iter(noise)
    run([subject(0)], {0: 1e-3}, children=children, noise=lambda: next(factors, 1.0), budget_s=1.0, **plan)
    return sum(isinstance(request, Time) and request.calls == round(0.05 / 1e-3) for request in children[0].asked)


def test_a_gpus_subject_is_run_until_its_time_is_stable_and_its_clock_is_up():
    assert blocks_until_settled([1.0, 1.0, 1.0], device="cuda:0") == 6  # 0.3 s after a start
    slow_start = []
    run([subject(0)], {0: 1e-3}, children=slow_start, device="cuda:0", budget_s=1.0,
        noise=iter([1.0, *[0.9**n for n in range(1, 12)], *[0.3] * 9999]).__next__)  # fmt: skip
    timed = [request for request in slow_start[0].asked if isinstance(request, Time)]
    assert timed[1].calls == 50
    assert timed[12].calls == round(0.05 / (1e-3 * 0.9**11))  # it went on as long as each block was faster


def test_the_next_subject_of_a_gpu_settles_for_a_shorter_time():
    children = []
    run([subject(0), subject(1)], {0: 1e-3, 1: 1e-3}, children=children, device="cuda:0", budget_s=1.0)
    blocks = [request.subject for request in children[0].asked if isinstance(request, Time) and request.calls == 50]
    assert (blocks.count(0), blocks.count(1)) == (6, 4)


def test_a_new_process_on_a_gpu_is_woken_before_anything_is_timed_in_it():
    for device, second in (("cuda:0", 300), ("cpu", 5)):
        children = []
        run([subject(0)], {0: 1e-3}, children=children, device=device, budget_s=20.0, samples=30)
        assert len(children) == PROCESSES + (FIRST if device == "cpu" else 0)
        for child in children[1:]:
            assert [request.calls for request in child.asked if isinstance(request, Time)][:2] == [1, second]


def test_a_launch_that_used_up_the_time_is_sampled_all_the_same():
    clock, born = FakeClock(), []

    def script(request):
        clock.now += 5.0 if isinstance(request, Prepare) and len(born) > 1 else 0.0

    def open_child():
        born.append(FakeChild(clock, {0: 0.01}, script))
        return born[-1]

    session = Session(Options(device="cpu", budget_s=10.0), open_child, lambda _: None, clock)
    measure(session, [[subject(0)]])
    launches = session.measurements[0].launches
    assert min(launches.count(number) for number in SAMPLING) >= MIN_ROUNDS // PROCESSES


@pytest.mark.parametrize(("device", "variant", "budget_s", "load_s", "processes"), [
    ("cpu", "eager", 10.0, 0.0, 4), ("cpu", "eager", 10.0, 9.0, 4),
    ("cuda:0", "eager", 10.0, 0.0, 1), ("cuda:0", "eager", 20.0, 0.0, 3),
    ("cuda:0", "eager", 20.0, 9.0, 1), ("cuda:0", "compile", 60.0, 0.0, 1), ("cpu", "compile", 10.0, 0.0, 4),
])  # fmt: skip
def test_there_are_more_processes_where_the_budget_is_that_of_their_launches(
    device, variant, budget_s, load_s, processes
):
    clock, born = FakeClock(), []

    def script(request):
        clock.now += load_s if isinstance(request, Load) else 0.0

    settings = {"device": device, "threads": None, "budget_s": budget_s, "samples": None, "timeout_s": 60.0,
                "memory_fraction": 0.8, "force_run": False, "seed": 0}  # fmt: skip

    def open_child():
        born.append(FakeChild(clock, {0: 0.01}, script))
        return born[-1]

    measure(Session(Options(**settings), open_child, lambda _: None, clock), [[subject(0, variant=variant)]])
    assert len(born) == processes


def test_cold_blocks_are_no_longer_for_the_flushes_in_them():
    children = []
    run([subject(0)], {0: 1e-5}, children=children, device="cuda:0", cache="cold", budget_s=1.0)
    settling = [request.calls for request in children[0].asked if isinstance(request, Time)][1:3]
    assert settling == [250, 250]  # of 0.2 ms each, not 5000


def test_denormals_are_looked_for_where_they_cost_time():
    for device, looked in (("cpu", [0]), ("cuda:0", [])):
        children = []
        run([subject(0)], {0: 1e-3}, children=children, device=device, budget_s=1.0)
        assert asked(children, "denormals") == looked


def test_a_processor_needs_no_settling():
    assert blocks_until_settled([1.0] * 9, device="cpu") == 0


def test_a_slow_subject_is_traced_by_its_first_sample_if_that_is_quick_enough():
    children = []
    inputs = (TensorSpec(shape=(8, 2, 3), dtype="fp32"),)
    slow, slower = (replace(subject(key), workload=Workload(factory="a:b", inputs=inputs)) for key in (0, 1))
    run([slow, slower], {0: 4.0, 1: 50.0}, children=children, budget_s=6.0)
    traced = [(request.subject, request.alone) for request in children[0].asked if is_look(request, "traffic")]
    assert traced == [(0, True)]  # 4 s is more than its share of 3 s, an eighth of it is less; 50 s are too long


def dying_at_birth(*launches):
    """A script by which the children of these launches, counted from 1, are killed before they are prepared."""
    launch = 0

    def script(request):
        nonlocal launch
        launch += isinstance(request, Prepare)
        if isinstance(request, Prepare) and launch in launches:
            raise ChildLost("error", "the measuring process was killed by SIGKILL")

    return script


@pytest.mark.parametrize("launch", [1, 2, 4])
def test_a_child_that_dies_at_birth_is_replaced_and_no_row_is_lost(launch):
    children = []
    session = run(
        [subject(0), subject(1)], {0: 0.1, 1: 0.1}, script=dying_at_birth(launch), budget_s=12.0, children=children
    )
    assert len(children) == FIRST + PROCESSES + 1
    for measurement in session.measurements.values():
        assert measurement.status == "ok"
        assert len(measurement.samples_s) >= MIN_ROUNDS


def test_where_one_cannot_work_another_takes_its_place():
    session = run([subject(0)], {0: 0.1}, script=dying_at_birth(2, 3), budget_s=12.0)
    assert set(session.measurements[0].launches) == {4, 5, 6}


def test_the_first_process_takes_samples_for_want_of_others():
    session = run([subject(0)], {0: 0.1}, script=dying_at_birth(2, 3, 6, 7), budget_s=12.0)
    assert set(session.measurements[0].launches) == {1, 4, 5}


def test_a_first_one_that_never_works_ends_the_run():
    with pytest.raises(MeasurementError, match="cannot work: the measuring process was killed by SIGKILL"):
        run([subject(0)], {0: 0.1}, script=dying_at_birth(1, 2), budget_s=12.0)


def test_it_ends_when_every_interval_is_as_narrow_as_was_asked_for():
    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.05}, budget_s=20.0, precision=0.05)
    assert session.ended_by == "precision"
    assert MIN_ROUNDS <= len(session.measurements[0].samples_s) < 20
    assert all(quiet_time(each.latency).half_width <= 0.05 for each in session.measurements.values())
    noise = iter([1.0, 1.3] * 5000)
    session = run([subject(0)], {0: 0.1}, noise=noise.__next__, budget_s=5.0, precision=0.001)
    assert session.ended_by == "budget"


def test_the_best_pace_ever_is_kept_and_every_sample_is_seen_against_it(monkeypatch):
    paces = iter([1e-4, 2e-4] * 5000)

    class Paced(FakeChild):
        def ask(self, request, *, timeout_s):
            answer = super().ask(request, timeout_s=timeout_s)
            return replace(answer, pace_s=next(paces)) if isinstance(answer, Took) else answer

    monkeypatch.setattr(sys.modules[__name__], "FakeChild", Paced)
    store = FakeStore()
    session = run([subject(0), subject(1)], {0: 0.1, 1: 0.1}, store=store, budget_s=5.0)
    assert store.kept[-1].pace_s == 1e-4
    assert set(session.measurements[0].latency.paces) | set(session.measurements[1].latency.paces) == {1.0, 2.0}
    assert session.quiet_share == pytest.approx(0.5, abs=0.1)


def test_others_on_our_cores_are_named_before_anything_is_measured(monkeypatch):
    told = []
    monkeypatch.setattr(Neighbours, "beside", lambda _, conditions: replace(conditions, cores_taken=1.5))
    clock = FakeClock()
    plan = Options(device="cpu", budget_s=5.0)
    session = Session(plan, lambda: FakeChild(clock, {0: 0.1}), told.append, clock)
    measure(session, [[subject(0)]])
    assert told[0].warning.startswith("other programs keep 1.5 of 2 cores busy before measuring: expect noise")
    assert [progress.warning for progress in told[1:]] == [""] * (len(told) - 1)


def test_a_budget_that_cannot_hold_the_calls_is_named_before_anything_is_timed():
    told = []
    clock = FakeClock()
    child = FakeChild(clock, {0: 6.0})
    session = Session(Options(device="cpu", budget_s=2.0), lambda: child, told.append, clock)
    measure(session, [[subject(0, floor_flops=int(5.5 * 100e9))]])
    assert told[0].warning.startswith(
        "this takes at least 11.0 s, whatever the budget of 2.00 s: one call of op0 takes"
    )
    assert [progress.warning for progress in told[1:]] == [""] * (len(told) - 1)
    quick = []
    session = Session(Options(device="cpu", budget_s=2.0), lambda: FakeChild(clock, {0: 0.01}), quick.append, clock)
    measure(session, [[subject(0, floor_flops=int(1e-3 * 100e9))]])
    assert {progress.warning for progress in quick} == {""}
