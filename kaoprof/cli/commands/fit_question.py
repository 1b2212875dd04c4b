"""What exactly `kaoprof fit` is asked: one budget or one crossing, and the size that is solved for."""

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from kaoprof.cli.operator_names import told_operators
from kaoprof.comparing.cases import parse_names
from kaoprof.errors import UsageError, did_you_mean
from kaoprof.units import parse_bytes, parse_count, parse_seconds
from kaoprof.workload.size_arithmetic import parse_sizes

CHANNELS = 64  # by default
AXES = {"batch": "b", "channels": "c"} | {name: name for name in ("b", "c", "t", "h", "w", "n")}
SIZES_ASKED = {"c", "t", "h", "w", "n"}  # of an --at
BUDGETS: dict[str, Callable[..., float]] = {"memory": parse_bytes, "macs": parse_count, "time": parse_seconds}
HINT = "for example kaoprof fit --memory 24GiB"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A budget (`memory`, `macs` or `time`) and its amount with its unit, or with `names` a crossing."""

    budget: str = ""
    amount: str = ""
    names: tuple[str, ...] | None = None
    measured: bool = False


def asked(
    budgets: Mapping[str, str | None],
    cross: str | None,
    *,
    measured: bool,
    operators: str | None,
    options: Sequence[str] | None = None,
) -> Question:
    """The one thing that is asked for; `options` are those of the operators that cross.

    Raises:
        UsageError: none or several things, or a budget that is none.
    """
    given = {f"--{name}": text for name, text in (*budgets.items(), ("cross", cross))}
    named = [name for name, text in given.items() if text is not None]
    if len(named) != 1:
        wrong = f"{' and '.join(named)} exclude each other" if named else "nothing is asked for"
        raise UsageError(wrong, where="fit", hint=f"give one of {', '.join(given)}; {HINT}" if not named else HINT)
    if measured and cross is None:
        raise UsageError("goes with --cross", where="--measured", hint="a --time is always measured")
    if cross is not None:
        if operators is not None:
            raise UsageError("the two operators are named by --cross", where="--operators")
        names = told_operators(parse_names(cross), options)
        return Question(names=tuple(names or ()), measured=measured)
    ((budget, text),) = ((name, text) for name, text in budgets.items() if text is not None)
    BUDGETS[budget](text, where=f"--{budget}")
    return Question(budget=budget, amount=text)


def chosen_axis(
    solve: str | None, given: Mapping[str, int | None], *, tied: bool = False, crossed: bool = False
) -> tuple[str, dict[str, int]]:
    """The axis to solve for, and the sizes of the others. Of an image whose size is given that is the batch.

    Args:
        solve: the axis as it was named, if it was.
        given: the sizes.
        tied: whether the width follows the height.
        crossed: whether two operators are compared, which no batch can tell apart.

    Raises:
        UsageError: the axis is unknown, or its size is given as well.
    """
    sizes = {name: size for name, size in given.items() if size is not None}
    if solve is not None and solve not in AXES:
        raise UsageError(f"unknown axis {solve!r}", where="--solve", hint=did_you_mean(solve, AXES))
    is_image_known = ("h" in sizes or "n" in sizes) and not crossed
    axis = AXES[solve or ("batch" if is_image_known else "h")]
    if axis == "w" and tied:
        raise UsageError("follows the height, so it cannot be solved for", where="w", hint="solve for h")
    if tied and "h" not in {*sizes, axis}:
        raise UsageError("follows the height, and there is none", where="w", hint="leave out --aspect, or solve for h")
    if axis in sizes:
        name = "batch" if axis == "b" else axis
        hint = f"leave out --{name}, or solve for another one, such as --solve {'c' if axis == 'b' else 'batch'}"
        raise UsageError("is what is solved for, so its size cannot be given", where=name, hint=hint)
    if axis != "c":
        sizes.setdefault("c", CHANNELS)
    return axis, sizes


def asked_size(text: str) -> dict[str, int]:
    """`2160x3840`, height x width, or `h=2160,w=3840` by axis: the size of which it is asked whether it fits.

    Raises:
        UsageError: it is neither.
    """
    if not text:
        return {}
    plain = re.fullmatch(r"(\d{1,8})(?: ?[x×] ?(\d{1,8}))?", text.strip(), re.ASCII)
    if plain is not None:
        return {name: int(size) for name, size in zip("hw", plain.groups(), strict=True) if size is not None}
    sizes = parse_sizes(text)
    if unknown := sizes.keys() - SIZES_ASKED:
        hint = "write 2160x3840, height x width, or h=2160,w=3840"
        raise UsageError(f"{min(unknown)!r} is no size of an image", where="--at", hint=hint)
    return dict(sizes)


def chosen_width(text: str | None) -> int | None:
    """A width that is a number; None if there is none, or if it follows the height.

    Raises:
        UsageError: it is neither a number nor like `1.78h`.
    """
    if text is None or text.strip().endswith("h"):
        return None
    if re.fullmatch(r"[+-]?\d{1,18}", text.strip(), re.ASCII) is None:
        raise UsageError(
            f"{text[:40]!r} is not a width", where="--w", hint="write 3840, or 1.78h: so many times the height"
        )
    return int(text)
