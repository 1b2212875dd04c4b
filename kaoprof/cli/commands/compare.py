"""`kaoprof compare`: attention operators side by side."""

from typing import Annotated

import typer

from kaoprof.cli import options as opt
from kaoprof.cli.measuring_options import AS_USUAL, Measuring, measured

HEIGHT = "Height; several with commas, or 16:256:x2."


@measured()
def compare(
    h: Annotated[str | None, typer.Option("--h", metavar="SIZES", help=HEIGHT)] = None,
    w: Annotated[str | None, typer.Option("--w", metavar="SIZES", help=opt.WIDTH)] = None,
    aspect: opt.Aspect = None,
    t: Annotated[str | None, typer.Option("--t", metavar="SIZES", help="Frames, for video.")] = None,
    n: Annotated[str | None, typer.Option("--n", metavar="SIZES", help="Length, for one spatial axis.")] = None,
    c: Annotated[str, typer.Option("--c", metavar="SIZES", help="Channels.")] = "64",
    batch: Annotated[str, typer.Option("--batch", metavar="SIZES", help="Samples in the input.")] = "1",
    heads: opt.Heads = 1,
    operators: opt.Operators = None,
    option: opt.OwnOption = None,
    projection: opt.Projection = "value",
    as_published: opt.AsPublished = False,
    scale: opt.Scale = "sqrt",
    dtype: opt.Dtype = "fp32",
    device: opt.Device = "auto",
    mode: opt.Mode = "forward",
    baseline: opt.Baseline = "nonlocal",
    with_: opt.With = None,
    with_layout: opt.WithLayout = "",
    allow_import: opt.AllowImport = False,
    analytic: opt.Analytic = False,
    no_measure: Annotated[bool, typer.Option("--no-measure", help="Count and predict, run nothing.")] = False,
    measuring: Measuring = AS_USUAL,
    strict: opt.Strict = False,
    verbose: opt.Verbose = False,
    format_: opt.WatchedFormat = "table",
    output: opt.Output = None,
    force: opt.Force = False,
) -> int:
    """Attention operators side by side: closed form, counts, predicted and measured peak memory, latency.

    Ratios are against the best implementation of --baseline. Sizes may be lists: every combination becomes a table.
    A module of your own goes --with them, in the same rounds; its closed form is derived from its code.
    """
    from kaoprof.cli.finish import finish
    from kaoprof.cli.local_code import importable
    from kaoprof.cli.operator_names import told_operators, told_projection
    from kaoprof.cli.output import WATCHED, check_format, check_targets
    from kaoprof.cli.progress import shown_progress
    from kaoprof.comparing.cases import parse_names, parse_sizes, parse_widths
    from kaoprof.comparing.run import compare as profile

    check_format(format_, WATCHED)
    check_targets(output or [], force=force, kind="compare")
    options = measuring.options(device=device, analytic=analytic, baseline=baseline)
    given = {"h": h, "t": t, "n": n, "c": c, "batch": batch}
    sizes = {name: parse_sizes(name, text) for name, text in given.items()}
    widths = parse_widths(w, aspect)
    with shown_progress() as progress, importable(allowed=allow_import):
        record = profile(
            **sizes, w=widths, heads=heads, operators=told_operators(parse_names(operators), option),
            projection=told_projection(projection, as_published=as_published), scale=scale, dtype=dtype, mode=mode,
            options=options, measured=not no_measure, progress=progress, with_=with_ or (), layout=with_layout,
            allow_import=allow_import,
        )  # fmt: skip
    return finish(record, output or [], format_name=format_, verbose=verbose, strict=strict)
