"""Many grid cells as LaTeX: sizes down, operators across, so that a grid fits across a two-column paper."""

from collections.abc import Iterator, Sequence

from kaoprof.reporting.document import sheet_to_latex
from kaoprof.reporting.formats.latex import TIMES, below, escape, escape_sentence
from kaoprof.reporting.grid_growth import growth_sheets
from kaoprof.reporting.sentences.protocol import MAP_MEANING, protocol_of
from kaoprof.reporting.tables.compare import PREDICTED, UNKNOWN
from kaoprof.reporting.tables.grid import Grid, Placed
from kaoprof.reporting.tables.grid_rows import UNSURE, Matrix, counted_warnings, matrix_of, short_cells, tells_nothing

ACROSS = 4  # operators beside each other: more do not fit across a page
MOST_LINES = 45  # of one table: more do not fit on a page
FUSED = r"$^\dagger$"
GROUP = r"@{\hspace{5pt}}"  # room before an operator's columns
MEANING = (
    "1 MAC = 2 FLOPs, MACs of one sample; memory and latency of the whole batch. Each operator by its fastest "
    "implementation at that size."
)


def grid_to_latex(grid: Grid) -> str:
    """All sizes as booktabs tables, blocks after each other under rules; as many tables as pages ask for."""
    matrices = [matrix_of(grid, block) for block in grid.blocks]
    operators = tuple(dict.fromkeys(name for matrix in matrices for name in matrix.operators))
    groups = [operators[start : start + ACROSS] for start in range(0, len(operators), ACROSS)]
    pages = [page for group in groups for page in _pages(grid, matrices, group)]
    tables = [_table(grid, group, lines, number, len(pages)) for number, (group, lines) in enumerate(pages)]
    return "\n".join([*tables, *map(sheet_to_latex, growth_sheets(grid))])


def _pages(
    grid: Grid, matrices: Sequence[Matrix], operators: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[str]]]:
    """The lines of each table, no block's heading at the end of one."""
    lines: list[str] = []
    for matrix in matrices:
        block = _block(grid, matrix, operators)
        for start in range(0, len(block), MOST_LINES):
            part = block[start : start + MOST_LINES]
            heading = _heading(matrix.label, operators, grid, first=not lines)
            if lines and len(lines) + len(heading) + len(part) > MOST_LINES:
                yield operators, lines
                lines, heading = [], _heading(matrix.label, operators, grid, first=True)
            lines += [*heading, *part]
    if lines:
        yield operators, lines


def _heading(label: str, operators: Sequence[str], grid: Grid, *, first: bool) -> list[str]:
    columns = 1 + sum(len(_kinds(grid, name)) for name in operators)
    rule = [] if first else [r"\midrule"]
    return [*rule, rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{escape(label)}}}}} \\"] if label else rule


def _kinds(grid: Grid, operator: str) -> tuple[str, ...]:
    """The columns of one operator; the baseline is not compared with itself, and what was not measured has no time."""
    measured = any(run.record.protocol for run in grid.runs)
    if not measured:
        return ("MACs", "Map")
    compared = all(run.record.baseline != operator for run in grid.runs)
    return ("MACs", "Peak", "Latency", *((TIMES,) if compared else ()))


def _block(grid: Grid, matrix: Matrix, operators: Sequence[str]) -> list[str]:
    lines = []
    for size in matrix.sizes:
        texts = [str(size) if grid.x else ""]
        for operator in operators:
            row = matrix.best.get((size, operator))
            texts += [UNKNOWN] * len(_kinds(grid, operator)) if row is None else _texts(grid, row, operator)
        lines.append(" & ".join(texts) + r" \\")
    return lines


def _texts(grid: Grid, row: Placed, operator: str) -> list[str]:
    macs, memory, time, speedup = short_cells(row)
    star = "$^*$" if memory.endswith(PREDICTED) else ""
    cells = {
        "MACs": _number(macs),
        "Map": _number(memory),
        "Peak": _number(memory.removesuffix(PREDICTED)) + star,
        "Latency": _number(time) + (FUSED if row.standing.row.case.implementation == "sdpa" else ""),
        TIMES: speedup.removesuffix("x"),
    }
    return [cells[kind] for kind in _kinds(grid, operator)]


def _number(text: str) -> str:
    """A number and its unit, which stay together."""
    return escape(text).replace(" ", r"\,")


def _table(grid: Grid, operators: Sequence[str], lines: Sequence[str], number: int, of: int) -> str:
    kinds = [(operator, _kinds(grid, operator)) for operator in operators]
    spans, rules, column = [], [], 2
    for operator, names in kinds:
        spans.append(rf"\multicolumn{{{len(names)}}}{{c}}{{\texttt{{{escape(operator)}}}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + len(names) - 1}}}")
        column += len(names)
    size = rf"${escape(grid.x_label)}$" if grid.x else ""
    columns = "".join(GROUP + "r" * len(names) for _, names in kinds)
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{2pt}",
            rf"\caption{{{_caption(grid, number, of)}}}",
            rf"\begin{{tabular}}{{@{{}}r{columns}@{{}}}}",
            r"\toprule",
            rf"{size} & {' & '.join(spans)} \\",
            " ".join(rules),
            " & ".join(["", *(kind for _, names in kinds for kind in names)]) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *(below(_notes(grid, lines, of)) if number == 0 else ()),
            r"\end{table*}",
            "",
        ]
    )


def _caption(grid: Grid, number: int, of: int) -> str:
    if number:
        return escape(f"Attention operators, continued ({number + 1} of {of}).")
    return escape_sentence(f"Attention operators; {grid.title}. {MEANING}")


def _notes(grid: Grid, lines: Sequence[str], of: int) -> str:
    text = "".join(lines)
    sentences = [] if any(run.record.protocol for run in grid.runs) else [MAP_MEANING]
    for run in grid.runs:
        where = f"{run.name}: " if len(grid.runs) > 1 else ""
        sentences += [f"{where}{sentence}" for sentence in protocol_of(run.record)]
    sentences += [f"Warning: {warning}." for warning in counted_warnings(grid.runs)]
    baselines = ", ".join(sorted({run.record.baseline for run in grid.runs}))
    faster = rf"{TIMES}: as fast as \texttt{{{escape(baselines)}}}'s fastest implementation, in paired rounds."
    marks = [faster] if any(row.standing.speedup for row in grid.rows) else []
    marks += [escape(UNSURE)] if any(tells_nothing(row.standing.speedup) for row in grid.rows) else []
    marks += [rf"{FUSED} fused attention (sdpa)."] if FUSED in text or of > 1 else []
    marks += ["$^*$ predicted."] if "$^*$" in text or of > 1 else []
    return " ".join([*map(escape, sentences), *marks])
