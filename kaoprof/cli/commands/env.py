"""`kaoprof env`: what figures measured here would be stamped with."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaoprof.cli import options as opt

if TYPE_CHECKING:
    from kaoprof.records.measured import Ceilings

PLAIN = [
    "device_name", "cores", "threads", "system", "python", "torch", "denormals_flushed", "cuda", "cudnn", "driver",
    "capability", "multiprocessors", "power_limit_w", "energy_source",
]  # fmt: skip


def env(
    device: opt.Device = "auto",
    threads: opt.Threads = None,
    affinity: opt.Affinity = None,
    cache: opt.Cache = "auto",
    refresh: Annotated[bool, typer.Option("--refresh", help="Measure the ceilings again.")] = False,
    format_: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> int:
    """The machine as the measuring process sees it: device, threads, memory, torch; and the most that it can do.

    These ceilings are measured once and kept in the cache folder.
    """
    from kaoprof.comparing.cases import parse_cores
    from kaoprof.dims import one_of
    from kaoprof.measuring.run import describe_environment
    from kaoprof.records.measured import dumps
    from kaoprof.records.options import Options
    from kaoprof.reporting.formats.plain import visible

    one_of("format", format_, ("table", "json"))
    options = Options(device=device, threads=threads, affinity=parse_cores(affinity), cache=cache)
    described = describe_environment(options, refresh=refresh)
    if format_ == "json":
        typer.echo(dumps(described), nl=False)
        return 0
    for name, value in (_shown(described) | ceilings_shown(described["ceilings"])).items():
        if value is not None:
            typer.echo(f"{name:18} {visible(str(value))}")
    return 0


def _shown(found: dict[str, Any]) -> dict[str, str | None]:
    """What the environment says of itself, formatted."""
    from kaoprof.units import format_bytes

    conditions = found["conditions"]
    clock_hz, temperature_c = (getattr(conditions, name, None) for name in ("clock_hz", "temperature_c"))
    return {
        **{name.replace("_", " "): None if found[name] is None else str(found[name]) for name in PLAIN},
        "affinity": ",".join(map(str, found["affinity"])) if found["affinity"] else None,
        "backends": " ".join(found["backends"]),
        "settings": " ".join(found["settings"]) or None,
        "memory": format_bytes(int(found["memory_bytes"])),
        "free memory": format_bytes(int(found["free_bytes"])),
        "clock": f"{clock_hz / 1e9:.2f} GHz" if clock_hz else None,
        "temperature": f"{temperature_c:.0f} C" if temperature_c else None,
    }


def ceilings_shown(ceilings: "Ceilings") -> dict[str, str]:
    """The ceilings, formatted: products, launch, and copies from the largest cache down to main memory."""
    from kaoprof.units import format_bytes, format_rate, format_seconds

    fastest = max(ceilings.copies, key=lambda copy: copy.moved_bytes / copy.seconds)
    rows = {f"{dtype} product": format_rate(rate, "FLOP") for dtype, rate in ceilings.products.items()}
    rows["launch"] = format_seconds(ceilings.launch_s)
    shown = {"fastest copy": fastest, "largest copy": ceilings.copies[-1]}
    if ceilings.cold_copies:
        shown["largest cold copy"] = ceilings.cold_copies[-1]
    for name, copy in shown.items():
        rate = format_rate(copy.moved_bytes / copy.seconds, "B")
        rows[name] = f"{rate}, {format_bytes(copy.moved_bytes)} read and written"
    busy = "" if ceilings.load is None else f", at a load of {ceilings.load:.1f}"
    return rows | {"ceilings of": f"{ceilings.created}{busy}"}
