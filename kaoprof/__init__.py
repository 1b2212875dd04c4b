"""kaoprof: what an attention operator costs, exactly on paper, measured on your device, and whether the two agree."""

from kaoprof.errors import KaoprofError
from kaoprof.profiling import compare
from kaoprof.requests import Options
from kaoprof.version import __version__

__all__ = ["KaoprofError", "Options", "__version__", "compare"]
