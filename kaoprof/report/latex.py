"""LaTeX: a booktabs table per grid cell that stands in a paper as it is; needs only the package booktabs."""

import re
from collections.abc import Sequence

from kaoprof.findings import Standing, standings, warnings_of
from kaoprof.records import Record
from kaoprof.report.cells import UNKNOWN, Cells, cells_of, title_of
from kaoprof.report.limits import ceilings_sentence
from kaoprof.report.plain import visible
from kaoprof.report.sentences import protocol_of, ratios_of
from kaoprof.units import format_seconds_surely, sure_digits, sure_interval, time_unit

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "µ": r"\textmu{}",
}  # fmt: skip
HEADERS = (
    "Operator",
    "Order",
    "MACs",
    "Map",
    "Peak",
    "Latency",
    "Times floor",
    "MACs ratio",
    "Memory ratio",
    "Speedup",
)


BOUNDS = "Bound by c: arithmetic (compute), m: memory, l: the launch of operations."


def escape(text: str) -> str:
    """`text` with everything that LaTeX would interpret made literal; two hyphens stay two."""
    return "".join(ESCAPES.get(sign, sign) for sign in visible(text)).replace("--", "-{}-")


def to_latex(record: Record) -> str:
    """The record as LaTeX, one `table` per grid cell."""
    return "\n".join(_table(record, cell) for cell in standings(record).values())


def _table(record: Record, cell: list[Standing]) -> str:
    rows = [_row(standing) for standing in cell]
    skipped = [f"{standing.row.case.name}: {standing.row.detail}." for standing in cell if standing.row.detail]
    caption = " ".join(
        escape(sentence)
        for sentence in (
            f"Attention operators; {title_of(record, cell[0].row)}. 1 MAC = 2 FLOPs.",
            ratios_of(record, cell) or "",
            ceilings_sentence(record) or "",
            *protocol_of(record),
            *(f"Warning: {warning}." for warning in warnings_of(record)),
            *skipped,
            BOUNDS if any(standing.demand for standing in cell) else "",
            "* predicted." if any(standing.row.peak_bytes_measured is None for standing in cell) else "",
        )
        if sentence
    )
    return booktabs(caption, "llrrrrrrrr", HEADERS, rows)


def booktabs(caption: str, columns: str, headers: Sequence[str], rows: Sequence[str]) -> str:
    """A table across both columns of a paper: caption and rows are LaTeX already, headers are text.

    The last word of a header of several stands in a second line, so that figures and not words set the width.
    """
    lines = [header.rsplit(" ", 1) for header in headers]
    first = " & ".join(escape(line[0]) for line in lines)
    second = " & ".join(escape("".join(line[1:])) for line in lines)
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            rf"{first} \\",
            *([rf"{second} \\"] if second.replace("&", "").strip() else []),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def _row(standing: Standing) -> str:
    cells = cells_of(standing)
    name = rf"\texttt{{{escape(f'{cells.operator}:{cells.implementation}')}}}"
    texts = (name, _order(cells.order_time), escape(cells.macs), escape(cells.map), _peak(cells),
             _latency(standing, cells), _floor(cells), _times(cells.macs_ratio), _times(cells.memory_ratio),
             _speedup(standing))  # fmt: skip
    return " & ".join(text.replace(" ", "~") if text is not name else text for text in texts) + r" \\"


def _latency(standing: Standing, cells: Cells) -> str:
    """Median and interval with the digits that the interval supports: `71~ms (70.4--75.0)`."""
    latency = standing.latency
    if latency is None:
        return escape(cells.latency)
    text = escape(format_seconds_surely(latency.median, latency.low, latency.high))
    if latency.low is None or latency.high is None:
        return text
    factor, _ = time_unit(latency.median)
    interval = sure_interval(latency.median / factor, latency.low / factor, latency.high / factor)
    return f"{text} ({interval.replace('-', '--')})"


def _speedup(standing: Standing) -> str:
    speedup = standing.speedup
    if speedup is None:
        return UNKNOWN
    times = _times(f"{sure_digits(speedup.median, speedup.low, speedup.high)}x")
    if speedup.low is None or speedup.high is None:
        return times
    return f"{times} ({sure_interval(speedup.median, speedup.low, speedup.high).replace('-', '--')})"


def _floor(cells: Cells) -> str:
    """How far above the floor, and the first letter of what binds, for `BOUNDS`."""
    bound = rf"$^{{\mathrm{{{cells.bound[0]}}}}}$" if cells.bound else ""
    return f"{_times(cells.times_floor)}{bound}"


def _peak(cells: Cells) -> str:
    """The measured peak; the predicted one with a star."""
    if cells.peak == cells.predicted == UNKNOWN:
        return UNKNOWN
    return escape(cells.peak) if cells.peak != UNKNOWN else rf"{escape(cells.predicted)}$^*$"


def _order(order: str) -> str:
    """`O(h^4 c)` as mathematics."""
    mathematics = re.sub(r"\^(\d+)", r"^{\1}", order)
    return f"${mathematics}$" if order != UNKNOWN else UNKNOWN


def _times(ratio: str) -> str:
    """`306x` as 306 times."""
    return f"${ratio.removesuffix('x')}\\times$" if ratio != UNKNOWN else UNKNOWN
