"""What a field of a record can hold. msgspec checks it when a file is read, never when kaoprof makes a record itself.

`record_checks` adds what no single field tells.
"""

import re
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta

from kaoprof.dims import CACHES, DTYPE_BYTES, MODES, PROJECTIONS, SCALES, SDPA_BACKENDS, SPATIAL_AXES

STATUSES = ("ok", "oom", "skipped", "timeout", "unsupported", "error")
ENDINGS = ("budget", "precision", "samples", "rounds")
LONGEST_S = 1e9  # more than thirty years
SHORTEST_S = 1e-12  # of a call or a copy: less than a clock's cycle
MOST = 2**63 - 1  # the most that msgspec can compare with


WORDS: dict[str, tuple[str, ...]] = {  # of which a field of that name is one
    "dtype": tuple(DTYPE_BYTES),
    "mode": tuple(MODES),
    "projection": tuple(PROJECTIONS),
    "scale": tuple(SCALES),
    "cache": tuple(CACHES),
    "sdpa": tuple(SDPA_BACKENDS),
    "axis": ("b", "c", *sorted({axis for axes in SPATIAL_AXES.values() for axis in axes})),
    "ending": ENDINGS,
    "status": STATUSES,
}
if TYPE_CHECKING:
    Dtype: TypeAlias = str
    Mode: TypeAlias = str
    Projection: TypeAlias = str
    Scale: TypeAlias = str
    Cache: TypeAlias = str
    Sdpa: TypeAlias = str
    Axis: TypeAlias = str
    Ending: TypeAlias = str
    Status: TypeAlias = str
else:  # so msgspec finds them without a pattern, and holds each word once
    Dtype, Mode, Projection, Scale, Cache, Sdpa, Axis, Ending, Status = (Literal[words] for words in WORDS.values())

Count = Annotated[int, Meta(ge=0, le=MOST)]
Positive = Annotated[int, Meta(ge=1, le=MOST)]
Unbounded = Annotated[int, Meta(ge=0)]  # a closed form may pass 64 bits: `record_checks` says by how far
UnboundedPositive = Annotated[int, Meta(ge=1)]
SignedBytes = Annotated[int, Meta(ge=-MOST, le=MOST)]  # a control group may hold more than is allowed: free is below 0
Depth = Annotated[int, Meta(ge=0, le=1000)]  # layers inside each other: python itself goes no deeper
Sizes = Annotated[tuple[Positive, ...], Meta(min_length=1, max_length=len(SPATIAL_AXES))]

Seconds = Annotated[float, Meta(ge=0, le=LONGEST_S)]
CallSeconds = Annotated[float, Meta(ge=SHORTEST_S, le=LONGEST_S)]
LaunchSeconds = Annotated[float, Meta(ge=SHORTEST_S, le=10)]
Share = Annotated[float, Meta(ge=0, le=1)]
Multiple = Annotated[float, Meta(ge=0, le=1e6)]
Error = Annotated[float, Meta(ge=0)]  # relative
Faults = Annotated[float, Meta(ge=0, le=1e12)]  # of a call: at most 4 PB of new memory
Joules = Annotated[float, Meta(ge=0, le=1e15)]
Rate = Annotated[float, Meta(ge=1e3, le=1e24)]  # FLOP/s: a relay computer has more, all computers together less
Load = Annotated[float, Meta(ge=0, le=1e6)]  # processes that want a core
Watts = Annotated[float, Meta(ge=0, le=1e9)]
Hertz = Annotated[float, Meta(ge=0, le=1e15)]
Celsius = Annotated[float, Meta(ge=-273.15, le=1e6)]


def reason_of(error: Exception) -> str:
    """Why msgspec refused some bytes, with the words that there are where one was expected."""
    message = str(error)
    what, at, place = message.partition(" - at `")
    words = WORDS.get(re.split(r"\W", place.rstrip("`"))[-1], ()) if what.startswith("Invalid enum value") else ()
    return f"{what}, which is none of {', '.join(words)}{at}{place}" if words else message
