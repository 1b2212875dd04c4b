"""`kaoprof sweep`: a grid of operators or of models, cell by cell into a journal that survives whatever ends it."""

from pathlib import Path
from typing import Annotated

import typer

from kaoprof.cli import options as opt
from kaoprof.cli.completion import specs as known_specs
from kaoprof.cli.measuring_options import AS_USUAL, SHARED, Measuring, measured

SIZES = "SIZES"
SPEC = "A grid in YAML, such as paper-grid; or models as profile takes them: kanet-qkv timm:resnet50."
PROJECTION = "none, value (the default), qkv, qkvo or published."
SCALE = "sqrt (the default), or none (the paper's)."
DTYPE = "One or several of fp64, fp32, tf32, bf16, fp16."
MODE = "forward, train, or both: forward,train."
JOURNAL = (
    "FILE.jsonl: the journal, begun or continued, by default sweep.jsonl or the grid's name; at the end also FILE.csv, "
    ".json, .md, .tex, .html, .png, .svg or .pdf; repeatable."
)


CLUSTER = "Cells go to a cluster of Ray: ray (of this machine), ray://host:port or host:port."
SPREAD = "Every node does every cell, and how nodes differ is told."


@measured(budget=SHARED, default="60s")
def sweep(
    context: typer.Context,
    specs: Annotated[
        list[str] | None, typer.Argument(metavar="[SPEC...]", help=SPEC, autocompletion=known_specs)
    ] = None,
    size: Annotated[str | None, typer.Option("--size", metavar=SIZES, help="Of models: 224, or 128,192x256.")] = None,
    h: Annotated[str | None, typer.Option("--h", metavar=SIZES, help="Height: 14,28,56, or 16:256:x2.")] = None,
    w: Annotated[str | None, typer.Option("--w", metavar=SIZES, help=opt.WIDTH)] = None,
    aspect: opt.Aspect = None,
    t: Annotated[str | None, typer.Option("--t", metavar=SIZES, help="Frames, for video.")] = None,
    n: Annotated[str | None, typer.Option("--n", metavar=SIZES, help="Length, for one spatial axis.")] = None,
    c: Annotated[str | None, typer.Option("--c", metavar=SIZES, help="Channels; 64 by default.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar=SIZES, help="Samples in the input.")] = None,
    heads: Annotated[str | None, typer.Option("--heads", metavar=SIZES, help="Attention heads.")] = None,
    operators: opt.Operators = None,
    option: opt.OwnOption = None,
    projection: Annotated[str | None, typer.Option(help=PROJECTION, autocompletion=opt.PROJECTIONS)] = None,
    as_published: opt.AsPublished = False,
    scale: Annotated[str | None, typer.Option(help=SCALE, autocompletion=opt.SCALES)] = None,
    dtype: Annotated[str | None, typer.Option(help=DTYPE, autocompletion=opt.DTYPES)] = None,
    mode: Annotated[str | None, typer.Option(help=MODE, autocompletion=opt.MODES)] = None,
    device: opt.Device = "auto",
    baseline: opt.Baseline = "nonlocal",
    with_: opt.With = None,
    with_layout: opt.WithLayout = "",
    allow_import: opt.AllowImport = False,
    analytic: opt.Analytic = False,
    no_measure: Annotated[bool, typer.Option("--no-measure", help="Models: count and predict, run nothing.")] = False,
    measuring: Measuring = AS_USUAL,
    retry: Annotated[bool, typer.Option("--retry", help="Measure again what failed or was skipped.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a row failed or the machine changed.")
    ] = False,
    on: Annotated[str | None, typer.Option("--on", metavar="CLUSTER", help=CLUSTER)] = None,
    spread: Annotated[bool, typer.Option("--spread", help=SPREAD)] = False,
    verbose: opt.Verbose = False,
    format_: opt.WatchedFormat = "table",
    output: Annotated[list[Path] | None, typer.Option("-o", "--output", help=JOURNAL)] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite other files; never the journal.")] = False,
) -> int:
    """A grid of sizes, each cell kept on disk as soon as it is measured. The same command goes on where it stopped.

    Of operators, or of models with --size, --batch, --dtype and --mode. A larger grid may go on in the same journal;
    other options may not.
    """
    from kaoprof.cli.commands.sweep_models import models_asked, models_planned
    from kaoprof.cli.commands.sweep_request import outputs_of, planned
    from kaoprof.cli.commands.sweep_run import Ending, run_sweep
    from kaoprof.cli.local_code import importable
    from kaoprof.cli.operator_names import told_projection
    from kaoprof.cli.output import WATCHED, check_format
    from kaoprof.comparing.own_modules import own_modules
    from kaoprof.dims import PUBLISHED
    from kaoprof.sweeping.model_plan import Planned
    from kaoprof.sweeping.plan import on_every_node

    check_format(format_, WATCHED)
    options = measuring.options(device=device, analytic=analytic, baseline=baseline)
    sizes = {"h": h, "w": w, "aspect": aspect, "t": t, "n": n, "c": c, "batch": batch, "heads": heads}
    if as_published:
        projection = told_projection(projection or PUBLISHED, as_published=True)
    words = {"operators": operators, "projection": projection, "scale": scale, "dtype": dtype, "mode": mode}
    asked = models_asked(specs or (), size=size, measured=not no_measure)
    if asked is not None:
        foreign = {"option": option, "as-published": as_published, "with": with_, "with-layout": with_layout}
        work = models_planned(asked, sizes, {**words, **foreign}, options, allow_import=allow_import)
    else:
        modules = own_modules(with_ or (), layout=with_layout, allow_import=allow_import)
        work = Planned(planned(specs[0] if specs else None, sizes, words, options, told=option or (), own=modules))
    if spread:
        work = work._replace(plan=on_every_node(work.plan, on))
    journal, others = outputs_of(output or [], work.plan, force=force)
    ending = Ending(format_name=format_, verbose=verbose, strict=strict, paths=others, command=context.obj or ())
    with importable(allowed=allow_import):
        return run_sweep(work, journal, ending, retry=retry, on=on)
