"""The options that several commands share, once: a name means the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

Dtype = Annotated[str, typer.Option(help="fp64, fp32, tf32 (CUDA), bf16 or fp16.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")]
Mode = Annotated[str, typer.Option(help="forward, or train: forward and backward.")]
InputGrad = Annotated[bool, typer.Option("--input-grad", help="Train: with the gradient of a model's input.")]
NAMES = "Such as kao_qkv,nonlocal:sdpa, or a group: paper (the default), h3, h2, all."
Operators = Annotated[str | None, typer.Option(metavar="NAMES", help=NAMES)]
OWN = "What one operator is told: window.window=8, by axis 2x7x7; 7,8 makes two of it; repeatable."
OwnOption = Annotated[list[str] | None, typer.Option("--option", metavar="OPERATOR.NAME=NUMBER", help=OWN)]
AS_PUBLISHED = "Each operator with the projections and the scale of its own paper."
AsPublished = Annotated[bool, typer.Option("--as-published", help=AS_PUBLISHED)]
Baseline = Annotated[str, typer.Option(help="The operator that ratios refer to.")]
Heads = Annotated[int, typer.Option(help="Attention heads.")]
Projection = Annotated[str, typer.Option(help="none, value (the paper's count), qkv, qkvo or published.")]
Scale = Annotated[str, typer.Option(help="sqrt, or none (the paper's formula).")]
Analytic = Annotated[bool, typer.Option("--analytic", help="Closed forms only: at once, without torch.")]
Arguments = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="VALUE", help="Of code's constructor, such as 64 (explain: or c); repeatable."),
]
Keywords = Annotated[
    list[str] | None, typer.Option("--kwarg", metavar="NAME=VALUE", help="Likewise, by name: bias=false.")
]
Optimizer = Annotated[str, typer.Option(metavar="NAME", help="Train, and step: adamw, adam, sgd or sgd:momentum=0.9.")]
BatchAxis = Annotated[
    str, typer.Option(metavar="N", help="Of code's first input, where samples lie: 0; none: count the call; auto.")
]
AllowImport = Annotated[bool, typer.Option("--allow-import", help="Import the code that is named, which runs it.")]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="CODE", help="Your own beside them: 'my_pkg:Attention(64)', my.yaml; repeatable."),
]
WithLayout = Annotated[
    str, typer.Option("--with-layout", metavar="LAYOUT", help="Its input: map, tokens or last; tried by default.")
]

Budget = Annotated[str, typer.Option(metavar="TIME", help="For measuring, after the start; 10 rounds at least.")]
Precision = Annotated[
    str | None, typer.Option(metavar="PERCENT", help="Stop once all intervals are so narrow: 2% is plus or minus 2 %.")
]
Samples = Annotated[int | None, typer.Option(help="Rounds of measuring, whatever the budget.")]
Timeout = Annotated[str, typer.Option(metavar="TIME", help="The longest that one call may take.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; torch's choice by default.")]
Affinity = Annotated[str | None, typer.Option(metavar="CORES", help="Run on these cores: 0,1; any by default.")]
Cache = Annotated[str, typer.Option(help="cold: emptied before each call; warm; auto: cold on a GPU.")]
Sdpa = Annotated[str, typer.Option(help="Fused attention's backend: auto, flash, efficient, cudnn or math.")]
Compile = Annotated[bool, typer.Option("--compile", help="Beside each row one through torch.compile.")]
Graph = Annotated[bool, typer.Option("--graph", help="Beside each row one replayed as a CUDA graph.")]
Seed = Annotated[int, typer.Option(help="Of weights, inputs and the order of measuring.")]
ForceRun = Annotated[bool, typer.Option("--force-run", help="Run also what is predicted not to fit.")]

PeakDevice = Annotated[str, typer.Option(help="Where the peak is predicted for: cpu or cuda. Needs none.")]
PeakThreads = Annotated[int, typer.Option(help="CPU threads; some kernels keep a buffer for each.")]

Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a row failed or its counts are not sure.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="All that is known, and how to read it.")]
Format = Annotated[str, typer.Option("--format", help="On stdout: table, csv, json, md, tex or html.")]
Output = Annotated[
    list[Path] | None,
    typer.Option("-o", "--output", help="Also write FILE: .csv, .json, .md, .tex, .html; repeatable."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite output files.")]
WIDTH = "Of figures and tables: neurips, cvpr, cvpr-wide, ieee, ieee-wide, or 84mm."
Width = Annotated[str | None, typer.Option("--width", metavar="WIDTH", help=WIDTH)]
