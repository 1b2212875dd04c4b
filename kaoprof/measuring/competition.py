"""Whether other programs want the cores that are measured on, in words."""

from kaoprof.records.measured import Environment
from kaoprof.units import counted

CORES_TAKEN = 0.1  # more than this of our cores' time went to other programs: a quiet machine is at 0.01 to 0.03


def are_ours_taken(environment: Environment, taken: float) -> bool:
    """Whether other programs had more cores than those that no thread of ours needs."""
    return taken > CORES_TAKEN + max(0, environment.cores - environment.threads)


def busy(environment: Environment, taken: float) -> str:
    """How much others had of what there is."""
    return f"{taken:.1f} of {counted(environment.cores, 'core')} busy"


def noise(environment: Environment) -> str:
    """What is to be expected, and what helps."""
    return f"expect noise{'; --threads 1 leaves the others a core' if environment.threads > 1 else ''}"
