"""What a field of a record can hold. msgspec checks it when a file is read, never when kaoprof makes a record itself.

`record_checks` adds what no single field tells.
"""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from kaoprof.dims import CACHES, DTYPE_BYTES, MODES, PROJECTIONS, SCALES, SDPA_BACKENDS, SPATIAL_AXES

STATUSES = ("ok", "oom", "skipped", "timeout", "unsupported", "error")
ENDINGS = ("budget", "precision", "samples", "rounds")
LONGEST_S = 1e9  # more than thirty years
SHORTEST_S = 1e-12  # of a call or a copy: less than a clock's cycle
MOST = 2**63 - 1  # the most that msgspec can compare with


def one_word_of(words: Iterable[str]) -> Meta:
    """A text that is one of the `words`."""
    return Meta(pattern=rf"^({'|'.join(words)})\Z")


Dtype = Annotated[str, one_word_of(DTYPE_BYTES)]
Mode = Annotated[str, one_word_of(MODES)]
Projection = Annotated[str, one_word_of(PROJECTIONS)]
Scale = Annotated[str, one_word_of(SCALES)]
Cache = Annotated[str, one_word_of(CACHES)]
Sdpa = Annotated[str, one_word_of(SDPA_BACKENDS)]
Axis = Annotated[str, one_word_of(("b", "c", *sorted({axis for axes in SPATIAL_AXES.values() for axis in axes})))]
Ending = Annotated[str, one_word_of(ENDINGS)]
Status = Annotated[str, one_word_of(STATUSES)]

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
