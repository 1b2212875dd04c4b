"""The lines of many rows that stay in their file, written by several processes at once: pieces of it, put in order.

They are forked, so that each knows the record without reading it again; whatever ends this process ends them, too.
"""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import cast

from msgspec.structs import replace

from kaoprof.errors import KaoprofError, OutputError
from kaoprof.findings.tally import Sums, Tally
from kaoprof.records.compare import Record, Row
from kaoprof.records.stored_rows import StoredRows

FROM_ROWS = 4000  # fewer are written within a second
PIECE_ROWS = 250  # about as many: a few hundred kilobytes of lines, of which each process holds one piece
MOST_PROCESSES = 4

Piece = Sequence[Iterable[Row]]  # cells
Lines = Callable[[Record, Tally], Iterator[str]]


def processes_for(rows: Sequence[Row]) -> int:
    """How many processes these rows are worth; 1 where forking is not safe, or there is nothing to gain."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 1
    if not isinstance(rows, StoredRows) or len(rows) < FROM_ROWS:
        return 1
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def shared_lines(record: Record, tally: Tally, lines: Lines, processes: int) -> Iterator[str]:
    """What `lines` makes of a record whose rows stay in their file, in order; at the end the tally has the sums of all.

    Raises:
        KaoprofError: what one of the processes raised.
        OutputError: one was killed.
    """
    tally.restart()
    pieces = _pieces(cast("StoredRows[Row]", record.rows))
    fork = multiprocessing.get_context("fork")
    with ExitStack() as stack:
        sources: list[Connection] = []
        for number in range(min(processes, len(pieces))):
            source, sink = fork.Pipe(duplex=False)
            sources.append(stack.enter_context(closing(source)))
            worker = fork.Process(
                target=_work, args=(record, pieces[number::processes], lines, sink, tuple(sources)), daemon=True
            )
            worker.start()
            sink.close()
            stack.callback(_end, worker)
        for _, source in zip(pieces, itertools.cycle(sources)):
            text, part = _received(source)
            tally.join(part)
            yield text
    tally.whole = True


def _pieces(rows: StoredRows[Row]) -> list[Piece]:
    """The cells, about so many rows together, none of them read yet."""
    number = max(1, len(rows) // PIECE_ROWS)
    cells = list(rows.groups().values())
    size = -(-len(cells) // number)
    return [cells[begin : begin + size] for begin in range(0, len(cells), size)]


def _received(source: Connection) -> tuple[str, Sums]:
    try:
        received = source.recv()
    except EOFError:
        hint = "was it killed, for want of memory?"
        raise OutputError("a process that wrote a part of the rows ended too early", hint=hint) from None
    if isinstance(received, KaoprofError):
        raise received
    text, part = received
    return text, part


def _end(worker: ForkProcess) -> None:
    worker.kill()
    worker.join()


def _work(
    record: Record, pieces: Sequence[Piece], lines: Lines, sink: Connection, sources: Sequence[Connection]
) -> None:
    """Writes its pieces, one after another; a pipe that nobody reads any more ends it."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # which also this one's parent gets: it ends all
    for source in sources:
        source.close()
    try:
        for cells in pieces:
            part = Tally(replace(record, rows=tuple(row for rows in cells for row in rows)))
            sink.send(("".join(lines(part.record, part)), part.sums))
    except KaoprofError as error:
        sink.send(error)
