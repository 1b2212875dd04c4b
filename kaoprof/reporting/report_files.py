"""Runs of operators as files: which suffix asks for what. Text that `compare` writes too is the same here."""

import csv
import io
from collections.abc import Callable

import msgspec

from kaoprof.errors import UsageError
from kaoprof.records.measured import SCHEMA, dumps
from kaoprof.reporting.columns.compare import COLUMNS, views
from kaoprof.reporting.formats.csv import cell_text, to_csv
from kaoprof.reporting.plots.chart import ROOFLINE, known_quantities
from kaoprof.reporting.tables.grid import Grid
from kaoprof.reporting.tables.grid_rows import MANY_CELLS


class Sheaf(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be reported: the runs in their grid, and which quantities a plot shows (None: all there are)."""

    grid: Grid
    quantities: tuple[str, ...] | None = None


def to_csv_file(sheaf: Sheaf) -> str:
    """All rows; of several runs the column `run` names each row's, and `env` its environment."""
    runs = sheaf.grid.runs
    if len(runs) == 1:
        return to_csv(runs[0].record)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, "run"])
    for run in runs:
        writer.writerows(
            [*(cell_text(column(view)) for column in COLUMNS.values()), cell_text(run.name)]
            for view in views(run.record)
        )
    return text.getvalue()


def to_json_file(sheaf: Sheaf) -> str:
    """The record, which kaoprof reads again; of several runs a list of them by name."""
    runs = sheaf.grid.runs
    if len(runs) == 1:
        return dumps(runs[0].record)
    named = [{"name": run.name, "record": run.record} for run in runs]
    document = {"schema": SCHEMA, "kind": "report", "runs": named}
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


def to_markdown_file(sheaf: Sheaf) -> str:
    """As `compare` writes it; of many cells one line per row."""
    from kaoprof.reporting.formats.markdown import to_markdown
    from kaoprof.reporting.grid_markdown import grid_to_markdown

    return grid_to_markdown(sheaf.grid) if is_grid(sheaf.grid) else to_markdown(sheaf.grid.runs[0].record)


def to_latex_file(sheaf: Sheaf) -> str:
    """As `compare` writes it; of many cells sizes down and operators across."""
    from kaoprof.reporting.formats.latex import to_latex
    from kaoprof.reporting.tables.grid_latex import grid_to_latex

    return grid_to_latex(sheaf.grid) if is_grid(sheaf.grid) else to_latex(sheaf.grid.runs[0].record)


def is_grid(grid: Grid) -> bool:
    """Whether there are too many cells for a table each, or several runs."""
    return len(grid.runs) > 1 or grid.cells >= MANY_CELLS


def to_html_file(sheaf: Sheaf) -> str:
    """One self-contained page."""
    from kaoprof.reporting.pages.grid import to_html

    if sheaf.quantities:
        refuse_nothing(sheaf)
    return to_html(sheaf.grid, sheaf.quantities)


def _plot(writer: str) -> Callable[[Sheaf], bytes]:
    def written(sheaf: Sheaf) -> bytes:
        from kaoprof.reporting.plots import files as plot_files

        refuse_nothing(sheaf)
        figures = plot_files.MOST_BLOCKS if sheaf.quantities != (ROOFLINE,) else plot_files.MOST_ROOFLINES
        if writer != "to_pdf" and len(sheaf.grid.blocks) > figures:
            several = f"{len(sheaf.grid.blocks):,} settings are too many for one picture"
            raise UsageError(several, hint="--only c=64 chooses among them; a .pdf holds them all, on several pages")
        return bytes(getattr(plot_files, writer)(plot_files.figures_of(sheaf.grid, sheaf.quantities)))

    return written


def refuse_nothing(sheaf: Sheaf) -> None:
    """Refuses a plot of nothing.

    Raises:
        UsageError: no run holds a row, or none has what was asked for.
    """
    if sheaf.quantities == (ROOFLINE,):
        from kaoprof.reporting.plots.roofline import can_draw

        if not any(map(can_draw, sheaf.grid.blocks)):
            hint = "kaoprof compare measures ceilings and traffic, unless --analytic"
            raise UsageError("these runs tell nothing of their device's ceilings", where="--plot", hint=hint)
        return
    there = known_quantities(sheaf.grid)
    if not there:
        raise UsageError("these runs hold nothing that could be plotted", hint="they have no rows with figures")
    missing = [name for name in sheaf.quantities or () if name not in there]
    if missing:
        raise UsageError(f"these runs hold no {missing[0]}", where="--plot", hint=f"they hold {', '.join(there)}")


GRID_FORMATS: dict[str, Callable[[Sheaf], str | bytes]] = {
    "csv": to_csv_file,
    "json": to_json_file,
    "md": to_markdown_file,
    "tex": to_latex_file,
    "html": to_html_file,
    "png": _plot("to_png"),
    "svg": _plot("to_svg"),
    "pdf": _plot("to_pdf"),
}
