"""What parent and child say to each other: one JSON object per line, a numbered request down, a numbered reply up.

Every request is a struct of its own and names the struct that answers it; the parent takes no other.
"""

import signal
import sys
from typing import Any, ClassVar

import msgspec

from kaoprof.dims import Dims
from kaoprof.records import fields
from kaoprof.records.explain import Explanation
from kaoprof.records.measured import Conditions, Copy, Environment, Observed, Traffic
from kaoprof.records.own import OwnForm, OwnModule
from kaoprof.workload.workload import Workload

STOP = signal.SIGUSR2  # asks the measuring process to end at once, and to leave nothing behind


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a child says to a request."""


class Failed(Answer, frozen=True, kw_only=True):
    """It could not be done: one of the records' statuses, and why."""

    status: fields.Status
    detail: str


class Prepared(Answer, frozen=True, kw_only=True):
    """Where the child measures."""

    environment: Environment


class DeviceConditions(Answer, frozen=True, kw_only=True):
    """The device at this moment."""

    conditions: Conditions


class CopyTimes(Answer, frozen=True, kw_only=True):
    """The fastest copy of every size."""

    copies: tuple[Copy, ...]


class Figure(Answer, frozen=True, kw_only=True):
    """Bytes that can still be allocated, FLOP/s of the fastest large product, or seconds of the smallest operation."""

    value: float


class Cleared(Answer, frozen=True, kw_only=True):
    """All subjects are forgotten."""


class Loaded(Answer, frozen=True, kw_only=True):
    """A subject stands ready; if it was compiled, what that took and in how many places it was left in pieces."""

    compile_s: float | None = None
    graph_breaks: int | None = None


class Took(Answer, frozen=True, kw_only=True):
    """Mean seconds of a call; page faults of one, and the system's share of the processor time, where it tells.

    `pace_s` is what a small reference took just before and after; None on a GPU.
    """

    seconds: fields.CallSeconds
    pace_s: fields.CallSeconds | None = None
    page_faults: float | None = None
    system_share: float | None = None


class Peak(Answer, frozen=True, kw_only=True):
    """Peak bytes of one call, above what was resident; None where the device does not tell."""

    allocated: fields.Count | None
    reserved: fields.Count | None = None


class LayersSeen(msgspec.Struct, frozen=True, kw_only=True):
    """By layer: its own seconds, the peak while it ran, what it moved and what it must move."""

    seconds: dict[str, float]
    peak_bytes: dict[str, int]
    traffic: dict[str, Traffic]
    compulsory_bytes: dict[str, int]


class Seen(Answer, frozen=True, kw_only=True):
    """What a look found: the fields of `observed` that are set, and what stands beside them in no record as it is."""

    observed: Observed = Observed()
    compulsory_bytes: int | None = None
    layers: LayersSeen | None = None


class Census(Answer, frozen=True, kw_only=True):
    """A model's census, as `profiling.census` makes it, and the workload, with the inputs that it was taken on."""

    census: Any
    workload: Workload


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An error that has a name, as it goes through JSON; `usage` says whether the request was wrong."""

    message: str
    where: str | None = None
    hint: str | None = None
    usage: bool = False


class Derived(Answer, frozen=True, kw_only=True):
    """What somebody's code costs as formulas, or why that cannot be told."""

    explanation: Explanation | None = None
    refusal: Refusal | None = None


class Whole(Answer, frozen=True, kw_only=True):
    """What was counted of a module as a whole, and its predicted peak, as `comparing.census` has them."""

    macs: int
    flops_all: int
    macs_fvcore: int | None
    uncounted: dict[str, int]
    peak_bytes_predicted: int
    unmodelled: tuple[str, ...]


class Needed(Answer, frozen=True, kw_only=True):
    """Bytes that must be there for a module to run: of input and weights, and the predicted peak above them."""

    resident: int
    peak: int


