"""The warnings of thousands of rows, summed up while these pass by: one sentence each, the first rows by name. Pure."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from kaoprof.findings.operators import ROW_WARNINGS, baseline_warnings, ceiling_warnings, row_warnings
from kaoprof.findings.roofline import Limits, work_limits, work_of
from kaoprof.findings.surroundings import environment_warnings, overrun, overrun_warning
from kaoprof.records.compare import Record, Row
from kaoprof.stats.timings import quiet_s

NAMED = 2  # rows that a warning names; of more it gives the number
BEATEN, OVER = "beaten floors", "overrun"  # keys of what is counted beside the sentences about single rows


class Sums(msgspec.Struct):
    """What is summed: the first rows that each warning names, how many it concerns, rows by status, and operators."""

    first: dict[str, list[str]] = {}
    concerned: Counter[str] = msgspec.field(default_factory=Counter)
    states: Counter[str] = msgspec.field(default_factory=Counter)
    operators: set[str] = set()
    rows: int = 0


class Tally:
    """What is summed of the rows of a record, which are added one by one; `whole` once all of them were."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.restart()

    def restart(self) -> None:
        """Forgets what was added."""
        self.whole = False
        self.sums = Sums()

    def join(self, sums: Sums) -> None:
        """What was summed of the rows that come next."""
        for sentence, named in sums.first.items():
            first = self.sums.first.setdefault(sentence, [])
            first += named[: NAMED - len(first)]
        self.sums.concerned += sums.concerned
        self.sums.states += sums.states
        self.sums.operators |= sums.operators
        self.sums.rows += sums.rows

    def add(self, row: Row, warnings: Iterable[tuple[str, str]], limits: Limits | None) -> None:
        """A row, what a careful reader must know of it, and what the device's limits say."""
        self.sums.rows += 1
        self.sums.operators.add(row.case.operator)
        if row.status != "ok":
            self.sums.states[row.status] += 1
        for sentence, text in warnings:
            self._note(sentence, row, text)
        if (times := limits and limits.times_floor) and times < 1:
            self._note(BEATEN, row, f"{times:.2f}x")
        if over := overrun(row, self.record.protocol):
            self._note(OVER, row, over)

    def _note(self, sentence: str, row: Row, text: str) -> None:
        self.sums.concerned[sentence] += 1
        first = self.sums.first.setdefault(sentence, [])
        if len(first) < NAMED:
            first.append(f"{row.case.name} at {row.case.dims}{' ' if text.startswith('(') else ': '}{text}")

    def _named(self, sentence: str) -> str:
        first, more = self.sums.first.get(sentence, []), self.sums.concerned[sentence] - NAMED
        return f"{', '.join(first)}{f' and {more} more of {self.sums.rows} rows' if more > 0 else ''}"

    def warnings(self) -> list[str]:
        """The warnings of `compare`, not cell by cell but in one sentence each."""
        found = [f"{sentence}: {self._named(sentence)}" for sentence in ROW_WARNINGS if self.sums.first.get(sentence)]
        found += baseline_warnings(self.record.baseline, self.sums.operators) if self.sums.rows else []
        found += ceiling_warnings(self._named(BEATEN))
        if self.sums.concerned[OVER] and self.record.protocol:
            found.append(overrun_warning(self._named(OVER), self.record.protocol))
        return found + environment_warnings(self.record)

    def failures(self) -> list[str]:
        """How many rows have no figures, by why."""
        return [f"{status}: {count} of {self.sums.rows} rows" for status, count in sorted(self.sums.states.items())]


def tally_of(record: Record) -> Tally:
    """All rows of a record, summed."""
    tally = Tally(record)
    for row in record.rows:
        seconds = quiet_s(row.latency) if row.latency else None
        tally.add(row, row_warnings(row), work_limits(work_of(row), record.protocol, seconds))
    tally.whole = True
    return tally


def sweep_warnings(record: Record) -> list[str]:
    """The warnings of `compare`, not cell by cell but in one sentence each."""
    return tally_of(record).warnings()
