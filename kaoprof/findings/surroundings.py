"""What disturbed a measurement: other programs on its cores, and a device that slowed itself. Pure."""

from kaoprof.records.compare import Record
from kaoprof.records.measured import Environment, Protocol
from kaoprof.units import counted

CORES_TAKEN = 0.1  # more than this of our cores' time went to other programs: a quiet machine is at 0.01 to 0.03
BUSY_LOAD = 0.5  # load average per core before the run above which other programs compete for the cores


def environment_warnings(record: Record) -> list[str]:
    """That other programs were running, or that the device slowed itself."""
    busy = busy_ceilings(record.environment, record.protocol)
    return _throttling(record.protocol) + busy + competition_warnings(record.environment, record.protocol)


def busy_ceilings(environment: Environment | None, protocol: Protocol | None) -> list[str]:
    """That the ceilings behind every floor were measured while other programs ran."""
    ceilings = protocol.ceilings if protocol else None
    if environment is None or ceilings is None or ceilings.load is None:
        return []
    cores = environment.machine_cores or environment.cores
    if ceilings.load <= BUSY_LOAD * cores:
        return []
    load = f"load {ceilings.load:.1f} on {counted(cores, 'core')}"
    when = "by the next run that finds it quieter, or by kaoprof env --refresh"
    busy = f"the ceilings of this device were measured while other programs ran ({load})"
    return [f"{busy}: 'x floor' is too low; they are measured again {when}"]


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
    return _load(environment) if taken is None else _competition(environment, taken)


def _competition(environment: Environment, taken: float) -> list[str]:
    """Others may have the cores that no thread of ours needs."""
    if taken <= CORES_TAKEN + max(0, environment.cores - environment.threads):
        return []
    cores = counted(environment.cores, "core")
    return [f"other programs kept {taken:.1f} of {cores} busy while this was measured: expect noise"]


def _load(environment: Environment) -> list[str]:
    cores = environment.machine_cores or environment.cores  # the load is the machine's, whichever cores are ours
    if environment.load_before is None or environment.load_before <= BUSY_LOAD * cores:
        return []
    load = f"load {environment.load_before:.1f} on {counted(cores, 'core')}"
    return [f"other programs were running before the measurement ({load}): expect noise"]
