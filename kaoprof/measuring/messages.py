"""What parent and child say to each other: one JSON object per line, a request down, a reply up."""

import sys
from typing import Any, Protocol

import msgspec

from kaoprof.workload.workload import Workload


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`do` names what the child does; the other fields are what that needs.

    `prepare` sets device, cores, threads, caches and import paths up and answers with the environment; `load` builds a
    subject, and answers with the seconds that compiling it took, if it was; `peak` and `time` run it; `layers` times
    and weighs its layers; `traffic` traces it, `denormals` inspects its coefficients, `deviation` compares it with
    fp64, `energy` reads the meter; `census` counts a model; `throughput`, `copies`, `launch`, `conditions` and `free`
    ask about the device; `clear` forgets all.
    """

    do: str
    subject: int | None = None
    workload: Workload | None = None
    device: str | None = None
    threads: int | None = None
    calls: int = 1
    warm_calls: int = 0
    dtype: str | None = None
    layers: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    variant: str = "eager"
    alone: bool = False  # trace the first sample only, and take the others for the same
    cache: str = "warm"
    sdpa: str = "auto"
    affinity: tuple[int, ...] | None = None


class Asks(Protocol):
    """What a session needs of a child."""

    def ask(self, request: Request, *, timeout_s: float) -> Any:
        """Sends a request and returns its answer's value."""

    def kill(self) -> None:
        """Ends the child."""


def preparation(
    device: str,
    *,
    threads: int | None,
    affinity: tuple[int, ...] | None = None,
    cache: str = "warm",
    sdpa: str = "auto",
) -> Request:
    """What a new child is told first: where and how to run, and where this process imports from."""
    paths = tuple(filter(None, sys.path))
    return Request(do="prepare", device=device, threads=threads, affinity=affinity, cache=cache, sdpa=sdpa, paths=paths)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is `ok` with a `value`, or one of the records' statuses with a `detail`."""

    status: str
    value: Any = None
    detail: str = ""


def encode(message: Request | Reply) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """The request in a line."""
    return msgspec.json.decode(line, type=Request)


def decode_reply(line: bytes) -> Reply:
    """The reply in a line.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(line, type=Reply)
