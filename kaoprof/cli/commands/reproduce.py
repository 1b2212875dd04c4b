"""`kaoprof reproduce`: the paper's tables and claims, beside what is found here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from kaoprof.cli import options as opt
from kaoprof.cli.measuring_options import AS_USUAL, Measuring, measured

FROM = "Judge this record of compare or journal of sweep; nothing is measured."
KAO = "kao"
PAPER = "kao, or of a rival: ccnet, emanet, swin, pvt, nat or coordatt."
MEASURING = ("device", "analytic", "budget", "samples", "timeout", "threads", "seed")  # say nothing to what is measured
MEASURING_ALONE = tuple(name for name in MEASURING if name != "analytic")


def refuse_measuring(context: typer.Context, excluded: str, names: Sequence[str] = MEASURING) -> None:
    """Raises UsageError if an option was given that only a measurement could heed."""
    from kaoprof.errors import UsageError

    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"excludes {excluded}", where=f"--{name}")


@measured("budget", "samples", "timeout", "threads", "seed", default="60s")
def reproduce(
    context: typer.Context,
    paper: Annotated[str, typer.Option(metavar="NAME", help=PAPER)] = KAO,
    run: Annotated[Path | None, typer.Option("--from", metavar="RUN", help=FROM)] = None,
    device: opt.Device = "auto",
    analytic: opt.Analytic = False,
    measuring: Measuring = AS_USUAL,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a figure differs or a claim is refuted.")
    ] = False,
    verbose: opt.Verbose = False,
    format_: opt.Format = "table",
    output: opt.Output = None,
    force: opt.Force = False,
) -> int:
    """The tables of the paper on Kronecker attention beside ours, and its claims: confirmed, refuted or undecided.

    The paper is arXiv:2007.08442. Counts come by formula and from running every operator and network on meta tensors;
    claims about time and memory are judged from a measured sweep over the paper's sizes. Of a rival's --paper the
    printed figures stand beside ours by formula.
    """
    from kaoprof.cli.finish import finish
    from kaoprof.cli.output import check_format, check_targets
    from kaoprof.cli.progress import shown_progress
    from kaoprof.errors import UsageError
    from kaoprof.reproducing import reproduce as reproduced
    from kaoprof.reproducing.run import reproduce_rival

    check_format(format_)
    check_targets(output or [], force=force, kind="reproduction")
    if paper != KAO:
        refuse_measuring(context, f"--paper {paper}, of which nothing is measured", MEASURING_ALONE)
        if run is not None:
            raise UsageError(f"excludes --from, which judges the paper {KAO}", where=f"--paper {paper}")
        next_step = f"kaoprof reproduce --paper {paper} -o figures.tex    # a table for a paper"
        record = reproduce_rival(paper)
        return finish(record, output or [], format_name=format_, verbose=verbose, strict=strict, next_step=next_step)
    if run is not None:
        refuse_measuring(context, "--from, which is measured already")
    options = measuring.options(device=device, analytic=analytic)
    with shown_progress() as progress:
        record = reproduced(run=run, options=options, progress=progress)
    return finish(record, output or [], format_name=format_, verbose=verbose, strict=strict)
