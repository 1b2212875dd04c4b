"""What disturbed a measurement: other programs on its cores, and a device that slowed itself. Pure."""

from kaoprof.measuring.competition import competition
from kaoprof.records.compare import Record
from kaoprof.records.measured import Environment, Protocol
from kaoprof.units import counted

BUSY_LOAD = 0.5  # load average per core before the run above which other programs compete for the cores


def environment_warnings(record: Record) -> list[str]:
    """That other programs were running, or that the device slowed itself."""
    return _throttling(record.protocol) + competition_warnings(record.environment, record.protocol)


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
    crowded = competition(environment, taken)
    return [f"while this was measured, other programs kept {crowded}"] if crowded else []


def _load(environment: Environment) -> list[str]:
    cores = environment.machine_cores or environment.cores  # the load is the machine's, whichever cores are ours
    if environment.load_before is None or environment.load_before <= BUSY_LOAD * cores:
        return []
    load = f"load {environment.load_before:.1f} on {counted(cores, 'core')}"
    return [f"other programs were running before the measurement ({load}): expect noise"]
