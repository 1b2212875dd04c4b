"""The kinds of records, one row each, and the formats that any of them can be written in.

Functions stand here by their place under kaoprof, `module:name`, and are imported when they are needed.
"""

import importlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import msgspec

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.findings.tally import Tally
from kaoprof.records.measured import SCHEMA
from kaoprof.records.shown import Shown
from kaoprof.reporting.document import Medium, Page
from kaoprof.reporting.tables.grid import Grid, NamedRun, grid_of
from kaoprof.reporting.widths import Width


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with one kind of record, by places.

    Args:
        page: the record, a medium, and how it was asked to be shown -> its `Page`.
        columns: of its CSV, each a function of a view.
        views: the record -> what a line of its CSV is read off.
        warnings: what a careful reader must know.
        next_step: what a user is likely to want next, as words or by its place.
        sound: whether nothing failed and no count disagrees; of what cannot fail there is none.
        members: what has a status: where all are errors, no exit code of 0 should hide it.
        document: the record -> what its JSON holds, if that is more.
        html: a report -> a page of its own kind.
        figures: a report -> matplotlib's figures.
        choose: which rows of runs that were kept are reported, and whether a plot that is asked for is one of theirs.
        is_grid: whether runs that were kept are reported in one grid of cells, also of both kinds that are.
        stands_alone: whether it is reported one at a time.
        tells: whether its page on a terminal says itself what a careful reader must know.
    """

    page: str
    columns: str
    views: str
    warnings: str
    next_step: str
    sound: str = ""
    members: str = ""
    document: str = ""
    html: str = ""
    figures: str = ""
    choose: str = ""
    is_grid: bool = False
    stands_alone: bool = True
    tells: bool = False


OPERATORS: dict[str, Any] = {
    "columns": "reporting.columns.compare:COLUMNS",
    "views": "reporting.columns.compare:views",
    "sound": "findings.operators:sound",
    "members": "rows",
    "html": "reporting.pages.grid:to_html",
    "figures": "reporting.plots.files:grid_figures",
    "is_grid": True,
    "stands_alone": False,
}
FIT: dict[str, Any] = {
    "warnings": "reporting.tables.fit:warnings_of",
    "sound": "reporting.tables.fit:sound",
    "next_step": "reporting.next_steps:after_fit",
}
KINDS = {
    "compare": Kind(
        page="reporting.tables.compare:page_of",
        warnings="findings.operators:warnings_of",
        next_step="reporting.next_steps:after_compare",
        tells=True,
        **OPERATORS,
    ),
    "sweep": Kind(
        page="reporting.tables.sweep:page_of",
        warnings="findings.tally:sweep_warnings",
        next_step="kaoprof report sweep.jsonl --to sweep.html    # plots and tables",
        tells=True,
        **OPERATORS,
    ),
    "models": Kind(
        page="reporting.tables.models:page_of",
        columns="reporting.columns.models:MODEL_COLUMNS",
        views="reporting.columns.models:model_views",
        warnings="findings.model_grid:grid_warnings",
        sound="findings.model_grid:sound_grid",
        next_step="kaoprof report models.jsonl --to models.html    # plots and tables",
        tells=True,
        members="rows",
        html="reporting.pages.models:to_html",
        figures="reporting.plots.files:model_figures",
        choose="reporting.tables.model_blocks:chosen_models",
        stands_alone=False,
    ),
    "profile": Kind(
        page="reporting.tables.profile:page_of",
        columns="reporting.columns.profile:LAYER_COLUMNS",
        views="reporting.columns.profile:layer_views",
        warnings="findings.models:profile_warnings",
        sound="findings.models:sound_profile",
        next_step="reporting.next_steps:after_profile",
        tells=True,
        members="models",
        html="reporting.pages.profile:to_html",
        figures="reporting.plots.files:layer_figures",
        stands_alone=False,
    ),
    "fit": Kind(
        page="reporting.tables.fit:page_of",
        columns="reporting.columns.fit:FIT_COLUMNS",
        views="reporting.columns.fit:fit_lines",
        **FIT,
    ),
    "cross": Kind(
        page="reporting.tables.cross:page_of",
        columns="reporting.columns.fit:CROSS_COLUMNS",
        views="reporting.columns.fit:cross_lines",
        **FIT,
    ),
    "fit-models": Kind(
        page="reporting.tables.fit_models:page_of",
        columns="reporting.tables.fit_models:COLUMNS",
        views="reporting.tables.fit_models:lines_of",
        warnings="reporting.tables.fit_models:warnings_of",
        sound="reporting.tables.fit_models:sound",
        next_step="reporting.next_steps:after_fit_models",
        members="rows",
    ),
    "diff": Kind(
        page="reporting.tables.diff:page_of",
        columns="reporting.columns.diff:COLUMNS",
        views="reporting.columns.diff:lines_of",
        warnings="reporting.tables.diff:warnings_of",
        next_step="--format md    for a pull request        --fail-above 5%    for CI",
    ),
    "reproduction": Kind(
        page="reporting.tables.reproduce:page_of",
        columns="reporting.columns.reproduce:COLUMNS",
        views="reporting.columns.reproduce:lines_of",
        warnings="reporting.tables.reproduce:warnings_of",
        sound="reporting.tables.reproduce:sound",
        next_step="reporting.next_steps:after_reproduce",
    ),
    "explain": Kind(
        page="reporting.tables.explain:page_of",
        columns="reporting.columns.explain:COLUMNS",
        views="reporting.columns.explain:lines_of",
        warnings="reporting.sentences.explain:warnings_of",
        sound="reporting.tables.explain:sound",
        next_step="reporting.next_steps:after_explain",
        document="records.explain:Explanation.as_json",
    ),
}
ARE_NODES, NODES_PAGE = "reporting.tables.nodes:are_nodes", "reporting.tables.nodes:page_of"
NODE_WARNINGS = "reporting.tables.nodes:node_warnings"
GRID_PAGE, GRID_WARNINGS = "reporting.tables.grid_rows:page_of", "reporting.tables.grid_rows:summed_warnings"


class Format(msgspec.Struct, frozen=True):
    """A function by its place, and what it makes a file of: a page for a medium, or one of those words.

    `several` says whether all figures have room in one file.
    """

    place: str
    of: Literal["columns", "documents", "figures", "html", "points"] | Medium
    several: bool = True


FORMATS = {
    "csv": Format("reporting.formats.csv:csv_parts", "columns"),
    "json": Format("records.measured:dumps", "documents"),
    "md": Format("reporting.formats.markdown:to_markdown", Medium.TEXT),
    "tex": Format("reporting.formats.latex:to_latex", Medium.PAPER),
    "html": Format("reporting.formats.html:to_html", "html"),
    "png": Format("reporting.plots.files:to_png", "figures", several=False),
    "svg": Format("reporting.plots.files:to_svg", "figures", several=False),
    "pdf": Format("reporting.plots.files:to_pdf", "figures"),
}
SERVICES = {  # that watch figures from commit to commit; on stdout only, since no suffix is theirs
    "github-action-benchmark": Format("reporting.formats.services:to_github", "points"),
    "bencher": Format("reporting.formats.services:to_bencher", "points"),
}
TRACKED = ("compare", "sweep", "models", "profile")  # the kinds of records that they are given
TEXTS = tuple(name for name, made in FORMATS.items() if made.of != "figures")


class Report(Shown, frozen=True, kw_only=True):
    """What is shown or written: runs of one kind, by name; those of operators that were kept stand in a `grid`.

    `how` are the page's own options; `tallies` sum up the warnings of each run while its rows are written; `alone` says
    whether a terminal shows its one run as the command did that made it. `width` is that of a paper's column,
    for figures and tables. Plots that stand in no grid run along `x` and show `quantities`; None: as suits them.
    """

    runs: tuple[NamedRun, ...]
    grid: Grid | None = None
    tallies: tuple[Tally, ...] = ()
    alone: bool = False
    how: Mapping[str, Any] = {}
    width: Width | None = None
    x: str | None = None
    quantities: tuple[str, ...] | None = None

    @property
    def inches(self) -> float | None:
        """The width of its figures, if they are to have one."""
        return self.width.inches if self.width else None

    @property
    def kind(self) -> Kind:
        """The row of its kind."""
        return KINDS[self.runs[0].record.kind]

    @property
    def gridded(self) -> Grid:
        """Its runs of operators in their grid."""
        return self.grid or grid_of(self.runs)


def report_of(record: Any, **how: Any) -> Report:
    """A report of what a command just made."""
    return Report(runs=(NamedRun(name=record.kind, record=record),), how=how)


def load(place: str) -> Any:
    """What stands at a place, `module:name` under kaoprof."""
    module, _, name = place.partition(":")
    return attrgetter(name)(importlib.import_module(f"kaoprof.{module}"))


def pages_of(report: Report, medium: Medium) -> list[Page]:
    """A page for each run, or one for the grid; before them how nodes differ, if they are runs on these."""
    if medium != Medium.PAPER and _are_nodes(report):
        return [load(NODES_PAGE)(report.runs, medium), *_pages_of_runs(report, medium)]
    return _pages_of_runs(report, medium)


def _are_nodes(report: Report) -> bool:
    """Whether its runs are the same cells on several nodes; of one run nothing has to be imported to tell."""
    return len(report.runs) > 1 and bool(load(ARE_NODES)(report.runs))


def _pages_of_runs(report: Report, medium: Medium) -> list[Page]:
    if report.grid is not None and not (report.alone and medium == Medium.SCREEN):
        return [load(GRID_PAGE)(report.grid, medium)]
    make = load(report.kind.page)
    return [make(run.record, medium, **report.how) for run in report.runs]


def to_console(report: Report, width: int, *, verbose: bool = False, bars: bool = False) -> Any:
    """What rich prints on a terminal of `width` columns: answers, and if `verbose` all that explains them."""
    from rich.console import Group

    from kaoprof.reporting.formats.console import to_console as page_to_console

    first, *others = (
        page_to_console(page, width, verbose=verbose, bars=bars) for page in pages_of(report, Medium.SCREEN)
    )
    return Group(first, *(part for page in others for part in ("", page)))


def written(report: Report, name: str) -> str | bytes:
    """The report in a format, as a file holds it.

    Raises:
        UsageError: there is nothing to draw, or nothing to watch.
    """
    chosen, kind = (FORMATS | SERVICES)[name], report.kind
    write = load(chosen.place)
    if chosen.of == "columns":
        content = "".join(csv_of(report))
    elif chosen.of == "documents":
        content = write(_document(report))
    elif chosen.of == "points":
        content = write(_points(report))
    elif chosen.of == "figures":
        content = write(load(kind.figures)(report, several=chosen.several))
    elif chosen.of == "html":
        names = ", ".join(run.name for run in report.runs)
        content = (
            load(kind.html)(report) if kind.html else write(pages_of(report, Medium.TEXT), names, warnings_of(report))
        )
    elif chosen.of == Medium.PAPER:
        content = _paper(report, write)
    else:
        content = "\n".join(map(write, pages_of(report, chosen.of)))
    return content


def _paper(report: Report, write: Any) -> str:
    """Tables for a paper, labelled by the runs' names."""
    names = [run.name for run in report.runs]
    pages = pages_of(report, Medium.PAPER)
    named = names if len(pages) == len(names) else [" ".join(names)]
    return "\n".join(write(page, report.width, name) for page, name in zip(pages, named, strict=True))


