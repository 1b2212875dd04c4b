"""What a command's record looks like: which function draws it on a terminal, and which writes each file format."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kaoprof.reporting.kinds import EXPLAIN_FORMATS, FIT_FORMATS, FORMATS, PROFILE_FORMATS

if TYPE_CHECKING:
    from rich.console import RenderableType


class Rendering(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of record is shown.

    Args:
        console: the record and the terminal's width -> what rich prints.
        files: format -> the record as text.
        warnings: what a careful reader must know.
        sound: whether nothing failed and no count disagrees.
        next_command: what a user is likely to want next.
        failed: whether nothing at all came of it, which no exit code of 0 should hide.
    """

    console: "Callable[[Any, int], RenderableType]"
    files: Mapping[str, Callable[[Any], str]]
    warnings: Callable[[Any], list[str]]
    sound: Callable[[Any], bool]
    next_command: Callable[[Any], str]
    failed: Callable[[Any], bool] = lambda _: False


def compare_rendering() -> Rendering:
    """For the record of `compare`."""
    from kaoprof.findings.operators import sound, warnings_of

    def console(record: Any, width: int) -> "RenderableType":
        from kaoprof.reporting.console import to_console

        return to_console(record, width)

    return Rendering(
        console=console,
        files=FORMATS,
        warnings=warnings_of,
        sound=sound,
        next_command=_after_compare,
        failed=lambda record: all(row.status == "error" for row in record.rows),
    )


MEASURED = "the same without --analytic    (counts, predicts and measures)"


def _after_compare(record: Any) -> str:
    if record.protocol is None:
        return MEASURED
    if record.rows[0].case.mode == "forward":
        return "the same with --mode train, or with -o run.json -o table.tex"
    return "the same with -o run.json -o table.tex"


def sweep_rendering(journal: Path) -> Rendering:
    """For the record of `sweep`, whose journal is named in what comes next."""
    from kaoprof.findings.operators import sound, sweep_warnings

    def console(record: Any, width: int) -> "RenderableType":
        from kaoprof.reporting.sweep_console import sweep_to_console

        return sweep_to_console(record, width)

    return Rendering(
        console=console,
        files=FORMATS,
        warnings=sweep_warnings,
        sound=sound,
        next_command=lambda _: f"kaoprof report {shlex.quote(str(journal))} --to sweep.html",
        failed=lambda record: all(row.status == "error" for row in record.rows),
    )


def profile_rendering(depth: int | None) -> Rendering:
    """For the record of `profile`, its trees shown down to `depth`."""
    from kaoprof.findings.models import profile_warnings, sound_profile

    def console(record: Any, width: int) -> "RenderableType":
        from kaoprof.reporting.layer_console import profile_to_console

        return profile_to_console(record, width, depth=depth)

    return Rendering(
        console=console,
        files=PROFILE_FORMATS,
        warnings=profile_warnings,
        sound=sound_profile,
        next_command=_after_profile,
        failed=lambda record: all(model.status == "error" for model in record.models),
    )


def _after_profile(record: Any) -> str:
    if record.device is None:
        return MEASURED
    if len(record.models) == 1:
        return "the same with a second model beside it, or with --depth 9, or with -o run.json"
    return "the same with --mode train, or with -o run.json -o table.tex"


def explain_rendering(*, full: bool = False) -> Rendering:
    """For an explanation, its tables in full length if `full`."""
    from kaoprof.records.explain import DIFFERENT
    from kaoprof.reporting.tables.explain import warnings_of

    def console(record: Any, _width: int) -> "RenderableType":
        from kaoprof.reporting.explain_console import explain_to_console

        return explain_to_console(record, full=full)

    return Rendering(
        console=console,
        files=EXPLAIN_FORMATS,
        warnings=warnings_of,
        sound=lambda record: record.proof_status != DIFFERENT,
        next_command=_after_explain,
    )


def _after_explain(record: Any) -> str:
    if record.proof_status is None:
        return "the same with -o cost.tex -o cost.json    (a table for a paper, and everything)"
    return f"kaoprof fit --memory 24GiB --operators {record.name} --mode {record.mode}    (the largest image that fits)"


KEPT = {"heads": 1, "projection": "value", "scale": "sqrt"}  # what a command need not say


def fit_rendering() -> Rendering:
    """For a record of `fit`, with a budget or of two operators."""
    from kaoprof.reporting.tables.fit import sound, warnings_of

    def console(record: Any, _width: int) -> "RenderableType":
        from kaoprof.reporting.fit_console import fit_to_console

        return fit_to_console(record)

    return Rendering(
        console=console,
        files=FIT_FORMATS,
        warnings=warnings_of,
        sound=lambda record: sound(record.rows),
        next_command=_after_fit,
    )


def _after_fit(record: Any) -> str:
    conditions = record.conditions
    sizes = {"h": None, **conditions.sizes} if "h" in {*conditions.sizes, conditions.axis} else dict(conditions.sizes)
    found = [row for row in record.rows if record.kind == "fit" and row.largest is not None]
    if record.kind == "cross" or not found:
        return "kaoprof explain nonlocal    (what it costs as formulas, and why)"
    best = max(found, key=lambda row: row.largest)
    sizes[conditions.axis] = best.largest
    flags = " ".join(f"--{'batch' if name == 'b' else name} {size}" for name, size in sizes.items())
    told = f"--dtype {conditions.dtype} --mode {conditions.mode}"
    told += "".join(
        f" --{name} {getattr(conditions, name)}" for name in KEPT if getattr(conditions, name) != KEPT[name]
    )
    return f"kaoprof compare {flags} --operators {best.name} {told}    (measures the largest)"


def diff_rendering() -> Rendering:
    """For a record of `diff`."""
    from kaoprof.reporting.kinds import DIFF_FORMATS
    from kaoprof.reporting.tables.diff import warnings_of

    def console(record: Any, _width: int) -> "RenderableType":
        from kaoprof.reporting.diff_console import diff_to_console

        return diff_to_console(record)

    return Rendering(
        console=console,
        files=DIFF_FORMATS,
        warnings=warnings_of,
        sound=lambda _: True,
        next_command=lambda _: "the same with --format md, for a pull request, or with --fail-above 5%, for CI",
    )


def reproduce_rendering() -> Rendering:
    """For a record of `reproduce`."""
    from kaoprof.records.reproduce import REFUTED
    from kaoprof.reporting.kinds import REPRODUCE_FORMATS
    from kaoprof.reporting.tables.reproduce import warnings_of

    def console(record: Any, _width: int) -> "RenderableType":
        from kaoprof.reporting.reproduce_console import reproduction_to_console

        return reproduction_to_console(record)

    return Rendering(
        console=console,
        files=REPRODUCE_FORMATS,
        warnings=warnings_of,
        sound=lambda record: not warnings_of(record) and all(one.status != REFUTED for one in record.claims),
        next_command=_after_reproduce,
    )


def _after_reproduce(record: Any) -> str:
    return "the same with -o reproduction.md -o reproduction.tex" if record.protocol else MEASURED
