"""The options that several commands share, once: a name means the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from kaoprof.cli import completion

DTYPES = completion.words("fp64", "fp32", "tf32", "bf16", "fp16")
MODES = completion.words("forward", "train")
PROJECTIONS = completion.words("none", "value", "qkv", "qkvo", "published")
SCALES = completion.words("sqrt", "none")
Dtype = Annotated[str, typer.Option(help="fp64, fp32, tf32 (CUDA), bf16 or fp16.", autocompletion=DTYPES)]
DEVICES = completion.words("auto", "cpu", "cuda")
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.", autocompletion=DEVICES)]
Mode = Annotated[str, typer.Option(help="forward, or train: forward and backward.", autocompletion=MODES)]
InputGrad = Annotated[bool, typer.Option("--input-grad", help="Train: with the gradient of a model's input.")]
NAMES = "Such as kao_qkv,nonlocal:sdpa, or a group: paper (the default), h3, h2, all."
Operators = Annotated[str | None, typer.Option(metavar="NAMES", help=NAMES, autocompletion=completion.operators)]
OWN = "What one operator is told: window.window=8, by axis 2x7x7; 7,8 makes two of it; repeatable."
OwnOption = Annotated[list[str] | None, typer.Option("--option", metavar="OPERATOR.NAME=NUMBER", help=OWN)]
AS_PUBLISHED = "Each operator with the projections and the scale of its own paper."
AsPublished = Annotated[bool, typer.Option("--as-published", help=AS_PUBLISHED)]
REFERRED = "The operator that ratios refer to."
Baseline = Annotated[str, typer.Option(help=REFERRED, autocompletion=completion.operators)]
Heads = Annotated[int, typer.Option(help="Attention heads.")]
PROJECTED = "none, value (the paper's count), qkv, qkvo or published."
Projection = Annotated[str, typer.Option(help=PROJECTED, autocompletion=PROJECTIONS)]
Scale = Annotated[str, typer.Option(help="sqrt, or none (the paper's formula).", autocompletion=SCALES)]
WIDTH = "Width; the height by default; 1.78h: so many times the height."
ASPECT = "Ties the width to the height: 16:9, width to height, rounded."
Aspect = Annotated[str | None, typer.Option("--aspect", metavar="W:H", help=ASPECT)]
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
    str | None, typer.Option(metavar="PERCENT", help="Stop once all intervals are so narrow: 5% is plus or minus 5 %.")
]
Samples = Annotated[int | None, typer.Option(help="Rounds of measuring, whatever the budget.")]
Timeout = Annotated[str, typer.Option(metavar="TIME", help="The longest that one call may take.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; torch's choice by default.")]
Affinity = Annotated[str | None, typer.Option(metavar="CORES", help="Run on these cores: 0,1; any by default.")]
CACHES = completion.words("auto", "cold", "warm")
Cache = Annotated[
    str, typer.Option(help="cold: emptied before each call; warm; auto: cold on a GPU.", autocompletion=CACHES)
]
BACKENDS = completion.words("auto", "flash", "efficient", "cudnn", "math")
FUSED = "Fused attention's backend: auto, flash, efficient, cudnn or math."
Sdpa = Annotated[str, typer.Option(help=FUSED, autocompletion=BACKENDS)]
Compile = Annotated[bool, typer.Option("--compile", help="Beside each row one through torch.compile.")]
Graph = Annotated[bool, typer.Option("--graph", help="Beside each row one replayed as a CUDA graph.")]
Seed = Annotated[int, typer.Option(help="Of weights, inputs and the order of measuring.")]
ForceRun = Annotated[bool, typer.Option("--force-run", help="Run also what is predicted not to fit.")]

PREDICTED_FOR = "Where the peak is predicted for: cpu or cuda. Needs none."
PeakDevice = Annotated[str, typer.Option(help=PREDICTED_FOR, autocompletion=completion.words("cpu", "cuda"))]
PeakThreads = Annotated[int, typer.Option(help="CPU threads; some kernels keep a buffer for each.")]

Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if a row failed or its counts are not sure.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="All that is known, and how to read it.")]
FORMATS = ("table", "csv", "json", "md", "tex", "html")
SHOWN = "On stdout: table, csv, json, md, tex or html."
Format = Annotated[str, typer.Option("--format", help=SHOWN, autocompletion=completion.words(*FORMATS))]
SERVICES = completion.words(*FORMATS, "github-action-benchmark", "bencher")
WATCHED = "On stdout: table, csv, json, md, tex, html; for CI: github-action-benchmark, bencher."
WatchedFormat = Annotated[str, typer.Option("--format", metavar="NAME", help=WATCHED, autocompletion=SERVICES)]
Output = Annotated[
    list[Path] | None,
    typer.Option("-o", "--output", help="Also write FILE: .csv, .json, .md, .tex, .html; repeatable."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite output files.")]
WIDTH = "Of figures and tables: neurips, cvpr, cvpr-wide, ieee, ieee-wide, or 84mm."
Width = Annotated[str | None, typer.Option("--width", metavar="WIDTH", help=WIDTH)]
