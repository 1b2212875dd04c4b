"""Figures as files: PNG, SVG and PDF, the same bytes for the same figure; and SVG that stands inside a page."""

import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from kaoprof.errors import UsageError
from kaoprof.reporting.plots.bars import plot_cells, plot_layers
from kaoprof.reporting.plots.chart import ROOFLINE, held_by, refuse_nothing
from kaoprof.reporting.plots.crowd import is_crowded, plot_crowd
from kaoprof.reporting.plots.curves import plot_grid
from kaoprof.reporting.plots.models import plot_models
from kaoprof.reporting.plots.roofline import can_draw, plot_rooflines
from kaoprof.reporting.plots.style import INK, SHEET
from kaoprof.reporting.plots.tips import with_titles
from kaoprof.reporting.tables.grid import Block, Grid
from kaoprof.reporting.tables.model_blocks import model_blocks

if TYPE_CHECKING:
    from kaoprof.reporting.kinds import Report

DPI = 300
MOST_ROOFLINES = 3  # under each other in one column
MOST_BLOCKS = 6  # rows of panels in one figure; more cannot be read on a page
NAMESPACES = re.compile(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"')
logging.getLogger("matplotlib").setLevel(logging.ERROR)  # a read-only home is no concern of who wants a plot


def grid_figures(report: "Report", *, several: bool) -> list[Figure]:
    """The plots of runs of operators; one unless `several` have room.

    Raises:
        UsageError: there is nothing to draw, or more than has room.
    """
    grid = report.gridded
    refuse_nothing(grid)
    most = MOST_BLOCKS if grid.quantities != (ROOFLINE,) else MOST_ROOFLINES
    if not several and len(grid.blocks) > most:
        too_many = f"{len(grid.blocks):,} settings are too many for one picture"
        raise UsageError(too_many, hint="--only c=64 chooses among them; a .pdf holds them all, on several pages")
    return figures_of(grid, grid.quantities, report.inches)


def layer_figures(report: "Report", *, several: bool) -> list[Figure]:  # noqa: ARG001 - of several runs the first
    """The layers of each profile.

    Raises:
        UsageError: there are none.
    """
    drawn = [run for run in report.runs if any(len(model.layers) > 1 for model in run.record.models)]
    if not drawn:
        raise UsageError("these profiles hold no layers that could be plotted")
    return [plot_layers(run.record, report.inches) for run in drawn]


def model_figures(report: "Report", *, several: bool) -> list[Figure]:
    """Sweeps of models, `MOST_BLOCKS` rows of panels to a figure; one figure unless `several` have room.

    Raises:
        UsageError: nothing of what was asked for is known, or it is more than has room.
    """
    blocks = model_blocks(report.runs)
    if not several and len(blocks) > MOST_BLOCKS:
        too_many = f"{len(blocks):,} settings are too many for one picture"
        raise UsageError(too_many, hint="--only mode=forward chooses among them; a .pdf holds them all")
    starts = range(0, len(blocks), MOST_BLOCKS)
    parts = [blocks[start : start + MOST_BLOCKS] for start in starts]
    return [plot_models(part, report.x, report.quantities, report.inches) for part in parts]


def figures_of(grid: Grid, quantities: Sequence[str] | None = None, inches: float | None = None) -> list[Figure]:
    """All there is to see, `MOST_BLOCKS` to a figure; of several runs some may hold nothing that was asked for."""
    if quantities == (ROOFLINE,):
        blocks = list(filter(can_draw, grid.blocks))
        starts = range(0, len(blocks), MOST_ROOFLINES)
        return [plot_rooflines(grid, blocks[start : start + MOST_ROOFLINES], inches) for start in starts]
    blocks = [block for block in grid.blocks if held_by(grid, [block], quantities)]
    starts = range(0, len(blocks), MOST_BLOCKS)
    return [figure_of(grid, blocks[start : start + MOST_BLOCKS], quantities, inches) for start in starts]


def figure_of(
    grid: Grid, blocks: Sequence[Block], quantities: Sequence[str] | None = None, inches: float | None = None
) -> Figure:
    """Some blocks as one figure: curves, those of many operators by name; or bars where no size varies."""
    draw = plot_cells if grid.x is None else plot_crowd if is_crowded(grid) else plot_grid
    return draw(grid, blocks, held_by(grid, blocks, quantities), inches)


def to_png(figures: Sequence[Figure]) -> bytes:
    """The first figure as PNG."""
    return _saved(figures[0], "png", {"Software": None})


def to_svg(figures: Sequence[Figure]) -> bytes:
    """The first figure as SVG, its text as text."""
    return with_titles(_saved(figures[0], "svg", {"Date": None, "Creator": "kaoprof"}).decode()).encode()


def to_pdf(figures: Sequence[Figure]) -> bytes:
    """Every figure as a page of a PDF, fonts embedded."""
    file = io.BytesIO()
    about: dict[str, Any] = {"Creator": "kaoprof", "CreationDate": None}
    with _quiet(), mpl.rc_context(fname=SHEET), PdfPages(file, metadata=about) as pages:
        for figure in figures:
            pages.savefig(figure)
    return file.getvalue()


def inline_svg(figure: Figure) -> str:
    """The figure as an `svg` element for a page: no reference to anything outside, in the page's own ink."""
    nobody: dict[str, str | None] = {"Date": None, "Creator": None, "Format": None, "Type": None}
    text = _saved(figure, "svg", nobody, transparent=True).decode()
    element = with_titles(text[text.index("<svg") :])
    head, end, body = element.partition(">")
    return NAMESPACES.sub("", head) + end + body.replace(INK, "currentColor")


@contextmanager
def _quiet() -> Iterator[None]:
    """A name that the font lacks shows as boxes, or leaves no room for bars: the reader sees it without being told."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        warnings.filterwarnings("ignore", message="constrained_layout not applied", category=UserWarning)
        yield


def _saved(figure: Figure, kind: str, metadata: dict[str, str | None], *, transparent: bool = False) -> bytes:
    file = io.BytesIO()
    with _quiet(), mpl.rc_context(fname=SHEET):
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata, transparent=transparent)
    return file.getvalue()
