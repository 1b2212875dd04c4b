"""`kaoprof check`: are these specs right, and what do they come to on paper?"""

from typing import TYPE_CHECKING, Annotated

import typer

from kaoprof.cli.completion import specs as known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaoprof.networks.totals import SpecTotals
    from kaoprof.reporting.document import Page

SPECS = "Spec files, or names of shipped specs."
WRONG_SPEC = 2
WORDS = ("name", "kind", "input")
HEADERS = ("name", "kind", "MACs", "params\nno BN", "params\nwith BN", "map", "input")
CONVENTION = "MACs are of one sample, 1 MAC = 2 FLOPs; map: attention coefficients of the batch, fp32; BN: batch norm."


def check(
    specs: Annotated[list[str], typer.Argument(metavar="PATH...", help=SPECS, autocompletion=known)],
) -> int:
    """Checks specs; prints their totals by closed forms.

    Needs no torch. Whatever is wrong is named with file, line and key; every spec is looked at, also after a
    wrong one.
    """
    from kaoprof.cli.output import print_page
    from kaoprof.cli.streams import complain
    from kaoprof.errors import KaoprofError
    from kaoprof.networks.totals import totals_of
    from kaoprof.specs import load_spec

    right = []
    for spec in specs:
        try:
            right.append(totals_of(load_spec(spec)))
        except KaoprofError as error:
            complain(str(error))
    if right:
        print_page(page_of(right))
    return 0 if len(right) == len(specs) else WRONG_SPEC


def page_of(specs: "Sequence[SpecTotals]") -> "Page":
    """One row for each spec, and what the figures mean."""
    from kaoprof.reporting.document import Column, Page, Table, Tone, notes_of

    columns = tuple(Column(header, words=header in WORDS) for header in HEADERS)
    meaning = CONVENTION if any(spec.macs is not None for spec in specs) else ""
    table = Table(columns=columns, rows=tuple(map(cells_of, specs)))
    return Page(blocks=(table, *notes_of(meaning, tone=Tone.QUIET)))


def cells_of(spec: "SpecTotals") -> tuple[str, ...]:
    """What stands in a spec's row; empty where a figure does not apply."""
    from kaoprof.units import format_bytes, format_count

    if spec.cells is not None:
        return (spec.name, spec.kind, "", "", "", "", f"{spec.cells} cell{'s' if spec.cells != 1 else ''}")
    if spec.macs is None or spec.params is None or spec.params_norm is None or spec.map_bytes is None:
        return (spec.name, spec.kind, "", "", "", "", "names code, not analysed")
    return (
        spec.name,
        spec.kind,
        format_count(spec.macs),
        format_count(spec.params),
        format_count(spec.params + spec.params_norm),
        format_bytes(spec.map_bytes) if spec.map_bytes else "",
        "x".join(map(str, spec.input_shape or ())),
    )
