"""`kaoprof fit`: the largest size that fits a budget, and from which size on one operator is cheaper than another."""

from typing import TYPE_CHECKING, Annotated

import typer

from kaoprof.cli import options as opt
from kaoprof.cli.measuring_options import AS_USUAL, Measuring, measured

if TYPE_CHECKING:
    from kaoprof.cli.commands.fit_question import Question
    from kaoprof.fitting.run import FitRequest
    from kaoprof.records.fit import CrossRecord, FitRecord

SPECS = "Models, as profile takes them: how many samples fit into --memory?"
CROSS = "Two operators: from which size on is one cheaper?"
SOLVE = "What is solved for: h, w, t, n, c or batch; h by default, batch where h or n is given."
AT = "Also whether this size fits, and how many of it: 2160x3840, or h=2160,w=3840."


@measured("budget", "samples", "timeout", "threads", "seed")
def fit(
    specs: Annotated[list[str] | None, typer.Argument(metavar="[SPEC...]", help=SPECS)] = None,
    memory: Annotated[str | None, typer.Option(metavar="BYTES", help="What there is, such as 24GiB.")] = None,
    macs: Annotated[str | None, typer.Option(metavar="COUNT", help="MACs per call, of the whole batch: 1G.")] = None,
    time: Annotated[str | None, typer.Option(metavar="TIME", help="Per call, such as 10ms; this is measured.")] = None,
    at: Annotated[str, typer.Option("--at", metavar="HxW", help=AT)] = "",
    cross: Annotated[str | None, typer.Option(metavar="A,B", help=CROSS)] = None,
    measured: Annotated[bool, typer.Option("--measured", help="With --cross: measured time, too.")] = False,
    solve: Annotated[str | None, typer.Option(metavar="AXIS", help=SOLVE)] = None,
    h: Annotated[int | None, typer.Option("--h", help="Height.")] = None,
    w: Annotated[str | None, typer.Option("--w", metavar="SIZE", help=opt.WIDTH)] = None,
    aspect: opt.Aspect = None,
    t: Annotated[int | None, typer.Option("--t", help="Frames, for video.")] = None,
    n: Annotated[int | None, typer.Option("--n", help="Length, for one spatial axis.")] = None,
    c: Annotated[int | None, typer.Option("--c", help="Channels; 64 by default.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Samples in the input; 1 by default.")] = None,
    size: Annotated[str | None, typer.Option(metavar="SIZES", help="Of models: 224, or 128,192x256.")] = None,
    heads: opt.Heads = 1,
    operators: opt.Operators = None,
    option: opt.OwnOption = None,
    projection: opt.Projection = "value",
    as_published: opt.AsPublished = False,
    scale: opt.Scale = "sqrt",
    dtype: opt.Dtype = "fp32",
    device: opt.Device = "auto",
    mode: opt.Mode = "forward",
    with_: opt.With = None,
    with_layout: opt.WithLayout = "",
    allow_import: opt.AllowImport = False,
    measuring: Measuring = AS_USUAL,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a question stays without answer.")] = False,
    verbose: opt.Verbose = False,
    format_: opt.Format = "table",
    output: opt.Output = None,
    force: opt.Force = False,
) -> int:
    """The largest size within a budget of memory, MACs or time; or with --cross, who is cheaper from where on.

    Of models, which are named, the largest batch within --memory.

    Memory is predicted, for a device that need not be there; MACs are exact; time is measured and extrapolated at
    most 2x, with its interval, or refused.
    """
    from kaoprof.cli.commands.fit_question import asked, asked_size, chosen_axis, chosen_width
    from kaoprof.cli.finish import finish
    from kaoprof.cli.local_code import importable
    from kaoprof.cli.operator_names import told_operators, told_projection
    from kaoprof.cli.output import check_format, check_targets
    from kaoprof.comparing.cases import parse_names
    from kaoprof.comparing.own_modules import own_modules
    from kaoprof.dims import AttentionOptions
    from kaoprof.errors import UsageError
    from kaoprof.fitting.run import FitRequest
    from kaoprof.records.aspect import SQUARE, told_aspect

    check_format(format_)
    check_targets(output or [], force=force, kind="fit-models" if specs else "fit" if cross is None else "cross")
    if specs:
        from kaoprof.cli.commands.fit_models import batches_of

        foreign = {"macs": macs, "time": time, "cross": cross, "measured": measured, "h": h, "w": w, "t": t, "n": n,
                   "c": c, "batch": batch, "heads": heads != 1, "operators": operators, "option": option,
                   "projection": projection != "value", "as-published": as_published, "scale": scale != "sqrt",
                   "with": with_, "with-layout": with_layout}  # fmt: skip
        with importable(allowed=allow_import):
            batches = batches_of(
                specs, memory=memory, solve=solve, size=size, foreign=foreign, dtype=dtype, mode=mode,
                options=measuring.options(device=device), allow_import=allow_import,
            )  # fmt: skip
        return finish(batches, output or [], format_name=format_, verbose=verbose, strict=strict)
    if size is not None:
        raise UsageError("is for models, and none is named", where="--size", hint="of operators, --h and --w")
    budgets = {"memory": memory, "macs": macs, "time": time}
    question = asked(budgets, cross, measured=measured, operators=operators, options=option)
    if at and cross is not None:
        raise UsageError("excludes --cross", where="--at", hint="--memory or --macs says within what it must fit")
    tie = told_aspect(aspect, w)
    given = {"b": batch, "c": c, "t": t, "h": h, "w": chosen_width(w), "n": n}
    axis, sizes = chosen_axis(solve, given, tied=tie is not None, crossed=cross is not None)
    options = measuring.options(device=device)
    projection = told_projection(projection, as_published=as_published)
    told = AttentionOptions(heads=heads, projection=projection, scale=scale)
    own = own_modules(with_ or (), layout=with_layout, allow_import=allow_import)
    request = FitRequest(axis=axis, sizes=sizes, told=told, mode=mode, dtype=dtype, options=options,
                         own=own, aspect=tie or SQUARE, at=asked_size(at))  # fmt: skip
    with importable(allowed=allow_import):
        record = answer(request, question, None if cross else told_operators(parse_names(operators), option))
    return finish(record, output or [], format_name=format_, verbose=verbose, strict=strict)


def answer(request: "FitRequest", question: "Question", operators: list[str] | None) -> "FitRecord | CrossRecord":
    """The record that answers the question, with progress on the terminal."""
    from kaoprof.cli.progress import shown_progress
    from kaoprof.fitting.run import run_cross, run_fit

    with shown_progress() as progress:
        if question.names is not None:
            return run_cross(request, question.names, measured=question.measured, notify=progress)
        return run_fit(request, question.budget, question.amount, operators, progress)
