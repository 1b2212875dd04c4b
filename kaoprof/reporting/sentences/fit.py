"""What the words of a `fit` are: sizes as height x width, amounts, what stays, and which operators hold a frame."""

from collections.abc import Sequence

from kaoprof import units
from kaoprof.records.aspect import SQUARE, Aspect, parse_aspect
from kaoprof.records.fit import Conditions, FitRecord, FitRow
from kaoprof.reporting.document import UNKNOWN

SUBJECTS = {"h": "frame", "w": "frame", "t": "number of frames", "n": "length", "c": "number of channels", "b": "batch"}
SPATIAL = ("t", "h", "w", "n")
WITHIN = {"memory": "in {}", "macs": "within {} MACs per call", "time": "within {} per call"}
KEPT = {"heads": 1, "projection": "value", "scale": "sqrt"}  # what a title need not say
KNOWN_HOW = {"memory": "predicted", "macs": "", "time": "measured"}


def aspect_of(conditions: Conditions) -> Aspect:
    """How a width that is not given follows the height."""
    return parse_aspect(conditions.aspect, where="aspect") if conditions.aspect else SQUARE


def frame_of(conditions: Conditions, size: int) -> dict[str, int]:
    """Every spatial size, where the axis has this one."""
    sizes = {**conditions.sizes, conditions.axis: size}
    if "h" in sizes:
        sizes.setdefault("w", aspect_of(conditions).width(sizes["h"]))
    return {name: sizes[name] for name in SPATIAL if name in sizes}


def size_text(conditions: Conditions, size: int) -> str:
    """A size of the axis: of an image as height x width."""
    if conditions.axis not in ("h", "w"):
        return str(size)
    sizes = frame_of(conditions, size)
    return f"{sizes['h']} x {sizes['w']}"


def title_of(record: FitRecord) -> str:
    """What was asked: "Largest frame in 24 GiB: 1 x 64 x h x w, fp16, forward, cuda (predicted)"."""
    within = WITHIN[record.budget].format(_round(value_of(record.amount, record.budget)))
    how = KNOWN_HOW[record.budget]
    stays = conditions_of(record.conditions)
    return f"Largest {SUBJECTS[record.conditions.axis]} {within}: {stays}{f' ({how})' if how else ''}"


def _round(amount: str) -> str:
    """`24 GiB` for `24.0 GiB`: what somebody asked for has no more digits than that."""
    number, _, unit = amount.partition(" ")
    return " ".join(filter(None, (number.rstrip("0").rstrip(".") if "." in number else number, unit)))


def conditions_of(conditions: Conditions) -> str:
    """Everything that stays; options of operators only where they are not as usual."""
    sizes = conditions.sizes | {conditions.axis: conditions.axis}
    if "h" in sizes:
        sizes.setdefault("w", "w" if conditions.axis == "h" else frame_of(conditions, 1)["w"])
    shape = " x ".join(str(sizes[name]) for name in ("b", "c", *SPATIAL) if name in sizes)
    threads = [units.counted(conditions.threads, "thread")] if conditions.threads else []
    options = [f"{name} {getattr(conditions, name)}" for name in KEPT if getattr(conditions, name) != KEPT[name]]
    device = [conditions.device] if conditions.device else []
    return ", ".join((shape, conditions.dtype, conditions.mode, *options, *device, *threads))


def tied(conditions: Conditions) -> list[str]:
    """How the width follows, where only the height is named."""
    names = {*conditions.sizes, conditions.axis}
    return [f"{aspect_of(conditions)}."] if "h" in names and "w" not in names else []


def value_of(value: float | None, budget: str) -> str:
    """Bytes, MACs or seconds in a readable unit."""
    if value is None:
        return UNKNOWN
    if budget == "time":
        return units.format_seconds(value)
    return units.format_bytes(int(value)) if budget == "memory" else units.format_count(int(value))


