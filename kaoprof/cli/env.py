"""`kaoprof env`: what figures measured here would be stamped with."""

from typing import Annotated

import typer


def env(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; torch's choice by default.")] = None,
    format_: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> int:
    """The machine as the measuring process sees it: device, threads, memory, torch, and how fast it multiplies."""
    import json

    from kaoprof.dims import one_of
    from kaoprof.measuring import describe_environment
    from kaoprof.requests import Options
    from kaoprof.units import format_bytes

    one_of("format", format_, ("table", "json"))
    found = describe_environment(Options(device=device, threads=threads))
    if format_ == "json":
        typer.echo(json.dumps(found, indent=1))
        return 0
    shown = found | {
        "memory": format_bytes(int(found["memory_bytes"])),
        "free memory": format_bytes(int(found["free_bytes"])),
        "backends": " ".join(found["backends"]),
        "fp32 product": f"{found['throughput_flops'] / 1e9:.0f} GFLOP/s",
    }
    for name, value in shown.items():
        if not name.endswith(("_bytes", "_flops")) and value is not None:
            typer.echo(f"{name.replace('_', ' '):18} {value}")
    return 0
