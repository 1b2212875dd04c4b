"""`kaoprof compare`: attention operators side by side."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    h: Annotated[
        str | None, typer.Option("--h", metavar="SIZES", help="Height; several with commas, or 16:256:x2.")
    ] = None,
    w: Annotated[str | None, typer.Option("--w", metavar="SIZES", help="Width; the height by default.")] = None,
    t: Annotated[str | None, typer.Option("--t", metavar="SIZES", help="Frames, for video.")] = None,
    n: Annotated[str | None, typer.Option("--n", metavar="SIZES", help="Length, for one spatial axis.")] = None,
    c: Annotated[str, typer.Option("--c", metavar="SIZES", help="Channels.")] = "64",
    batch: Annotated[str, typer.Option("--batch", metavar="SIZES", help="Samples in the input.")] = "1",
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 1,
    operators: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Such as kao_qkv,nonlocal:sdpa; all by default.")
    ] = None,
    projection: Annotated[str, typer.Option(help="none, value (the paper's count), qkv or qkvo.")] = "value",
    scale: Annotated[str, typer.Option(help="sqrt, or none (the paper's formula).")] = "sqrt",
    dtype: Annotated[str, typer.Option(help="fp64, fp32, bf16 or fp16.")] = "fp32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")] = "auto",
    mode: Annotated[str, typer.Option(help="forward, or train: forward and backward.")] = "forward",
    baseline: Annotated[str, typer.Option(help="The operator that ratios refer to.")] = "nonlocal",
    analytic: Annotated[bool, typer.Option("--analytic", help="Closed forms only: at once, without torch.")] = False,
    budget: Annotated[str, typer.Option(metavar="TIME", help="Time for measuring, in all.")] = "10s",
    samples: Annotated[int | None, typer.Option(help="Rounds of measuring, whatever the budget.")] = None,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="The longest that one call may take.")] = "60s",
    threads: Annotated[int | None, typer.Option(help="CPU threads; torch's choice by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, inputs and the order of measuring.")] = 0,
    force_run: Annotated[bool, typer.Option("--force-run", help="Run also what is predicted not to fit.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a row failed or its counts disagree.")
    ] = False,
    format_: Annotated[str, typer.Option("--format", help="On stdout: table, csv, json, md or tex.")] = "table",
    output: Annotated[
        list[Path] | None, typer.Option("-o", "--output", help="Also write FILE: .csv, .json, .md, .tex; repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite output files.")] = False,
) -> int:
    """Attention operators side by side: closed form, counts, predicted and measured peak memory, latency.

    Ratios are against the best implementation of --baseline. Sizes may be lists: every combination becomes a table.
    """
    from kaoprof.cli.finish import finish
    from kaoprof.cli.output import check_format, check_targets
    from kaoprof.cli.progress import shown_progress
    from kaoprof.cli.renderings import compare_rendering
    from kaoprof.profiling import compare as profile
    from kaoprof.requests import Options, parse_names, parse_sizes
    from kaoprof.units import parse_seconds

    paths = output or []
    check_format(format_)
    check_targets(paths, force=force)
    options = Options(
        device=device, analytic=analytic, budget_s=parse_seconds(budget, where="--budget"), samples=samples,
        timeout_s=parse_seconds(timeout, where="--timeout"), force_run=force_run, threads=threads, seed=seed,
        baseline=baseline,
    )  # fmt: skip
    sizes = {
        name: parse_sizes(name, text)
        for name, text in (("h", h), ("w", w), ("t", t), ("n", n), ("c", c), ("batch", batch))
    }
    with shown_progress() as progress:
        record = profile(
            **sizes, heads=heads, operators=parse_names(operators), projection=projection, scale=scale, dtype=dtype,
            mode=mode, options=options, progress=progress,
        )  # fmt: skip
    return finish(record, compare_rendering(), paths, format_name=format_, strict=strict)