def closely(value: float | None, record: FitRecord) -> str:
    """A need with enough digits to see on which side of the budget it is."""
    if value is None or record.budget == "time":
        return value_of(value, record.budget)
    prefixes = units.BINARY_PREFIXES if record.budget == "memory" else units.COUNT_PREFIXES
    return units.format_beside(int(value), record.amount, prefixes)


def reach(record: FitRecord) -> list[str]:
    """How much further the furthest operator reaches than the others."""
    fitting = [row for row in record.rows if row.largest is not None and row.status == "ok"]
    best = max(fitting, key=lambda row: row.largest or 0, default=None)
    others = [row for row in fitting if best and row.operator != best.operator]
    if best is None or best.largest is None or not others or record.conditions.axis == "b":  # which `held` tells
        return []
    rival = max(others, key=lambda row: row.largest or 0)
    least = min(others, key=lambda row: row.largest or 0)
    what = {"h": "height", "w": "width", "b": "batch", "t": "frames", "n": "length", "c": "channels"}
    compared = [
        f"{units.format_ratio(best.largest / (row.largest or 1))} the {what[record.conditions.axis]} of {row.name}"
        for row in ((rival,) if least is rival else (rival, least))
    ]
    alike = {row.largest for row in record.rows if row.operator == best.operator} == {best.largest}
    name = best.operator if alike else best.name
    return [f"{name} reaches {size_text(record.conditions, best.largest)}: {' and '.join(compared)}."]


def held(record: FitRecord) -> list[str]:
    """With which operators a frame fits and with which it does not: the one asked about, or whose batch was solved."""
    if record.frame is not None:
        return _held(record, record.frame.sizes, record.frame.rows)
    if record.conditions.axis == "b" and record.budget != "time":
        return _held(record, frame_of(record.conditions, 1), record.rows)
    return []


def _held(record: FitRecord, sizes: dict[str, int], rows: Sequence[FitRow]) -> list[str]:
    name = " x ".join(str(sizes[axis]) for axis in SPATIAL if axis in sizes)
    name += f" with c={sizes['c']}" if sizes.get("c") not in (None, record.conditions.sizes.get("c")) else ""
    batch = record.conditions.sizes.get("b", 1) if record.conditions.axis != "b" else 1
    name = f"{batch} of {name}" if batch > 1 else name
    verb = "fit" if batch > 1 else "fits"
    fitting = sorted((row for row in rows if (row.largest or 0) >= batch), key=lambda row: -(row.largest or 0))
    most = {row.name: str(row.largest) for row in fitting}
    short = _merged(rows, most)
    failing = {row.name: _lacking(row, record) for row in rows if row.name not in most and row.status != "error"}
    said = [f"{name} {verb} with none." if failing else ""]
    if short:
        first, *others = short.items()
        listed = ", ".join([f"{first[0]} (batch {first[1]})", *(f"{key} ({size})" for key, size in others)])
        said = [f"{name} {verb} with: {listed}."]
    if failing:
        listed = ", ".join(f"{key} ({need})" for key, need in _merged(rows, failing).items())
        said.append(f"It does not with: {listed}." if short else f"It would need: {listed}.")
    return list(filter(None, said))


def _lacking(row: FitRow, record: FitRecord) -> str:
    """What an operator of which so many do not fit needs."""
    if row.status != "nothing":
        return f"batch {row.largest} at most"
    return "more than can be said" if row.next_needed is None else closely(row.next_needed, record)


def _merged(rows: Sequence[FitRow], said: dict[str, str]) -> dict[str, str]:
    """An operator by its name alone where the same is said of all its implementations."""
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row.operator, []).append(row.name)
    operators = {row.name: row.operator for row in rows}
    merged: dict[str, str] = {}
    for name, words in said.items():
        alike = {said.get(other) for other in names[operators[name]]} == {words}
        merged[operators[name] if alike else name] = words
    return merged