def csv_of(report: Report) -> Iterator[str]:
    """The report as CSV, in parts."""
    columns, views = load(report.kind.columns), load(report.kind.views)
    if report.tallies:
        return _csv_of_tallied(report, columns, views)
    parts: Iterator[str] = load(FORMATS["csv"].place)(columns, [(run.name, views(run.record)) for run in report.runs])
    return parts


def _csv_of_tallied(report: Report, columns: Any, views: Callable[[Any], Iterable[Any]]) -> Iterator[str]:
    """The same, of rows that are added up meanwhile: many of them by several processes."""
    from kaoprof.reporting.formats.csv import csv_head, csv_lines
    from kaoprof.reporting.many_rows import processes_for, shared_lines

    several = len(report.runs) > 1
    yield csv_head(columns, several=several)
    for run, tally in zip(report.runs, report.tallies, strict=True):
        name = run.name if several else None

        def lines(record: Any, sums: Tally, name: str | None = name) -> Iterator[str]:
            return csv_lines(columns, _tallied(views(record), sums), run=name)

        processes = processes_for(run.record.rows)
        if processes > 1:
            yield from shared_lines(run.record, tally, lines, processes)
        else:
            yield from lines(run.record, tally)


def _points(report: Report) -> Iterator[Any]:
    """Its figures, to be watched.

    Raises:
        UsageError: it has none that another run would have, too.
    """
    name = report.runs[0].record.kind
    if name not in TRACKED:
        raise UsageError(f"a record of {name} has no figures to watch", where="--format", hint="those of its runs do")
    points: Iterator[Any] = load("reporting.tracking:points_of")(report.runs)
    return points


