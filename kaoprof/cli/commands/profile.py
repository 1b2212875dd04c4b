"""`kaoprof profile`: whole models, layer by layer."""

from typing import Annotated

import typer

from kaoprof.cli import options as opt
from kaoprof.cli.completion import operators
from kaoprof.cli.completion import specs as specs_known
from kaoprof.cli.measuring_options import AS_USUAL, Measuring, measured

SPECS = "Specs, package.mod:factory, timm:NAME, the folder of a config, a .pt2."
EVERY = "Operator of every attention layer."
SHAPES = "Of code: 1,3,224,224 or mask=2,32:int64:ones; its config's by default."


@measured()
def profile(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help=SPECS, autocompletion=specs_known)],
    input_: Annotated[list[str] | None, typer.Option("--input", metavar="SHAPE", help=SHAPES)] = None,
    arg: opt.Arguments = None,
    kwarg: opt.Keywords = None,
    batch: Annotated[int | None, typer.Option(help="Samples at once, instead of the spec's.")] = None,
    size: Annotated[str | None, typer.Option(metavar="SIZES", help="Spatial sizes: 224, or 128,192x256.")] = None,
    attention: Annotated[str | None, typer.Option(metavar="NAME", help=EVERY, autocompletion=operators)] = None,
    dtype: opt.Dtype = "fp32",
    device: opt.Device = "auto",
    mode: opt.Mode = "forward",
    input_grad: opt.InputGrad = False,
    optimizer: opt.Optimizer = "",
    batch_axis: opt.BatchAxis = "auto",
    analytic: opt.Analytic = False,
    no_measure: Annotated[bool, typer.Option("--no-measure", help="Count and predict, run nothing.")] = False,
    depth: Annotated[int | None, typer.Option(help="Levels of the tree; as many as fit by default.")] = None,
    allow_import: opt.AllowImport = False,
    measuring: Measuring = AS_USUAL,
    strict: opt.Strict = False,
    verbose: opt.Verbose = False,
    format_: opt.WatchedFormat = "table",
    output: opt.Output = None,
    force: opt.Force = False,
) -> int:
    """Whole models, layer by layer: closed forms, counts, predicted and measured peak memory, latency.

    Several specs are measured side by side, and compared with the first.
    """
    from kaoprof.cli.finish import finish
    from kaoprof.cli.local_code import importable
    from kaoprof.cli.output import WATCHED, check_format, check_targets
    from kaoprof.cli.progress import shown_progress
    from kaoprof.errors import UsageError
    from kaoprof.networks.code_documents import find_document
    from kaoprof.profiling.run import ModelOptions, parse_axis
    from kaoprof.profiling.run import profile as take
    from kaoprof.specs.inputs import parse_inputs
    from kaoprof.sweeping.model_plan import sizes_of
    from kaoprof.workload.size_arithmetic import parse_argument, parse_keyword

    check_format(format_, WATCHED)
    check_targets(output or [], force=force, kind="profile")
    options = measuring.options(device=device, analytic=analytic)
    sizes = tuple(filter(None, sizes_of(size)))
    model = ModelOptions(
        batch=batch, size=sizes[0] if sizes else None, sizes=sizes if len(sizes) > 1 else (),
        attention=attention, mode=mode, dtype=dtype,
        measured=not no_measure, allow_import=allow_import,
        input_grad=input_grad, batch_axis=parse_axis(batch_axis), optimizer=optimizer,
    )  # fmt: skip
    if depth is not None and depth < 1:
        raise UsageError(f"must be at least 1, not {depth}", where="--depth")
    made_with = [parse_argument(text) for text in arg or ()], dict(map(parse_keyword, kwarg or ()))
    targets = [find_document(spec, parse_inputs(input_ or ()), *made_with) for spec in specs]
    if (input_ or arg or kwarg) and not any(target.kind == "code" for target in targets):
        given = "--input" if input_ else "--arg" if arg else "--kwarg"
        raise UsageError("is for code, and none is named", where=given, hint="name package.mod:factory")
    with importable(allowed=allow_import), shown_progress() as progress:
        record = take(targets, model=model, options=options, progress=progress)
    return finish(record, output or [], format_name=format_, verbose=verbose, strict=strict, depth=depth)
