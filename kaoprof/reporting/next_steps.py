"""What a user is likely to want after a command, where that depends on what came of it."""

from typing import TYPE_CHECKING, Any

from kaoprof.records.own import OWN

if TYPE_CHECKING:
    from kaoprof.records.compare import Case, Record
    from kaoprof.records.explain import Explanation
    from kaoprof.records.fit import CrossRecord, FitRecord
    from kaoprof.records.profile import ProfileRecord
    from kaoprof.records.reproduce import ReproductionRecord


MEASURED = "the same without --analytic    (counts, predicts and measures)"
COUNTED = "the same without --no-measure    (runs and times it)"
FILES = "-o run.html    a page to share        -v    floors, bounds, how to read it"
AROUND = (4, 2)  # a sweep goes from a quarter of the size to twice the size
KEPT = {"heads": 1, "projection": "value", "scale": "sqrt"}  # what a command need not say


def after_compare(record: "Record") -> str:
    """Measuring, or how it grows; and files."""
    if record.protocol is None:
        return COUNTED if any(row.counted for row in record.rows) else MEASURED
    return "\n".join(([f"{grown}    how it grows"] if (grown := growing(record)) else []) + [FILES])


def growing(record: "Record") -> str:
    """The sweep around the one size that was compared; empty where there were several."""
    case = record.rows[0].case
    if len(record.cells()) > 1:
        return ""
    axes = dict(zip(case.dims.axes, case.spatial, strict=True))
    if axes.get("w") == axes.get("h"):
        axes.pop("w", None)
    first = "h" if "h" in axes else "n"
    size = axes.pop(first)
    words = [f"--{first} {max(size // AROUND[0], 1)}:{size * AROUND[1]}:x2"]
    words += [f"--{name} {value}" for name, value in axes.items()]
    words += [f"--c {case.c}", *_kept_words(case), *_operator_words(record)]
    words += [f"--device {case.device}"] if case.device not in (None, "cpu") else []
    return f"kaoprof sweep {' '.join(words)}"


def _kept_words(case: "Case") -> list[str]:
    """Options that are not as by default."""
    usual = KEPT | {"b": 1, "dtype": "fp32", "mode": "forward"}
    return [
        f"--{'batch' if name == 'b' else name} {getattr(case, name)}"
        for name, value in usual.items()
        if getattr(case, name) != value
    ]


def _operator_words(record: "Record") -> list[str]:
    """The operators, if they are others than by default; somebody's modules have to be named again."""
    from kaoprof.catalog import group

    operators = list(dict.fromkeys(row.case.operator for row in record.rows if row.case.own is None))
    words = [] if set(operators) <= set(group("paper")) else [f"--operators {','.join(operators)}"]
    own = {row.case.own.name: row.case.own for row in record.rows if row.case.own}
    words += [f"--with {module.name}={module.written}" for module in own.values()]
    return [*words, *(["--allow-import"] if own else [])]


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
