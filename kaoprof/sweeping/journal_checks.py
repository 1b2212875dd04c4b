"""Whether a sweep may go on in a journal, and with what: its options, its device, its environment, its cells."""

from pathlib import Path

from msgspec.structs import fields

from kaoprof.errors import RecordError, UsageError
from kaoprof.records.journal import Contents, node_of
from kaoprof.records.measured import Environment
from kaoprof.records.reading import same_place
from kaoprof.records.sweep import CellKey, ModelPlan, Plan
from kaoprof.version import __version__


def check_plan(plan: Plan, contents: Contents, path: Path) -> None:
    """Refuses a journal whose cells rest on other options.

    Raises:
        UsageError: they do, or are of models where operators are swept, or the other way round.
    """
    if type(plan) is not type(contents.plan):
        holds, sought = ("operators", "models") if isinstance(plan, ModelPlan) else ("models", "operators")
        message = f"holds a sweep of {holds}, and this is one of {sought}"
        raise UsageError(message, where=str(path), hint="name another journal with -o")
    if different := plan.differences(contents.plan):  # type: ignore[arg-type]  # it is of the same type
        hint = "repeat them, or name another journal with -o"
        message = f"holds a sweep with other options: here {'; '.join(different)}"
        raise UsageError(message, where=str(path), hint=hint)


def finished_cells(contents: Contents, *, retry: bool) -> set[CellKey]:
    """The cells that are done; with `retry` only those in which every row is `ok`."""
    return {key for key, cell in contents.cells.items() if not (retry and any(row.status != "ok" for row in cell.rows))}


def check_device(contents: Contents, device: str, path: Path) -> None:
    """Refuses a journal whose cells were measured on another device.

    Raises:
        UsageError: they were.
    """
    others = {row.case.device for cell in contents.cells.values() for row in cell.rows} - {device}
    if others:
        there = ", ".join(sorted(map(str, others)))
        hint = f"use --device {there}, or name another journal with -o"
        raise UsageError(f"holds cells of {there}, and this is {device}", where=str(path), hint=hint)


def check_place(contents: Contents, environment: Environment | None, path: Path, *, strict: bool) -> str:
    """What changed since the journal was last written, there where nodes are compared; nothing if nothing did.

    Raises:
        RecordError: something did, and it is `strict`.
    """
    node = environment.node if environment else None
    there_before = [launch for launch in contents.launches if node_of(launch) == (node or "")]
    if not there_before:
        return ""
    last = there_before[-1]
    changed = [] if last.version == __version__ else [f"kaoprof {last.version} -> {__version__}"]
    here, there = same_place(environment), same_place(last.environment)
    if here and there:
        pairs = [(field.name, getattr(there, field.name), getattr(here, field.name)) for field in fields(Environment)]
        changed += [f"{name} {before} -> {after}" for name, before, after in pairs if before != after]
    if changed and strict:
        hint = "leave out --strict to go on: the new cells say where they were measured"
        raise RecordError(f"the environment has changed: {'; '.join(changed)}", where=str(path), hint=hint)
    return f"{path}: the environment has changed: {'; '.join(changed)}; the new cells say so" if changed else ""
