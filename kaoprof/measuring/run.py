"""One measuring session for whoever has subjects: opens it, survives what may happen, and says how it went."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from kaoprof.errors import MeasurementError
from kaoprof.measuring.devices import check_wishes, default_cache, find_device, load_average
from kaoprof.measuring.messages import ReadFree
from kaoprof.measuring.plan import Measurement, Progress, Subject, unreached
from kaoprof.records.measured import Environment, Protocol
from kaoprof.records.options import Options

if TYPE_CHECKING:
    from kaoprof.measuring.connection import Asked
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


def run_session(
    cells: Sequence[Sequence[Subject]],
    device: str,
    options: Options,
    notify: ProgressCallback,
    session: "Session | None" = None,
    in_process: "Callable[[], Asked] | None" = None,
) -> Outcome:
    """Measures cell after cell. Ctrl-C and a machine on which nothing can be measured end it early, not badly.

    Whatever happens, the session is closed then, also one that was open before. Whoever answers `in_process` takes the
    place of the measuring process.
    """
    from kaoprof.measuring.session import measure

    session = session or open_session(device, options, notify)
    if in_process is not None:
        session.in_process, session.connection.open_child = True, in_process
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

    cache = options.cache if options.cache != "auto" else default_cache(device)
    plan = replace(options, device=device, threads=options.threads_wanted, cache=cache)
    store = CeilingStore(ceilings_folder(), load=load_average(), refresh=refresh)
    return Session(plan, Child, notify, store=store)


def environment_of(session: "Session", load_before: float | None) -> Environment | None:
    """Where the session measures; None before its process has said so."""
    environment = session.connection.environment
    return replace(environment, load_before=load_before) if environment else None


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
        free_bytes=session.connection.free_bytes,
        throughput_flops=session.throughput_flops,
        ceilings=session.ceilings,
        cache=session.plan.cache,
        sdpa=session.plan.sdpa,
        before=session.connection.before,
        after=session.after,
        in_process=session.in_process,
        setup_s=session.setup_s,
        precision=options.precision,
        ended_by=session.ended_by,
        quiet_share=session.quiet_share,
    )


def _completed(session: "Session", cells: Sequence[Sequence[Subject]], failure: str | None) -> dict[int, Measurement]:
    """A measurement for every subject: what was not reached says so, or names the failure that ended the session."""
    subjects = [subject for cell in cells for subject in cell]
    measurements = {subject.key: session.measurements.get(subject.key, unreached()) for subject in subjects}
    for measurement in measurements.values():
        if failure is not None and measurement.status in ("ok", "skipped") and not measurement.samples_s:
            measurement.note(status="error", detail=failure)
    return measurements


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
        free_bytes = int(session.connection.ask_device(ReadFree()).value)
        throughput_flops = session.learn_throughput("fp32")
    finally:
        session.close()
    connection = session.connection
    return (msgspec.structs.asdict(connection.environment) if connection.environment else {}) | {
        "free_bytes": free_bytes,
        "throughput_flops": throughput_flops,
        "ceilings": session.ceilings,
        "conditions": connection.before,
    }
