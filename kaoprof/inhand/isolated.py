"""`isolate=True`: a model that a function makes is built and measured in another process."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from kaoprof.errors import UsageError
from kaoprof.measuring.run import ProgressCallback
from kaoprof.profiling.run import ModelOptions, profile
from kaoprof.records.options import Options
from kaoprof.records.profile import ProfileRecord
from kaoprof.specs import parse_spec
from kaoprof.tape.counted import DTYPES

WHERE = "kaoprof.profile"
MADE = "isolate=True needs a function that makes the model, since another process has to make it, too"


def profile_isolated(
    factory: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    mode: str,
    batch_axis: int | None,
    input_grad: bool,
    measured: bool,
    options: Options,
    notify: ProgressCallback,
) -> ProfileRecord:
    """See `kaoprof.profile`. Of the inputs only shapes and dtypes count: the other process draws their values.

    Raises:
        UsageError: a model instead of a function, or one that no other process can import.
    """
    if batch_axis is None:
        hint = "macs_batch in the record is of the call"
        raise UsageError("None is for a model in hand", where="batch_axis", hint=hint)
    if args and kwargs:
        raise UsageError("all inputs by position, or all by name", where=WHERE, hint="isolate=False takes both")
    spec = {
        "schema": 1,
        "name": _name_of(factory),
        "module": _place_of(factory),
        "inputs": {name: _described(value) for name, value in kwargs.items()} or [_described(value) for value in args],
    }
    chosen = ModelOptions(
        mode=mode,
        batch_axis=batch_axis,
        input_grad=input_grad,
        measured=measured,
        allow_import=True,
        dtype=next((_dtype(value) for value in (*args, *kwargs.values()) if _is_float(value)), "fp32"),
    )
    document = parse_spec(json.dumps(spec), file=str(spec["module"]))
    return profile([document], model=chosen, options=options, progress=notify)


def _name_of(factory: Any) -> str:
    name = getattr(factory, "__name__", "model").lower()
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name).strip("-") or "model"


def _place_of(factory: Any) -> str:
    """`package.module:name` of a function or class.

    Raises:
        UsageError: it is none, or stands where no other process finds it.
    """
    if isinstance(factory, nn.Module):
        raise UsageError(MADE, where=WHERE, hint=f"isolate=False takes the {type(factory).__name__} as it is")
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "<unknown>")
    if module is None or "<" in name:
        raise UsageError(MADE, where=WHERE, hint="define it with a name, in a module")
    if module == "__main__":
        hint = f"put {name} into a file of its own, and import it from there"
        raise UsageError(f"another process cannot import {name} from this script or notebook", where=WHERE, hint=hint)
    return f"{module}:{name}"


def _described(value: Any) -> Any:
    """A tensor by its shape and dtype, as a spec writes it; whatever else JSON knows as it is."""
    if not isinstance(value, Tensor):
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return [_described(part) for part in value]
        raise UsageError(
            f"a {type(value).__name__} cannot be sent to another process", where=WHERE, hint="isolate=False"
        )
    described: dict[str, Any] = {"shape": list(value.shape)}
    if not _is_float(value):
        described["dtype"] = _dtype(value)
        if value.numel() and described["dtype"] != "bool":
            described["high"] = max(int(value.max()) + 1, 1)
    return described


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _dtype(value: Tensor) -> str:
    return DTYPES.get(value.dtype, str(value.dtype).removeprefix("torch."))
