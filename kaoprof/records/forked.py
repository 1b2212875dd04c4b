"""Work on pieces that forked processes share: each knows what this one does, and results come back in order.

Whatever ends this process ends them, too.
"""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

from kaoprof.errors import KaoprofError, OutputError

P = TypeVar("P")
R = TypeVar("R")
MOST_PROCESSES = 4


def processes_here() -> int:
    """How many processes may share some work; 1 where forking is not safe: beside threads, and not on Linux."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 1
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def in_order(work: Callable[[P], R], pieces: Sequence[P], processes: int) -> Iterator[R]:
    """What `work` makes of each piece, by so many processes at once; one is this one.

    Raises:
        KaoprofError: what one of the processes raised.
        OutputError: one was killed.
    """
    if processes == 1:
        yield from map(work, pieces)
        return
    fork = multiprocessing.get_context("fork")
    with ExitStack() as stack:
        sources: list[Connection] = []
        for number in range(min(processes, len(pieces))):
            source, sink = fork.Pipe(duplex=False)
            sources.append(stack.enter_context(closing(source)))
            worker = fork.Process(
                target=_work, args=(work, pieces[number::processes], sink, tuple(sources)), daemon=True
            )
            worker.start()
            sink.close()
            stack.callback(_end, worker)
        for _, source in zip(pieces, itertools.cycle(sources)):
            yield _received(source)


def _received(source: Connection) -> Any:
    try:
        received = source.recv()
    except EOFError:
        hint = "was it killed, for want of memory?"
        raise OutputError("a process that did a part of the work ended too early", hint=hint) from None
    if isinstance(received, KaoprofError):
        raise received
    return received


def _end(worker: ForkProcess) -> None:
    worker.kill()
    worker.join()


def _work(work: Callable[[P], R], pieces: Sequence[P], sink: Connection, sources: Sequence[Connection]) -> None:
    """Works on its pieces, one after another; a pipe that nobody reads any more ends it."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # which also this one's parent gets: it ends all
    for source in sources:
        source.close()
    try:
        for piece in pieces:
            sink.send(work(piece))
    except KaoprofError as error:
        sink.send(error)
