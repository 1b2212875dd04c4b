"""What a user is likely to want after a command, where that depends on what came of it."""

import math
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kaoprof.records.own import OWN

if TYPE_CHECKING:
    from kaoprof.records.compare import Case, Record
    from kaoprof.records.explain import Explanation
    from kaoprof.records.fit import CrossRecord, FitRecord
    from kaoprof.records.fit_models import BatchRecord
    from kaoprof.records.profile import ProfileRecord
    from kaoprof.records.reproduce import ReproductionRecord


MEASURED = "the same without --analytic    counts, predicts and measures"
COUNTED = "the same without --no-measure    runs and times it"
WITH_OWN = "the same --with in kaoprof compare    measures it"
JUDGED = "-o reproduction.md    all that was judged        -o reproduction.tex    tables for a paper"
FILES = "-o run.html    a page to share        -v    floors, bounds, how to read it"
AROUND = (4, 2)  # a sweep goes from a quarter of the size to twice the size
KEPT = {"heads": 1, "projection": "value", "scale": "sqrt"}  # what a command need not say


def command(words: Iterable[object], why: str) -> str:
    """A command as a shell takes it, and behind it, as a comment, what it is good for."""
    return f"{shlex.join(map(str, words))}    # {why}"


def after_compare(record: "Record") -> str:
    """Measuring, or how it grows; and files."""
    if record.protocol is None:
        return COUNTED if any(row.counted for row in record.rows) else MEASURED
    return "\n".join(([grown] if (grown := growing(record)) else []) + [FILES])


def growing(record: "Record") -> str:
    """The sweep around the one size that was compared; empty where there were several."""
    case = record.rows[0].case
    if len(record.cells()) > 1:
        return ""
    axes = dict(zip(case.dims.axes, case.spatial, strict=True))
    first = "h" if "h" in axes else "n"
    size = axes.pop(first)
    words = ["kaoprof", "sweep", f"--{first}", f"{max(size // AROUND[0], 1)}:{size * AROUND[1]}:x2"]
    if "w" in axes:
        width = axes.pop("w")
        shared = math.gcd(width, size)
        words += [] if width == size else ["--aspect", f"{width // shared}:{size // shared}"]
    words += [word for name, value in axes.items() for word in (f"--{name}", str(value))]
    words += ["--c", str(case.c), *_kept_words(case), *_operator_words(record)]
    words += ["--device", case.device] if case.device not in (None, "cpu") else []
    return command(words, "how it grows")


def _kept_words(case: "Case") -> list[str]:
    """Options that are not as by default."""
    usual = KEPT | {"b": 1, "dtype": "fp32", "mode": "forward"}
    return [
        word
        for name, value in usual.items()
        if getattr(case, name) != value
        for word in (f"--{'batch' if name == 'b' else name}", str(getattr(case, name)))
    ]


def _operator_words(record: "Record") -> list[str]:
    """The operators, if they are others than by default; somebody's modules have to be named again."""
    from kaoprof.catalog import group

    operators = list(dict.fromkeys(row.case.operator for row in record.rows if row.case.own is None))
    words = [] if set(operators) <= set(group("paper")) else ["--operators", ",".join(operators)]
    own = {row.case.own.name: row.case.own for row in record.rows if row.case.own}
    words += [word for module in own.values() for word in ("--with", f"{module.name}={module.written}")]
    return [*words, *(["--allow-import"] if own else [])]


def after_profile(record: "ProfileRecord") -> str:
    """Measuring, a second model or files."""
    if record.device is None:
        return MEASURED
    if len(record.models) == 1:
        return "--depth 9    inside the blocks    -v    floors    -o run.html    a page"
    return "--depth 1    their layers    -v    floors, how to read it    -o run.html    a page"


def after_explain(record: "Explanation") -> str:
    """Files, or how large an image fits."""
    if record.proof_status is None:
        return "-o cost.tex    a table for a paper        -o cost.json    all that is known"
    words = ["kaoprof", "fit", "--memory", "24GiB", "--operators", record.name, "--dtype", record.dtype]
    words += ["--mode", record.mode, *([] if record.device == "cpu" else ["--device", record.device])]
    return command(words, "the largest image that fits")


def after_fit(record: "FitRecord | CrossRecord") -> str:
    """Measuring what fits, on the same device: the frame that was asked about, or the largest."""
    from kaoprof.reporting.sentences.fit import frame_of

    conditions = record.conditions
    frame = getattr(record, "frame", None)
    rows: list[Any] = [row for row in record.rows if getattr(row, "largest", None) is not None]
    known = [row for row in rows if row.implementation != OWN]  # how to make somebody's module a record does not tell
    asked = [row for row in frame.rows if row.largest is not None and row.implementation != OWN] if frame else []
    fitting = asked or known
    if rows and not fitting:
        return WITH_OWN
    if not fitting:
        return command(["kaoprof", "explain", "nonlocal"], "what it costs as formulas, and why")
    best: Any = max(fitting, key=lambda row: getattr(row, "largest", 0))
    sizes = {**conditions.sizes, conditions.axis: best.largest}
    sizes |= frame.sizes if frame and asked else frame_of(conditions, best.largest)
    if asked:
        sizes["b"] = conditions.sizes.get("b", 1)
    shown = [name for name in ("h", "w", "t", "n", "c", "b") if name in sizes and name not in _idle(sizes)]
    options = {"batch" if name == "b" else name: sizes[name] for name in shown}
    options |= {"dtype": conditions.dtype, "mode": conditions.mode}
    options |= {"device": conditions.device} if conditions.device not in (None, "cpu") else {}
    options |= {name: getattr(conditions, name) for name in KEPT if getattr(conditions, name) != KEPT[name]}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    why = "how fast they are there" if asked else "measures the largest"
    return command(["kaoprof", "compare", *words, "--operators", ",".join(row.name for row in asked or [best])], why)


def after_fit_models(record: "BatchRecord") -> str:
    """Measuring the models that fit, one sample at a time and as many as fit of the first."""
    fitting = [row for row in record.rows if row.largest]
    if not fitting:
        specs = dict.fromkeys(row.spec for row in record.rows)
        return command(["kaoprof", "fit", *specs, "--memory", "80GiB"], "on a larger device")
    first = fitting[0]
    batches = dict.fromkeys([1, first.largest])
    size = ["--size", "x".join(map(str, first.size))] if first.size else []
    words = ["kaoprof", "sweep", *dict.fromkeys(row.spec for row in fitting), *size]
    words += ["--batch", ",".join(map(str, batches)), "--dtype", record.dtype, "--mode", record.mode]
    return command(words, "how fast these batches are")


def _idle(sizes: dict[str, int]) -> set[str]:
    """Axes whose size `compare` takes by itself."""
    return {name for name, usual in (("w", sizes.get("h")), ("b", 1)) if sizes.get(name) == usual}


def after_reproduce(record: "ReproductionRecord") -> str:
    """Measuring, or files."""
    return JUDGED if record.protocol else MEASURED
