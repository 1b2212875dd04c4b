"""`kaoprof explain`: what something costs as formulas, derived from the running module, and proven."""

from typing import Annotated

import typer

from kaoprof.cli import options as opt
from kaoprof.cli.completion import targets, words

TARGET = "An operator, a spec, or package.module:Class."
FUSED = "matmul, or sdpa: torch's fused attention."
AXES = "Of code, one for each input: b,c,7*h,w; b: batch, c: channels, h w t n: image."


def explain(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=TARGET, autocompletion=targets)],
    input_: Annotated[list[str] | None, typer.Option("--input", metavar="AXES", help=AXES)] = None,
    at: Annotated[str, typer.Option(metavar="SIZES", help="Sizes for values and shares: b=2,c=8,h=14,w=15.")] = "",
    arg: opt.Arguments = None,
    kwarg: opt.Keywords = None,
    allow_import: opt.AllowImport = False,
    ndim: Annotated[int, typer.Option(help="Spatial axes of an operator's input: 1, 2 or 3.")] = 2,
    heads: opt.Heads = 1,
    option: opt.OwnOption = None,
    projection: opt.Projection = "value",
    as_published: opt.AsPublished = False,
    scale: opt.Scale = "sqrt",
    implementation: Annotated[str, typer.Option(help=FUSED, autocompletion=words("matmul", "sdpa"))] = "matmul",
    mode: opt.Mode = "forward",
    input_grad: opt.InputGrad = False,
    dtype: opt.Dtype = "fp32",
    device: opt.PeakDevice = "cpu",
    threads: opt.PeakThreads = 1,
    seed: Annotated[int, typer.Option(help="Of the sizes at which formulas are verified.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="Every formula, operation and submodule, unfolded.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if formula and derivation differ.")] = False,
    verbose: opt.Verbose = False,
    format_: opt.Format = "table",
    output: opt.Output = None,
    force: opt.Force = False,
) -> int:
    """What something costs as formulas: MACs, FLOPs, parameters, peak memory, exact in its named sizes.

    They are derived by running the real module with symbolic sizes, proven against the closed form where there is
    one, and verified by counting at random sizes.
    """
    from kaoprof.cli.finish import finish
    from kaoprof.cli.local_code import importable
    from kaoprof.cli.operator_names import told_operators, told_projection
    from kaoprof.cli.output import check_format, check_targets
    from kaoprof.dims import AttentionOptions
    from kaoprof.explaining.run import ExplainRequest
    from kaoprof.explaining.run import explain as derive
    from kaoprof.workload.size_arithmetic import parse_argument, parse_keyword, parse_sizes

    check_format(format_)
    check_targets(output or [], force=force, kind="explain")
    projection = told_projection(projection, as_published=as_published)
    (target,) = told_operators([target], option) or [target]
    request = ExplainRequest(
        target=target, inputs=tuple(input_ or ()), sizes=parse_sizes(at), args=tuple(map(parse_argument, arg or ())),
        kwargs=dict(map(parse_keyword, kwarg or ())), allow_import=allow_import, ndim=ndim, mode=mode, dtype=dtype,
        device=device, threads=threads, seed=seed, input_grad=input_grad,
        options=AttentionOptions(heads=heads, projection=projection, scale=scale, implementation=implementation),
    )  # fmt: skip
    with importable(allowed=allow_import):
        explanation = derive(request)
    return finish(explanation, output or [], format_name=format_, verbose=verbose, strict=strict, full=full)
