"""What disturbed a measurement: other programs, a device that slowed itself, calls longer than allowed. Pure."""

from collections.abc import Iterable, Sequence

from kaoprof.measuring.competition import are_ours_taken, busy, noise
from kaoprof.records.compare import Record
from kaoprof.records.measured import Environment, Observed, Protocol
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.swept_models import SweptModels
from kaoprof.stats.timings import quiet_s, undisturbed
from kaoprof.units import counted, format_seconds

BUSY_LOAD = 0.5  # load average per core before the run above which other programs compete for the cores


def environment_warnings(record: Record | ProfileRecord | SweptModels) -> list[str]:
    """That other programs were running, or that the device slowed itself."""
    busy = busy_ceilings(record.environment, record.protocol)
    return _throttling(record.protocol) + busy + competition_warnings(record.environment, record.protocol)


def quiet_share(record: Record | ProfileRecord | SweptModels) -> float | None:
    """The part of all samples at which nothing disturbed; None where nobody looked. A sweep's rows tell."""
    if record.protocol and record.protocol.quiet_share is not None:
        return record.protocol.quiet_share
    return undisturbed([pace for row in measured_in(record) if row.latency for pace in row.latency.paces])


def measured_in(record: Record | ProfileRecord | SweptModels) -> Sequence[Observed]:
    """What a record tells of that may have run."""
    if isinstance(record, SweptModels):
        return [row.profile for row in record.rows]
    return record.rows if isinstance(record, Record) else record.models


def busy_ceilings(environment: Environment | None, protocol: Protocol | None) -> list[str]:
    """That the ceilings behind every floor were measured while other programs ran."""
    ceilings = protocol.ceilings if protocol else None
    if environment is None or ceilings is None or ceilings.load is None:
        return []
    cores = environment.machine_cores or environment.cores
    if ceilings.load <= BUSY_LOAD * cores:
        return []
    load = f"load {ceilings.load:.1f} on {counted(cores, 'core')}"
    busy = f"the ceilings were measured while other programs ran ({load}): 'x floor' is too low"
    return [f"{busy}; a quieter run, or kaoprof env --refresh, measures them again"]


def _throttling(protocol: Protocol | None) -> list[str]:
    if protocol is None or protocol.before is None or protocol.after is None:
        return []
    before, after = protocol.before.throttled, protocol.after.throttled
    if before is None or after is None or after <= before:
        return []
    return ["the device slowed itself while it was measured, for heat or power: let it cool, and measure again"]


def competition_warnings(environment: Environment | None, protocol: Protocol | None) -> list[str]:
    """That other programs wanted our cores while it was measured; where that is not told, that the machine was busy."""
    taken = protocol.after.cores_taken if protocol and protocol.after else None
    if environment is None:
        return []
    if taken is None:
        return _load(environment)
    if not are_ours_taken(environment, taken):
        return []
    return [f"other programs kept {busy(environment, taken)} while this was measured: {noise(environment)}"]


def _load(environment: Environment) -> list[str]:
    cores = environment.machine_cores or environment.cores  # the load is the machine's, whichever cores are ours
    if environment.load_before is None or environment.load_before <= BUSY_LOAD * cores:
        return []
    load = f"load {environment.load_before:.1f} on {counted(cores, 'core')}"
    return [f"other programs were running before the measurement ({load}): expect noise"]


def overrun_warnings(measured: Iterable[tuple[str, Observed]], protocol: Protocol | None) -> list[str]:
    """Whose calls, by name, took longer than was allowed: a first call may, and so may calls that slow down later."""
    over = [f"{name} {text}" for name, row in measured if (text := overrun(row, protocol))]
    return [overrun_warning(", ".join(over), protocol)] if over and protocol else []


def overrun(row: Observed, protocol: Protocol | None) -> str:
    """How long its calls took, if that is more than was allowed."""
    seconds = quiet_s(row.latency) if row.latency and protocol else 0.0
    return format_seconds(seconds) if protocol and seconds > protocol.timeout_s else ""


def overrun_warning(named: str, protocol: Protocol) -> str:
    """That the calls of these rows took longer than was allowed."""
    return f"calls took longer than --timeout {format_seconds(protocol.timeout_s)}: {named}"
