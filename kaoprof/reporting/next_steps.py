"""What a user is likely to want after a command, where that depends on what came of it."""

from typing import TYPE_CHECKING, Any

from kaoprof.records.own import OWN

if TYPE_CHECKING:
    from kaoprof.records.compare import Record
    from kaoprof.records.explain import Explanation
    from kaoprof.records.fit import CrossRecord, FitRecord
    from kaoprof.records.profile import ProfileRecord
    from kaoprof.records.reproduce import ReproductionRecord


MEASURED = "the same without --analytic    (counts, predicts and measures)"
KEPT = {"heads": 1, "projection": "value", "scale": "sqrt"}  # what a command need not say


def after_compare(record: "Record") -> str:
    """Measuring, training or files."""
    if record.protocol is None:
        return MEASURED
    if record.rows[0].case.mode == "forward":
        return "the same with --mode train, or with -o run.json -o table.tex"
    return "the same with -o run.json -o table.tex"


def after_profile(record: "ProfileRecord") -> str:
    """Measuring, a second model or files."""
    if record.device is None:
        return MEASURED
    if len(record.models) == 1:
        return "the same with a second model beside it, or with --depth 9, or with -o run.json"
    return "the same with --mode train, or with -o run.json -o table.tex"


def after_explain(record: "Explanation") -> str:
    """Files, or how large an image fits."""
    if record.proof_status is None:
        return "the same with -o cost.tex -o cost.json    (a table for a paper, and everything)"
    return f"kaoprof fit --memory 24GiB --operators {record.name} --mode {record.mode}    (the largest image that fits)"


def after_fit(record: "FitRecord | CrossRecord") -> str:
    """Measuring the largest that fits."""
    conditions = record.conditions
    sizes: dict[str, Any] = {"h": None} if "h" in {*conditions.sizes, conditions.axis} else {}
    sizes |= conditions.sizes
    fitting = [row for row in record.rows if getattr(row, "largest", None) is not None]
    if not fitting:
        return "kaoprof explain nonlocal    (what it costs as formulas, and why)"
    best: Any = max(fitting, key=lambda row: getattr(row, "largest", 0))
    sizes[conditions.axis] = best.largest
    words = [f"--{'batch' if name == 'b' else name} {size}" for name, size in sizes.items()]
    named = f"--with {best.operator}" if best.implementation == OWN else f"--operators {best.name}"
    words += [named, f"--dtype {conditions.dtype}", f"--mode {conditions.mode}"]
    options = {name: getattr(conditions, name) for name in KEPT}
    words += [f"--{name} {value}" for name, value in options.items() if value != KEPT[name]]
    return f"kaoprof compare {' '.join(words)}    (measures the largest)"


def after_reproduce(record: "ReproductionRecord") -> str:
    """Measuring, or files."""
    return "the same with -o reproduction.md -o reproduction.tex" if record.protocol else MEASURED
