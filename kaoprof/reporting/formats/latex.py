"""LaTeX: a booktabs table per grid cell that stands in a paper as it is; needs only the package booktabs."""

import re
from collections.abc import Sequence

from msgspec.structs import replace

from kaoprof.findings.operators import Standing, standings, warnings_of
from kaoprof.records.compare import Record
from kaoprof.reporting.formats.mathematics import EXPONENT, order_latex
from kaoprof.reporting.formats.plain import visible
from kaoprof.reporting.sentences.limits import ceilings_sentence
from kaoprof.reporting.sentences.protocol import MAP_MEANING, protocol_of, ratios_of
from kaoprof.reporting.tables.compare import UNKNOWN, Cells, cells_of, title_of
from kaoprof.units import format_seconds_surely, sure_digits, sure_interval, time_unit

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "µ": r"\textmu{}",
}  # fmt: skip
STAR = "$^*$"  # at what was predicted
WIDE = "table*"  # across both columns of a paper
TIMES = r"$\times$"
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
# what a sentence says in plain text: an order or a power, times, and a range of figures, which a date is not
FORMULA = re.compile(
    rf"O\([a-z0-9^ ]+\)|\b(?:[a-z]|\d+){EXPONENT}\b"
    r"|(?<=\d)x(?!\w)|(?<=[\dc]) x (?=[\dc])|(?<=\d)(?<!-\d\d)-(?=\d)(?!\d\d-)"
)
SIGNS = {"x": TIMES, "-": "--"}
LONGEST_HEADER = 24  # characters; what is longer stands over text, which is wider still
LAST_WORD = re.compile(r"(?<!95) (?=95 %$|\S+$)")  # where a header breaks: "95 %" is one word
BOUNDS = "Bound by c: arithmetic (compute), m: memory, l: the launch of operations."


def escape(text: str) -> str:
    """`text` with everything that LaTeX would interpret made literal; two hyphens stay two."""
    return "".join(ESCAPES.get(sign, sign) for sign in visible(text)).replace("--", "-{}-")


def escape_sentence(text: str) -> str:
    """`text` escaped, but as a paper prints it: `O(h^4 c)` and `h^4` in mathematics, `1.53x`, `8 x 64`, `70.4-75.0`."""
    parts, end = [], 0
    for found in FORMULA.finditer(text):
        sign = found[0]
        parts += [escape(text[end : found.start()]), SIGNS.get(sign.strip()) or order_latex(sign)]
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def to_latex(record: Record) -> str:
    """The record as LaTeX, one `table` per grid cell."""
    return "\n".join(_table(record, cell) for cell in standings(record).values())


def _table(record: Record, cell: list[Standing]) -> str:
    filled = [_texts(standing) for standing in cell]
    shown = [column for column in range(len(HEADERS)) if any(texts[column] != UNKNOWN for texts in filled)]
    rows = [" & ".join(texts[column] for column in shown) + r" \\" for texts in filled]
    skipped = [f"{standing.row.case.name}: {standing.row.detail}." for standing in cell if standing.row.detail]
    alone = replace(record, rows=tuple(standing.row for standing in cell))
    caption = f"Attention operators; {title_of(record, cell[0].row)}. 1 MAC = 2 FLOPs."
    notes = " ".join(
        escape_sentence(sentence)
        for sentence in (
            ratios_of(record, cell) or "",
            MAP_MEANING,
            ceilings_sentence(record) or "",
            *protocol_of(record),
            *(f"Warning: {warning}." for warning in warnings_of(alone)),
            *skipped,
            BOUNDS if any(standing.demand for standing in cell) else "",
            "* predicted." if any(STAR in row for row in rows) else "",
        )
        if sentence
    )
    columns = "".join("ll"[column : column + 1] or "r" for column in shown)
    return booktabs(escape_sentence(caption), columns, [HEADERS[column] for column in shown], rows, notes)


def booktabs(
    caption: str, columns: str, headers: Sequence[str], rows: Sequence[str], notes: str = "", environment: str = WIDE
) -> str:
    """A table: caption, rows and the notes below are LaTeX already, headers are text; `table*` spans both columns.

    The last word of a header of several stands in a second line, so that figures and not words set the width.
    """
    lines = [lines_of(header) for header in headers]
    first = " & ".join(escape_sentence(line[0]) for line in lines)
    second = " & ".join(escape_sentence("".join(line[1:])) for line in lines)
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            rf"\begin{{{environment}}}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            rf"{first} \\",
            *([rf"{second} \\"] if second.replace("&", "").strip() else []),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *below(notes),
            rf"\end{{{environment}}}",
            "",
        ]
    )


def lines_of(header: str) -> list[str]:
    """Its words, the last one by itself; a whole sentence stays one."""
    return LAST_WORD.split(header, maxsplit=1) if len(header) <= LONGEST_HEADER else [header]


def below(notes: str) -> list[str]:
    """Under a table, in small type: what a reader may want to know, while the caption only says what the table is."""
    return [rf"\par\smallskip\parbox{{\linewidth}}{{\scriptsize {notes}}}"] if notes else []


def _texts(standing: Standing) -> list[str]:
    """A row's texts under `HEADERS`."""
    cells = cells_of(standing)
    name = rf"\texttt{{{escape(f'{cells.operator}:{cells.implementation}')}}}"
    texts = (name, _order(cells.order_time), escape(cells.macs), escape(cells.map), _peak(cells),
             _latency(standing, cells), _floor(cells), _times(cells.macs_ratio), _times(cells.memory_ratio),
             _speedup(standing))  # fmt: skip
    return [text.replace(" ", "~") if text is not name else text for text in texts]


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
    return escape(cells.peak) if cells.peak != UNKNOWN else f"{escape(cells.predicted)}{STAR}"


def _order(order: str) -> str:
    return order_latex(order) if order != UNKNOWN else UNKNOWN


def _times(ratio: str) -> str:
    """`306x` as 306 times."""
    return f"${ratio.removesuffix('x')}\\times$" if ratio != UNKNOWN else UNKNOWN