def _tallied(views: Iterable[Any], tally: Tally) -> Iterator[Any]:
    """What passes by, added up."""
    tally.restart()
    for view in views:
        tally.add(view.row, view.warnings, view.standing.limits)
        yield view
    tally.whole = True


def _document(report: Report) -> object:
    """The record, which kaoprof reads again; of several runs a list of them by name."""
    if len(report.runs) > 1:
        return {"schema": SCHEMA, "kind": "report", "runs": report.runs}
    (run,) = report.runs
    return load(report.kind.document)(run.record) if report.kind.document else run.record


def warnings_of(report: Report) -> list[str]:
    """What a careful reader must know."""
    unequal = load(NODE_WARNINGS)(report.runs) if _are_nodes(report) else []
    return [*unequal, *_warnings_of_runs(report)]


def _warnings_of_runs(report: Report) -> list[str]:
    if report.grid is not None or report.tallies:
        return list(load(GRID_WARNINGS)(report.runs, report.tallies))
    find = load(report.kind.warnings)
    return [warning for run in report.runs for warning in find(run.record)]


def alarms_of(report: Report, format_name: str, *, verbose: bool) -> list[str]:
    """What a careful reader must know, as far as what is shown does not say it."""
    on_screen = format_name == "table" and not verbose and (report.grid is None or report.alone)
    return [] if on_screen and report.kind.tells else warnings_of(report)


