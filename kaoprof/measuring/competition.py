"""Whether other programs want the cores that are measured on, in words."""

from kaoprof.records.measured import Environment
from kaoprof.units import counted

CORES_TAKEN = 0.1  # more than this of our cores' time went to other programs: a quiet machine is at 0.01 to 0.03


def competition(environment: Environment, taken: float | None) -> str | None:
    """That other programs want our cores, and what helps; None if they do not, or that is not told.

    They may have those that no thread of ours needs.
    """
    if taken is None or taken <= CORES_TAKEN + max(0, environment.cores - environment.threads):
        return None
    hint = "; --threads 1 leaves the others a core" if environment.threads > 1 else ""
    return f"{taken:.1f} of {counted(environment.cores, 'core')} busy: expect noise{hint}"
