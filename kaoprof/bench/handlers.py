"""One handler for each kind of request: what the child does, and the answer that it gives."""

import gc
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import torch

from kaoprof.bench.apart import apart, can_copy
from kaoprof.bench.ceilings import copy_seconds, launch_seconds, product_throughput
from kaoprof.bench.conditions import conditions_of
from kaoprof.bench.environment import free_bytes
from kaoprof.bench.looks import look
from kaoprof.bench.workbench import Bench, Subject, drop_gradients
from kaoprof.errors import KaoprofError, UsageError, encodable
from kaoprof.measuring import messages as say
from kaoprof.workload.building import step_of


def read_conditions(bench: Bench, _: say.ReadConditions) -> say.DeviceConditions:
    """Clock, temperature and throttling."""
    return say.DeviceConditions(conditions=conditions_of(bench.device))


def read_free(bench: Bench, _: say.ReadFree) -> say.Figure:
    """Bytes that can still be allocated: also those that the allocator holds in its cache."""
    bench.meters.give_back()
    return say.Figure(value=free_bytes(bench.device))


def time_copies(bench: Bench, request: say.TimeCopies) -> say.CopyTimes:
    """The fastest copy of every size, with caches that are `warm` or `cold`."""
    return say.CopyTimes(copies=copy_seconds(bench.meters_with(request.cache), bench.device))


def time_product(bench: Bench, request: say.TimeProduct) -> say.Figure:
    """FLOP/s that a large product reaches on this device."""
    bench.flags.apply()
    bench.choose_precision(request.dtype)
    rate = product_throughput(bench.meters_with("warm"), bench.device, request.dtype)
    return say.Figure(value=rate)


def time_launch(bench: Bench, _: say.TimeLaunch) -> say.Figure:
    """Seconds of the smallest operation."""
    return say.Figure(value=launch_seconds(bench.meters_with("warm"), bench.device))


def clear(bench: Bench, _: say.Clear) -> say.Cleared:
    """Forgets all subjects."""
    bench.clear()
    return say.Cleared()


def weigh(bench: Bench, request: say.Weigh) -> say.Peak:
    """Peak bytes of one call, above what is resident."""
    subject = bench.subject(request.subject)
    if subject.variant == "graph":  # it allocated when it was captured; replaying it allocates nothing
        return say.Peak(allocated=None)
    try:
        return say.Peak(**bench.meters.peak(_from_the_beginning(subject)))
    finally:
        drop_gradients(subject.module, subject.inputs)


def _from_the_beginning(subject: Subject) -> Callable[[], object]:
    """One call; with an optimizer two, of which the first makes its states, so that the allocator tells of these."""
    workload = subject.workload
    if not workload.optimizer:
        return subject.step
    step = step_of(workload, subject.module, subject.inputs)

    def steps() -> object:
        step()
        return step()

    return steps


def time_calls(bench: Bench, request: say.Time) -> say.Took:
    """Mean seconds per call over a block of calls; on a CPU also what the system did for a call, and the pace."""
    subject = bench.subject(request.subject)
    try:
        before_s = bench.pace()
        seconds = bench.meters.seconds(subject.step, calls=request.calls, warm_calls=request.warm_calls)
        work, after_s = bench.meters.system_work(request.calls), bench.pace()
        pace_s = (before_s + after_s) / 2 if before_s and after_s else None
        return say.Took(seconds=seconds, pace_s=pace_s, **work)
    finally:
        drop_gradients(subject.module, subject.inputs)


def take_census(bench: Bench, request: say.TakeCensus) -> say.Census | say.Failed:
    """Counts a model, whose code may do anything: in a copy of this process if that can be."""
    from kaoprof.profiling.taking import take_census as census_of
    from kaoprof.tape.building import fake_mode
    from kaoprof.tape.own_inputs import with_own_inputs

    def taken() -> say.Census | say.Failed:
        kind = bench.device.partition(":")[0]
        try:
            workload = with_own_inputs(request.workload, request.batch, request.size)
            how: dict[str, Any] = {"device": kind, "threads": bench.threads, "sdpa": bench.sdpa}
            census = census_of(workload, request.names, inside=request.inside, **how)
        except BaseException as error:  # noqa: BLE001 - any failure of a module is a row, not an abort
            return bench.failed(error)
        return say.Census(census=census, workload=workload)

    if can_copy():
        fake_mode()  # imports what takes a second, once for all copies
        return apart(taken)
    answer = taken()
    gc.collect()  # collections are off while measuring: nothing of the model may stay
    return answer


def derive(_: Bench, request: say.Derive) -> say.Derived:
    """Derives formulas here, of code that may do anything; the parent, which pickled the request, is no stranger."""
    from kaoprof.explaining.run import derived_here

    try:
        return say.Derived(explanation=derived_here(pickle.loads(request.pickled)))  # noqa: S301
    except KaoprofError as error:
        message, where, hint = (text and encodable(text) for text in (error.message, error.where, error.hint))
        usage = isinstance(error, UsageError)
        return say.Derived(refusal=say.Refusal(message=message or "", where=where, hint=hint, usage=usage))


def count_whole(bench: Bench, request: say.CountWhole) -> say.Whole:
    """Counts a module here, whose code may do anything, and predicts its peak."""
    from kaoprof.comparing.census import count

    kind = bench.device.partition(":")[0]
    census = count(request.workload, device=kind, threads=torch.get_num_threads(), sdpa=bench.sdpa)
    return say.Whole(**msgspec.structs.asdict(census))


def find_needed(_: Bench, request: say.FindNeeded) -> say.Needed:
    """Predicts here what a module needs, whose code may do anything."""
    from kaoprof.tape.own_inputs import with_own_inputs
    from kaoprof.tape.prediction import memory_needed

    workload = with_own_inputs(request.workload, request.batch, request.size)
    needed = memory_needed(workload, device=request.device, threads=request.threads, sdpa=request.sdpa)
    return say.Needed(resident=needed.resident, peak=needed.peak)


def derive_form(_: Bench, request: say.DeriveForm) -> say.Formula:
    """Derives a module's closed form here, whose code may do anything."""
    from kaoprof.explaining.own_form import answered

    return answered(request)


HANDLERS: dict[type[say.AnyRequest], Callable[[Bench, Any], say.AnyAnswer]] = {
    say.Prepare: Bench.prepare,
    say.ReadConditions: read_conditions,
    say.ReadFree: read_free,
    say.TimeCopies: time_copies,
    say.TimeProduct: time_product,
    say.TimeLaunch: time_launch,
    say.Clear: clear,
    say.Load: Bench.load,
    say.Time: time_calls,
    say.Weigh: weigh,
    say.Look: look,
    say.TakeCensus: take_census,
    say.Derive: derive,
    say.CountWhole: count_whole,
    say.FindNeeded: find_needed,
    say.DeriveForm: derive_form,
}