class Formula(Answer, frozen=True, kw_only=True):
    """A module's closed form, for every size that was asked about at which it holds.

    `layout` is how it takes its input; `holds` are the positions of those sizes; `objection` says why there is no form.
    """

    layout: str
    form: OwnForm | None = None
    holds: tuple[int, ...] = ()
    objection: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a parent wants; `answered_by` is the only struct, beside `Failed`, that is an answer."""

    answered_by: ClassVar[type[Answer]]

    @property
    def what(self) -> str:
        """In a word, for whoever is told that it failed."""
        return type(self).__name__.lower()


class Prepare(Request, frozen=True, kw_only=True):
    """Sets device, cores, threads, caches, attention and import paths up; the first request to a new child."""

    answered_by = Prepared
    device: str
    threads: int | None = None
    affinity: tuple[int, ...] | None = None
    cache: str = "warm"
    sdpa: str = "auto"
    paths: tuple[str, ...] = ()


class ReadConditions(Request, frozen=True):
    """Asks for clock, temperature and throttling."""

    answered_by = DeviceConditions


class ReadFree(Request, frozen=True):
    """Asks for the memory that can still be allocated."""

    answered_by = Figure


class TimeCopies(Request, frozen=True, kw_only=True):
    """Asks for the fastest copies, with `warm` or `cold` caches."""

    answered_by = CopyTimes
    cache: str = "warm"


class TimeProduct(Request, frozen=True, kw_only=True):
    """Asks for the rate of a large product in `dtype`."""

    answered_by = Figure
    dtype: str


class TimeLaunch(Request, frozen=True):
    """Asks for the seconds of the smallest operation."""

    answered_by = Figure


class Clear(Request, frozen=True):
    """Lets the child forget all subjects."""

    answered_by = Cleared


class Load(Request, frozen=True, kw_only=True):
    """Builds a subject, to be run as `variant` says."""

    answered_by = Loaded
    subject: int
    workload: Workload
    variant: str = "eager"


class Time(Request, frozen=True, kw_only=True):
    """Times a block of `calls`, after `warm_calls` that are not timed."""

    answered_by = Took
    subject: int
    calls: int = 1
    warm_calls: int = 0


class Weigh(Request, frozen=True, kw_only=True):
    """Reads the peak of one call."""

    answered_by = Peak
    subject: int

    @property
    def what(self) -> str:
        """What it reads."""
        return "peak"


class Look(Request, frozen=True, kw_only=True):
    """Looks at a subject for one `quantity`, which `bench.looks` knows.

    `layers` are the names to tell apart, `calls` how many in a row it may take; `alone` looks at the first sample only,
    and takes the others for the same; what it computes besides may take `allowed_bytes`, if that is limited.
    """

    answered_by = Seen
    subject: int
    quantity: str = ""
    layers: tuple[str, ...] = ()
    calls: int = 1
    alone: bool = False
    allowed_bytes: int | None = None

    @property
    def what(self) -> str:
        """What it looks for."""
        return self.quantity


class TakeCensus(Request, frozen=True, kw_only=True):
    """Counts a model where its code may do anything.

    Where the workload says no inputs, on those that its own config tells: `batch` samples, of `size` if there is one.
    `names` and `inside` are as in `take_census`.
    """

    answered_by = Census
    workload: Workload
    batch: int = 1
    size: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None
    inside: str = ""


class Derive(Request, frozen=True, kw_only=True):
    """Derives formulas of code that may do anything. `pickled` is the request: JSON has no tuples and no infinity."""

    answered_by = Derived
    pickled: bytes


class CountWhole(Request, frozen=True, kw_only=True):
    """Counts a module that is called as `workload.called` says, all of it at once."""

    answered_by = Whole
    workload: Workload

    @property
    def what(self) -> str:
        """What it does."""
        return "counting"


class FindNeeded(Request, frozen=True, kw_only=True):
    """Asks for the bytes that a module needs on `device`, which need not be there."""

    answered_by = Needed
    workload: Workload
    device: str
    threads: int
    sdpa: str

    @property
    def what(self) -> str:
        """What it does."""
        return "prediction"


class DeriveForm(Request, frozen=True, kw_only=True):
    """Asks for the closed form of somebody's module, by running it on symbolic sizes.

    `sizes` are those at which it is going to be compared; `seed` chooses where the form is verified.
    """

    answered_by = Formula
    own: OwnModule
    sizes: tuple[Dims, ...]
    dtype: str
    mode: str
    seed: int

    @property
    def what(self) -> str:
        """What it looks for."""
        return "derivation"


AnyRequest = (
    Prepare | ReadConditions | ReadFree | TimeCopies | TimeProduct | TimeLaunch | Clear | Load | Time | Weigh | Look
    | TakeCensus | Derive | CountWhole | FindNeeded | DeriveForm
)  # fmt: skip
AnyAnswer = (
    Failed | Prepared | DeviceConditions | CopyTimes | Figure | Cleared | Loaded | Took | Peak | Seen | Census
    | Derived | Formula | Whole | Needed
)  # fmt: skip


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """A request with its number."""

    number: int
    request: AnyRequest


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with the number of its request."""

    number: fields.Count
    answer: AnyAnswer


def preparation(
    device: str,
    *,
    threads: int | None,
    affinity: tuple[int, ...] | None = None,
    cache: str = "warm",
    sdpa: str = "auto",
) -> Prepare:
    """What a new child is told first: where and how to run, and where this process imports from."""
    paths = tuple(filter(None, sys.path))
    return Prepare(device=device, threads=threads, affinity=affinity, cache=cache, sdpa=sdpa, paths=paths)
