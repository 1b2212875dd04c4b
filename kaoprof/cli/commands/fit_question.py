"""What exactly `kaoprof fit` is asked: one budget or one crossing, and the size that is solved for."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kaoprof.cli.operator_names import told_operators
from kaoprof.comparing.cases import parse_names
from kaoprof.errors import UsageError, did_you_mean
from kaoprof.units import parse_bytes, parse_count, parse_seconds

CHANNELS = 64  # by default
AXES = {"batch": "b", "channels": "c"} | {name: name for name in ("b", "c", "t", "h", "w", "n")}
BUDGETS: dict[str, Callable[..., float]] = {"memory": parse_bytes, "macs": parse_count, "time": parse_seconds}
HINT = "for example kaoprof fit --memory 24GiB"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A budget (`memory` in bytes, `macs`, `time` in seconds), or with `names` a crossing."""

    budget: str = ""
    amount: float = 0.0
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
    return Question(budget=budget, amount=BUDGETS[budget](text, where=f"--{budget}"))


def chosen_axis(solve: str | None, given: Mapping[str, int | None]) -> tuple[str, dict[str, int]]:
    """The axis to solve for, and the sizes of the others.

    Raises:
        UsageError: the axis is unknown, or its size is given as well.
    """
    sizes = {name: size for name, size in given.items() if size is not None}
    if solve is not None and solve not in AXES:
        raise UsageError(f"unknown axis {solve!r}", where="--solve", hint=did_you_mean(solve, AXES))
    axis = AXES[solve or "h"]
    if axis in sizes:
        hint = f"leave out --{solve or axis}, or solve for another one, such as --solve batch"
        raise UsageError("is what is solved for, so its size cannot be given", where=axis, hint=hint)
    if axis != "c":
        sizes.setdefault("c", CHANNELS)
    return axis, sizes
