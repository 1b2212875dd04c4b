"""The commands that would measure a run again, as exactly as its record tells."""

import itertools
import math
import shlex
from collections.abc import Iterable, Sequence

from kaoprof.records.aspect import aspect_through
from kaoprof.records.compare import Case, Record
from kaoprof.records.measured import EAGER, Protocol
from kaoprof.records.own import OwnModule
from kaoprof.records.profile import ProfileRecord
from kaoprof.units import format_bytes

FLAGS = {"b": "--batch"}  # flags that are not called like their axis
MOST_COMMANDS = 20  # more are no instruction
AXES = ("t", "h", "w", "n", "c", "b", "heads")


def compare_commands(record: Record) -> list[str]:
    """One command if the cells are a full grid, else one for each line of cells along their first axis."""
    cases = [row.case for row in record.rows if row.case.own is None]
    own = {row.case.own.name: row.case.own for row in record.rows if row.case.own}
    operators = tuple(dict.fromkeys((case.operator, case.implementation) for case in cases))
    groups = [_places(cases)]
    tied = [] if _full(groups[0]) else _tied(groups[0])
    groups = [tied] if tied and _full(tied) else groups
    if not _full(groups[0]):
        groups = [list(members) for _, members in itertools.groupby(sorted(groups[0], key=_others), key=_others)]
    beside = [word for module in own.values() for word in _own_words(module)] + ["--allow-import"] * bool(own)
    commands = [_compare_command(record, cases[0], operators, group, beside) for group in groups[:MOST_COMMANDS]]
    left = len(groups) - len(commands)
    return [*commands, *([f"# and {left} more like these"] if left else [])]


Place = dict[str, int | str]


def _places(cases: Iterable[Case]) -> list[Place]:
    """The cells, each once; a width that is the height needs no naming."""
    cells: dict[tuple[object, ...], Place] = {}
    for case in cases:
        sizes = dict(zip(case.dims.axes, case.spatial, strict=True))
        cells[case.cell] = {**sizes, "c": case.c, "b": case.b, "heads": case.heads, "dtype": case.dtype,
                            "mode": case.mode}  # fmt: skip
    places = list(cells.values())
    if all(place.get("w") == place.get("h") for place in places):
        for place in places:
            place.pop("w", None)
    return places


def _tied(places: Sequence[Place]) -> list[Place]:
    """The cells with what ties their width to the height in its place; none if nothing does."""
    shapes = {(int(place["h"]), int(place["w"])) for place in places if "h" in place and "w" in place}
    aspect = aspect_through(shapes) if shapes else None
    if aspect is None or not all("w" in place for place in places):
        return []
    return [
        {**{name: value for name, value in place.items() if name != "w"}, "aspect": aspect.text} for place in places
    ]


def _others(place: Place) -> tuple[tuple[str, int | str], ...]:
    first = next(axis for axis in AXES if axis in place and axis != "t")
    return (("along", first), *((name, value) for name, value in place.items() if name != first))


def _full(places: Sequence[Place]) -> bool:
    """Whether the cells are all combinations of their values."""
    if len({frozenset(place) for place in places}) != 1:
        return False
    return len(places) == math.prod(len({place[name] for place in places}) for name in places[0])


def _own_words(module: OwnModule) -> list[str]:
    """What names somebody's module; its spec, and what a program handed over, have to be named again."""
    layout = ["--with-layout", module.layout] if module.layout else []
    return ["--with", f"{module.name}={module.written}", *layout]


def _compare_command(
    record: Record,
    first: Case,
    operators: Sequence[tuple[str, str]],
    places: Sequence[Place],
    beside: Sequence[str] = (),
) -> str:
    """What all places share is read off `first`."""
    values = {name: dict.fromkeys(str(place[name]) for place in places) for name in places[0]}
    several = record.kind == "sweep"
    words = ["kaoprof", "sweep" if several else "compare"]
    for name, chosen in values.items():
        words += [FLAGS.get(name, f"--{name}"), ",".join(chosen)]
    variants = dict.fromkeys(word for _, kind in operators for word in kind.split("+")[1:])  # beside each row
    plain = dict.fromkeys(f"{operator}:{kind.partition('+')[0]}" for operator, kind in operators)
    words += ["--operators", ",".join(plain), *(f"--{variant}" for variant in variants)]
    words += [*beside, "--projection", first.projection, "--scale", first.scale]
    words += ["--baseline", record.baseline, *_manner(record.protocol, first.device, record)]
    return shlex.join([*words, *(["-o", "run.jsonl"] if several else ["-o", "run.json"])])


def _manner(protocol: Protocol | None, device: str | None, record: Record | ProfileRecord) -> list[str]:
    """How it was measured, as options."""
    if protocol is None:
        return ["--analytic"]
    environment = record.environment
    cores = environment.affinity if environment and isinstance(record, Record) else None
    options = {
        "device": device or "auto",
        "budget": f"{protocol.budget_s:g}s",
        "timeout": f"{protocol.timeout_s:g}s",
        "seed": protocol.seed,
        "cache": protocol.cache,
        "sdpa": protocol.sdpa,
        "affinity": None if cores is None else ",".join(map(str, cores)),
        "samples": protocol.samples,
        "threads": environment.threads if environment else None,
    }
    words = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    return [*words, *(["--force-run"] if protocol.force_run else [])]


def profile_commands(record: ProfileRecord) -> list[str]:
    """The command that profiled these models; code that was named has to be named again."""
    eager = [model.model for model in record.models if model.variant == EAGER]
    variants = dict.fromkeys(f"--{model.variant}" for model in record.models if model.variant != EAGER)
    words = ["kaoprof", "profile", *eager, *variants, "--mode", record.mode]
    steps = dict.fromkeys(model.training_step.optimizer for model in record.models if model.training_step)
    words += [word for optimizer in steps for word in ("--optimizer", optimizer)]
    words += ["--dtype", record.dtype, *_manner(record.protocol, record.device, record)]
    return [shlex.join([*words, "-o", "run.json"])]


def environment_terms(record: Record | ProfileRecord) -> dict[str, str]:
    """Where and how, as names and values."""
    environment, protocol = record.environment, record.protocol
    terms: dict[str, str | None] = {"made with": f"kaoprof {record.version}", "begun": record.created}
    if environment is not None:
        load = environment.load_before
        terms |= {
            "device": environment.device_name,
            "cores, threads": f"{environment.cores}, {environment.threads}",
            "memory": format_bytes(environment.memory_bytes),
            "system": environment.system,
            "Python, torch": f"{environment.python}, {environment.torch}",
            "backends": " ".join(environment.backends),
            "denormals": "flushed" if environment.denormals_flushed else "kept",
            "settings": " ".join(environment.settings) or None,
            "CUDA": environment.cuda,
            "load before": None if load is None else f"{load:.1f}",
        }
    if protocol is not None:
        terms["budget, timeout, seed"] = f"{protocol.budget_s:g} s, {protocol.timeout_s:g} s, {protocol.seed}"
        terms["measured in"] = f"{protocol.spent_s:.0f} s"
    return {name: term for name, term in terms.items() if term is not None}
