"""The lines of many rows that stay in their file, written by several processes at once: pieces of it, put in order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from msgspec.structs import replace

from kaoprof.findings.tally import Sums, Tally
from kaoprof.records.compare import Record, Row
from kaoprof.records.forked import in_order, processes_here
from kaoprof.records.stored_rows import StoredRows

FROM_ROWS = 4000  # fewer are written within a second
PIECE_ROWS = 250  # about as many: a few hundred kilobytes of lines, of which each process holds one piece

Piece = Sequence[Iterable[Row]]  # cells
Lines = Callable[[Record, Tally], Iterator[str]]


def processes_for(rows: Sequence[Row]) -> int:
    """How many processes these rows are worth."""
    return processes_here() if isinstance(rows, StoredRows) and len(rows) >= FROM_ROWS else 1


def shared_lines(record: Record, tally: Tally, lines: Lines, processes: int) -> Iterator[str]:
    """What `lines` makes of a record whose rows stay in their file, in order; at the end the tally has the sums of all.

    Raises:
        KaoprofError: what one of the processes raised.
        OutputError: one was killed.
    """
    tally.restart()

    def written(cells: Piece) -> tuple[str, Sums]:
        part = Tally(replace(record, rows=tuple(row for rows in cells for row in rows)))
        return "".join(lines(part.record, part)), part.sums

    for text, sums in in_order(written, _pieces(cast("StoredRows[Row]", record.rows)), processes):
        tally.join(sums)
        yield text
    tally.whole = True


def _pieces(rows: StoredRows[Row]) -> list[Piece]:
    """The cells, about so many rows together, none of them read yet."""
    number = max(1, len(rows) // PIECE_ROWS)
    cells = list(rows.groups().values())
    size = -(-len(cells) // number)
    return [cells[begin : begin + size] for begin in range(0, len(cells), size)]
