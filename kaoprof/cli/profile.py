"""`kaoprof profile`: whole models, layer by layer."""

from pathlib import Path
from typing import Annotated

import typer


def profile(
    specs: Annotated[
        list[str], typer.Argument(metavar="SPEC...", help="Paths, shipped names, or package.mod:factory.")
    ],
    input_: Annotated[
        list[str] | None, typer.Option("--input", metavar="SHAPE", help="Of code: 1,3,224,224; repeatable.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Samples at once, instead of the spec's.")] = None,
    size: Annotated[str | None, typer.Option(metavar="SIZES", help="Spatial sizes: 224, or 192,256.")] = None,
    attention: Annotated[str | None, typer.Option(metavar="NAME", help="Operator of every attention layer.")] = None,
    dtype: Annotated[str, typer.Option(help="fp64, fp32, bf16 or fp16.")] = "fp32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")] = "auto",
    mode: Annotated[str, typer.Option(help="forward, or train: forward and backward.")] = "forward",
    analytic: Annotated[bool, typer.Option("--analytic", help="Closed forms only: at once, without torch.")] = False,
    no_measure: Annotated[bool, typer.Option("--no-measure", help="Count and predict, run nothing.")] = False,
    depth: Annotated[int | None, typer.Option(help="Levels of the tree; as many as fit by default.")] = None,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Import the code that a spec names; importing runs it.")
    ] = False,
    budget: Annotated[str, typer.Option(metavar="TIME", help="Time for measuring, in all.")] = "10s",
    samples: Annotated[int | None, typer.Option(help="Rounds of measuring, whatever the budget.")] = None,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="The longest that one call may take.")] = "60s",
    threads: Annotated[int | None, typer.Option(help="CPU threads; torch's choice by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, inputs and the order of measuring.")] = 0,
    force_run: Annotated[bool, typer.Option("--force-run", help="Run also what is predicted not to fit.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a model failed or counts disagree.")] = False,
    format_: Annotated[str, typer.Option("--format", help="On stdout: table, csv, json, md or tex.")] = "table",
    output: Annotated[
        list[Path] | None, typer.Option("-o", "--output", help="Also write FILE: .csv, .json, .md, .tex; repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite output files.")] = False,
) -> int:
    """Whole models, layer by layer: closed forms, counts, predicted and measured peak memory, latency.

    Several specs are measured side by side, and compared with the first.
    """
    from kaoprof.cli.finish import finish
    from kaoprof.cli.local_code import importable
    from kaoprof.cli.output import check_format, check_targets
    from kaoprof.cli.progress import shown_progress
    from kaoprof.cli.renderings import profile_rendering
    from kaoprof.model_profiling import ModelOptions, code_document
    from kaoprof.model_profiling import profile as take
    from kaoprof.requests import Options, parse_sizes
    from kaoprof.units import parse_seconds

    paths, rendering = output or [], profile_rendering(depth)
    check_format(format_)
    check_targets(paths, force=force)
    options = Options(
        device=device, analytic=analytic, budget_s=parse_seconds(budget, where="--budget"), samples=samples,
        timeout_s=parse_seconds(timeout, where="--timeout"), force_run=force_run, threads=threads, seed=seed,
    )  # fmt: skip
    model = ModelOptions(
        batch=batch, size=parse_sizes("size", size), attention=attention, mode=mode, dtype=dtype,
        measured=not no_measure, allow_import=allow_import,
    )  # fmt: skip
    shapes = [parse_sizes("input", text) or () for text in input_ or []]
    targets = [code_document(spec, shapes, dtype) if ":" in spec else spec for spec in specs]
    with importable(allowed=allow_import), shown_progress() as progress:
        record = take(targets, model=model, options=options, progress=progress)
    return finish(record, rendering, paths, format_name=format_, strict=strict)
