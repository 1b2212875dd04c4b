"""What is seen of a sweep while it runs: two overwritten lines on a terminal, elsewhere a line per measured cell."""

import math
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from kaoprof.cli.progress import CLEAR_LINE
from kaoprof.cli.streams import let_go, say
from kaoprof.findings.growth import growths
from kaoprof.records.compare import Row
from kaoprof.records.journal import AnyRow
from kaoprof.records.sweep import Plan
from kaoprof.reporting.formats.plain import visible
from kaoprof.sweeping.run import SweepProgress
from kaoprof.units import counted, format_seconds

UP = "\x1b[1A"
LEAST_S = 0.1  # between two looks at a terminal: nobody reads faster
Watch = Callable[[SweepProgress], None]


@contextmanager
def shown_sweep(plan: Plan, journal: Path) -> Iterator[Watch]:
    """A callback that shows where a sweep stands; the lines that it wrote over are gone when the block ends."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    screen = Screen(width=shutil.get_terminal_size().columns) if terminal else None
    in_a_log = _line_per_cell if not plan.options.analytic else None
    show = screen.show if screen else in_a_log
    begun = False

    def watch(progress: SweepProgress) -> None:
        nonlocal begun
        if not begun and progress.step is None and not progress.finished:
            begun = True
            say(_beginning(progress, journal))
        elif progress.step is not None and progress.step.warning:
            if screen is not None:
                screen.clear()
            say(f"warning: {progress.step.warning}")
        elif show is not None:
            show(progress)

    try:
        yield watch
    finally:
        if screen is not None:
            screen.clear()


def _beginning(progress: SweepProgress, journal: Path) -> str:
    """How many cells there are, and how many an earlier run has left."""
    cells = counted(progress.total, "cell")
    if not progress.done:
        return f"{cells}, kept in the journal {journal}"
    done = "all" if progress.done == progress.total else progress.done
    return f"{cells}, {done} of them in the journal {journal} already"


def _line_per_cell(progress: SweepProgress) -> None:
    """For a log: what was finished, and a sign of life for whoever watches over jobs that say nothing."""
    if progress.finished:
        case = progress.finished[0].case
        statuses = Counter(row.status for row in progress.finished)
        rows = ", ".join(f"{times} {status}" for status, times in statuses.items())
        say(f"{progress.done}/{progress.total} {case.setting}: {rows}{_where(progress)}{_left(progress)}")


def _where(progress: SweepProgress) -> str:
    return f"; {progress.where}" if progress.where else ""


def _left(progress: SweepProgress) -> str:
    if progress.left_s is None or progress.done == progress.total:
        return ""
    return f"; about {format_seconds(progress.left_s)} left"


@dataclass(kw_only=True)
class Screen:
    """Two lines of a terminal: cells and the current one; and the exponents as far as they show."""

    width: int
    clock: Callable[[], float] = time.monotonic
    shown_s: float = -math.inf
    laws: str = ""

    def show(self, progress: SweepProgress) -> None:
        """Writes over what was there, unless that was a moment ago."""
        now = self.clock()
        if progress.finished:
            self.laws = emerging(progress.rows)
        elif now - self.shown_s < LEAST_S:
            return
        self.shown_s = now
        step = progress.step
        doing = f"; {step.step} {step.done + 1}/{step.total}: {step.label}" if step else ""
        first = f"{progress.done}/{progress.total} cells{_where(progress)}{_left(progress)}{doing}"
        first, second = (visible(line)[: self.width - 1] for line in (first, self.laws))
        self.write(f"{CLEAR_LINE}{first}\n{CLEAR_LINE}{second}{UP}")

    def clear(self) -> None:
        """Leaves both lines empty."""
        self.write(f"{CLEAR_LINE}\n{CLEAR_LINE}{UP}")

    def write(self, text: str) -> None:
        """To the terminal, if it is still there."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            let_go(sys.stderr.fileno())


def emerging(swept: Sequence[AnyRow]) -> str:
    """The exponents of the time among the rows that differ from the latest in their spatial sizes only."""
    rows = [row for row in swept if isinstance(row, Row)]  # one model has too few sizes for a law
    if not rows:
        return ""
    latest = replace(rows[-1].case, spatial=(), operator="", implementation="")
    alike = [row for row in rows if replace(row.case, spatial=(), operator="", implementation="") == latest]
    laws = {
        growth.line.case.name: f"{growth.line.axis}^{law.exponent:.2f} {growth.line.case.name}"
        for growth in growths(alike)
        if (law := growth.laws.get("latency")) and law.exponent is not None
    }
    return f"time grows as {', '.join(laws.values())}" if laws else ""
