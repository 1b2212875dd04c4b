"""An explanation on a terminal: formulas, where the cost comes from, and what the formulas rest on."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kaoprof.records.explain import Explanation
from kaoprof.reporting.console import BAD, GOOD, QUIET
from kaoprof.reporting.tables.explain import (
    FormulaRow,
    ShareRow,
    dominating,
    formula_rows,
    foundations,
    legend_of,
    share_rows,
    title_of,
)


def explain_to_console(explanation: Explanation, *, full: bool = False) -> RenderableType:
    """The explanation as rich renderables, from 80 columns on; everything in full length if `full`."""
    parts: list[RenderableType] = [Text(title_of(explanation), style="bold")]
    parts += [_formulas(formula_rows(explanation, full=full)), Text()]
    if len(explanation.blocks) > 1:
        parts += [_shares("submodule", share_rows(explanation.blocks, full=full), modules=False), Text()]
    if explanation.operations:
        rows = share_rows(explanation.operations, full=full)
        parts += [_shares("operation", rows, modules=any(part.module for part in explanation.operations)), Text()]
    parts += [Text(dominating(explanation)), *map(_foundation, foundations(explanation)), Text()]
    return Group(*parts, *(Text(sentence, style=QUIET) for sentence in legend_of(explanation, powers=True)))


def _foundation(sentence: str) -> Text:
    style = {"proof:": GOOD, "NO": BAD, "no": BAD}.get(sentence.split(maxsplit=1)[0], "")
    return Text(sentence, style=style)


def _formulas(rows: list[FormulaRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("formula", overflow="fold", ratio=1)
    table.add_column("order", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    for row in rows:
        line_break = "\n" if row.expression and row.remark else ""
        table.add_row(
            Text(row.label),
            Text.assemble(row.expression, line_break, (row.remark, QUIET)),
            Text.assemble(row.order, (f"\n{row.powers}", QUIET) if row.powers else ""),
            Text(row.value),
        )
    return table


def _shares(kind: str, rows: list[ShareRow], *, modules: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column(kind, overflow="fold", max_width=30)
    if modules:
        table.add_column("in", overflow="fold", max_width=24, style=QUIET)
    table.add_column("MACs", overflow="fold")
    table.add_column("of MACs", justify="right", no_wrap=True)
    table.add_column("of FLOPs", justify="right", no_wrap=True)
    for row in rows:
        where = [Text(row.module)] if modules else []
        table.add_row(Text(row.name), *where, Text(row.macs), Text(row.macs_share), Text(row.flops_share))
    return table