def next_step_of(record: Any) -> str:
    """What a user is likely to want next."""
    step = KINDS[record.kind].next_step
    return str(load(step)(record)) if step.startswith("reporting.") else step


def is_sound(record: Any) -> bool:
    """Whether nothing failed and no count disagrees."""
    sound = KINDS[record.kind].sound
    return not sound or bool(load(sound)(record))


def is_sound_report(report: Report) -> bool:
    """Whether all its records are, and nodes that are compared count alike."""
    alike = not _are_nodes(report) or not load(NODE_WARNINGS)(report.runs)
    return alike and all(is_sound(run.record) for run in report.runs)


def has_failed(record: Any) -> bool:
    """Whether nothing at all came of it."""
    members = KINDS[record.kind].members
    return bool(members) and all(member.status == "error" for member in getattr(record, members))


def formats_of(kind: str) -> tuple[str, ...]:
    """The formats that a record of this kind can be written in: every text, and pictures where there is a plot."""
    return tuple(FORMATS) if KINDS[kind].figures else TEXTS


def format_of(path: Path, kind: str | None = None, also: Collection[str] = ()) -> str:
    """The format that a file's suffix asks for, of a record of this kind; or one of those that are known `also`.

    Raises:
        UsageError: it asks for none that is known, or for a picture of what has none.
    """
    suffix = path.suffix.removeprefix(".").lower()
    formats = (*(formats_of(kind) if kind else FORMATS), *also)
    if suffix in formats:
        return suffix
    known = ", ".join(f".{name}" for name in formats)
    if suffix in FORMATS:
        raise UsageError(f"a record of {kind} has no picture", where=str(path), hint=f"it can be written as {known}")
    raise UsageError(
        f"no format is known for the suffix {path.suffix!r}",
        where=str(path),
        hint=did_you_mean(suffix, formats) if suffix else f"end the name in one of {known}",
    )
