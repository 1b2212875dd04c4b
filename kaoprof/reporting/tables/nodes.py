"""How the nodes of a cluster differ that did the same cells: a line for each, and on demand every row on two."""

from collections import Counter
from collections.abc import Iterator, Sequence

from kaoprof.diffing.nodes import NodeBeside, node_name, nodes_beside
from kaoprof.records.diff import FASTER, SLOWER, UNSURE
from kaoprof.reporting.document import UNKNOWN, Medium, Notes, Page, Span, Table, Tone, columns_of
from kaoprof.reporting.tables.diff import MOST_SHOWN, TONES, by_cell, time_cells
from kaoprof.reporting.tables.grid import NamedRun
from kaoprof.units import counted, format_ratio

HEADERS = ("node", "rows", "counts", "time", "95 %", "slower", "faster", "unsure")
EQUAL = "="
MOST_NAMED = 5  # rows, of those that are counted differently
MEANING = (
    "Time: of the same rows on this node over those on {first}, the geometric mean, as it was meanwhile. Slower, "
    "faster: rows of which that is sure beyond 5 %. A ratio of operators is that of one node, never across nodes."
)


def are_nodes(runs: Sequence[NamedRun]) -> bool:
    """Whether these runs are the same cells on several nodes."""
    names = [node_name(run.record) if hasattr(run.record, "environment") else "" for run in runs]
    return len(names) > 1 and all(names) and len(set(names)) == len(names)


def page_of(runs: Sequence[NamedRun], medium: Medium) -> Page:
    """How each node differs from the first one."""
    first, beside = node_name(runs[0].record), nodes_beside([run.record for run in runs])
    table = Table(
        title=f"{len(runs)} nodes: {summary_of(first, beside)}",
        columns=columns_of(HEADERS),
        rows=((first, str(len(runs[0].record.rows)), "", "1x", *[""] * 4), *map(_cells, beside)),
        notes=tuple(_notes(beside)),
        details=(MEANING.format(first=first),),
        tones={"!": Tone.BAD},
    )
    rows = tuple(table for node in beside for table in _tables(first, node, detail=medium == Medium.SCREEN))
    return Page(blocks=(table, *rows))


def summary_of(first: str, beside: Sequence[NodeBeside]) -> str:
    """Whether counts are equal, and which node is surely slower or faster, by how much."""
    unequal = sum(len(node.unequal) for node in beside)
    counts = f"counts differ in {counted(unequal, 'row')}" if unequal else "counts are equal"
    sure = [f"{node.node} takes {_interval(node)} the time of {first}" for node in beside if _is_sure(node)]
    return "; ".join([counts, *(sure or ["no difference in time is sure"])])


def node_warnings(runs: Sequence[NamedRun]) -> list[str]:
    """What must be equal on all nodes, and is not."""
    return [f"{node.node} counts otherwise than {node_name(runs[0].record)}: {_named(node)}"
            for node in nodes_beside([run.record for run in runs]) if node.unequal]  # fmt: skip


def _is_sure(node: NodeBeside) -> bool:
    return node.low is not None and node.high is not None and not node.low <= 1 <= node.high


def _interval(node: NodeBeside) -> str:
    if node.low is None or node.high is None:
        return UNKNOWN
    return f"{format_ratio(node.low).removesuffix('x')}-{format_ratio(node.high)}"


def _cells(node: NodeBeside) -> tuple[str | Span, ...]:
    verdicts = Counter(row.verdict for row in node.rows)
    return (
        node.node,
        str(sum(row.new_status is not None for row in node.rows)),
        Span(f"! {len(node.unequal)}", Tone.BAD) if node.unequal else EQUAL,
        UNKNOWN if node.ratio is None else format_ratio(node.ratio),
        _interval(node),
        *(str(verdicts[verdict]) for verdict in (SLOWER, FASTER, UNSURE)),
    )


def _notes(beside: Sequence[NodeBeside]) -> Iterator[str]:
    """What is counted differently, what became something else, and in what the machines differ."""
    for node in beside:
        if node.unequal:
            yield f"{node.node} counts otherwise: {_named(node)}."
        if node.elsewhere:
            yield f"{node.node} has other statuses in {counted(len(node.elsewhere), 'row')}."
        for change in node.changes:
            yield f"{node.node}: {change.name} {change.old or 'unknown'} -> {change.new or 'unknown'}"


def _named(node: NodeBeside) -> str:
    names = [f"{row.name} at {row.cell}" for row in node.unequal]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _tables(first: str, node: NodeBeside, *, detail: bool) -> Iterator[Table | Notes]:
    """Every row on both nodes."""
    headers = ("row", "verdict", "time", "95 %", first, node.node)
    for cell, rows in by_cell(node.rows[:MOST_SHOWN]).items():
        yield Table(
            title=f"{node.node} beside {first}: {cell}",
            columns=columns_of(headers),
            rows=tuple((row.name, row.verdict or UNKNOWN, *time_cells(row)) for row in rows),
            tones=TONES,
            detail=detail,
        )
    if len(node.rows) > MOST_SHOWN:
        yield Notes((f"{len(node.rows) - MOST_SHOWN} more rows of {node.node} stand in the .csv.",), detail=detail)
