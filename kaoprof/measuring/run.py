"""One measuring session for whoever has subjects: opens it, survives what may happen, and says how it went."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from kaoprof.errors import MeasurementError
from kaoprof.measuring.devices import check_wishes, default_cache, find_device
from kaoprof.measuring.other_load import load_average
from kaoprof.measuring.plan import Measurement, Plan, Progress, Subject
from kaoprof.records.measured import Conditions, Environment, Latency, Protocol
from kaoprof.records.options import Options

if TYPE_CHECKING:
    from kaoprof.measuring.session import Session

ProgressCallback = Callable[[Progress], None]


def unheard(_progress: Progress) -> None:
    """The callback of whoever wants to hear of no progress."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a session leaves: a measurement for every subject, where and how, and whether it was interrupted."""

    measurements: dict[int, Measurement]
    environment: Environment | None
    protocol: Protocol
    interrupted: bool


def run_session(cells: Sequence[Sequence[Subject]], device: str, options: Options, notify: ProgressCallback) -> Outcome:
    """Measures cell after cell. Ctrl-C and a machine on which nothing can be measured end it early, not badly."""
    from kaoprof.measuring.session import measure

    session = open_session(device, options, notify)
    load = load_average()
    started = session.clock()
    interrupted, failure = False, None
    try:
        measure(session, cells)
    except KeyboardInterrupt:
        interrupted = True
    except MeasurementError as error:
        failure = str(error)
    return Outcome(
        measurements=_completed(session, cells, failure),
        environment=environment_of(session, load),
        protocol=protocol_of(session, options, spent_s=session.clock() - started),
        interrupted=interrupted,
    )


def open_session(device: str, options: Options, notify: ProgressCallback, *, refresh: bool = False) -> "Session":
    """A session with no process yet; whoever asks for it closes it. With `refresh` it learns ceilings anew."""
    from kaoprof.measuring.ceiling_store import CeilingStore, ceilings_folder
    from kaoprof.measuring.child import Child
    from kaoprof.measuring.session import Session

    plan = Plan(
        device=device,
        threads=options.threads_wanted,
        budget_s=options.budget_s,
        samples=options.samples,
        timeout_s=options.timeout_s,
        memory_fraction=options.memory_fraction,
        force_run=options.force_run,
        seed=options.seed,
        cache=options.cache if options.cache != "auto" else default_cache(device),
        sdpa=options.sdpa,
        affinity=options.affinity,
    )
    store = CeilingStore(ceilings_folder(), load=load_average(), refresh=refresh)
    return Session(plan, Child, notify, store=store)


def environment_of(session: "Session", load_before: float | None) -> Environment | None:
    """Where the session measures; None before its process has said so."""
    if not session.environment:
        return None
    return msgspec.convert({**session.environment, "load_before": load_before}, Environment)  # JSON has no tuples


def protocol_of(session: "Session", options: Options, *, spent_s: float) -> Protocol:
    """How the session measures, and what it learnt about the device."""
    return Protocol(
        budget_s=options.budget_s,
        samples=options.samples,
        timeout_s=options.timeout_s,
        seed=options.seed,
        memory_fraction=options.memory_fraction,
        force_run=options.force_run,
        spent_s=spent_s,
        free_bytes=session.free_bytes,
        throughput_flops=session.throughput_flops,
        ceilings=session.ceilings,
        cache=session.plan.cache,
        sdpa=session.plan.sdpa,
        before=Conditions(**session.before) if session.before else None,
        after=Conditions(**session.after) if session.after else None,
    )


def _completed(session: "Session", cells: Sequence[Sequence[Subject]], failure: str | None) -> dict[int, Measurement]:
    """A measurement for every subject: what was not reached says so, or names the failure that ended the session."""
    unreached = Measurement(status="skipped", detail="not reached before the run ended")
    found = {subject.key: session.measurements.get(subject.key, unreached) for cell in cells for subject in cell}
    if failure is None:
        return found
    return {
        key: replace(one, status="error", detail=failure)
        if one.status in ("ok", "skipped") and not one.samples_s
        else one
        for key, one in found.items()
    }


def latency_of(measurement: Measurement) -> Latency | None:
    """Its samples as a record keeps them; None if there are none."""
    if not measurement.samples_s:
        return None
    return Latency(
        rounds=tuple(measurement.rounds), samples_s=tuple(measurement.samples_s), calls=measurement.calls,
        launches=tuple(measurement.launches), page_faults=tuple(measurement.page_faults),
        system_shares=tuple(measurement.system_shares),
    )  # fmt: skip


def describe_environment(options: Options, *, refresh: bool = False) -> dict[str, Any]:
    """The environment as the measuring process sees it, with free memory, and its ceilings under `ceilings`.

    Args:
        options: device, threads, cores, caches.
        refresh: measure the ceilings also if they are known.

    Raises:
        MeasurementError: the device is not there, or the process cannot work.
        UsageError: cores that are not there.
    """
    device = find_device(options.device)
    check_wishes(device, "fp32", options)
    session = open_session(device, options, unheard, refresh=refresh)
    try:
        free_bytes = session.ask_device("free")
        throughput_flops = session.learn_throughput("fp32")
    finally:
        session.close()
    return (session.environment or {}) | {
        "free_bytes": free_bytes,
        "throughput_flops": throughput_flops,
        "ceilings": session.ceilings,
        "conditions": session.before,
    }
