"""What people get wrong when they call a model, said in a sentence with the mend."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from kaoprof.errors import KaoprofError, UsageError, first_line
from kaoprof.tape.modules import tensors_in

RANKS = re.compile(
    r"[Ee]xpected \d+D|only supports? (unbatched|batched)|shapes cannot be multiplied|size mismatch|"
    r"normalized_shape|number of channels|to have \d+ channels|must be \d+-D|expected .*dimension",
)
DTYPES = re.compile(r"[Ii]nput type|same dtype|dtype|scalar type")
NO_TENSOR = re.compile(r"invalid combination of arguments|must be Tensor, not|has no attribute 'shape'")
WITHOUT_GRADIENTS = "does not require grad and does not have a grad_fn"  # torch's words
LONGEST_SHAPE = 8  # axes of a tuple that may be meant as a shape


@contextmanager
def said_in_a_sentence(where: str, call: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[None]:
    """While active, what a wrong call raises becomes one sentence, if it is known what is wrong with the call.

    Args:
        where: the public function.
        call: the model, and what it is called with.
        kwargs: what it is called with by name.

    Raises:
        UsageError: the call is wrong.
        Exception: whatever the model itself raises.
    """
    function, args = (call[0] if call else None), call[1:]
    _check_callable(function, where)
    try:
        yield
    except KaoprofError:
        raise
    except Exception as error:
        if sentence := diagnosis(function, args, kwargs, error):
            raise UsageError(*sentence[:1], where=where, hint=sentence[1]) from error
        raise


def _check_callable(function: Any, where: str) -> None:
    if function is None:
        raise UsageError("there is no model", where=where, hint=f"{where}(model, x)")
    if isinstance(function, type):
        name = function.__name__
        raise UsageError(f"{name} is a class, not a model", where=where, hint=f"make one: {where}({name}(...), x)")
    if isinstance(function, str):
        hint = f"kaoprof.profile({function!r}) takes the name of a spec"
        raise UsageError(f"{function!r} is a text, not a model", where=where, hint=hint)
    if not callable(function):
        kind = type(function).__name__
        raise UsageError(f"a {kind} cannot be called", where=where, hint=f"the model comes first: {where}(model, x)")


def _trains(function: Any, error: Exception) -> tuple[str, str] | None:
    """A function with a backward pass of its own: it would change the weights, so it is not run for its count."""
    if isinstance(function, nn.Module) or WITHOUT_GRADIENTS not in str(error):
        return None
    return "it trains, which is counted as it really runs", "with kaoprof.count() as counts: around the step"


def diagnosis(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> tuple[str, str] | None:
    """What is wrong with the call, and the mend; None if nothing is known."""
    given = [*args, *kwargs.values()]
    called = function.forward if isinstance(function, nn.Module) else function
    return (
        _wrong_arguments(function, called, args, kwargs, error)
        or _mapping(function, args)
        or _trains(function, error)
        or _array(given)
        or _shape(given)
        or _other_device(function, given)
        or _other_dtype(function, given, error)
        or _wrong_rank(function, given, error)
    )


def _wrong_arguments(
    function: Any, called: Any, args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> tuple[str, str] | None:
    if not isinstance(error, TypeError):
        return None
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*args, **kwargs)
    except TypeError as mismatch:
        what = f"{_name(function)} is called with the wrong arguments: {mismatch}"
        return what, f"it takes {signature}"
    return None


def _array(given: Sequence[Any]) -> tuple[str, str] | None:
    for value in given:
        if type(value).__module__ == "numpy":
            return f"a numpy {type(value).__name__} is no tensor", "torch.from_numpy(x) makes one"
    return None


def _shape(given: Sequence[Any]) -> tuple[str, str] | None:
    for value in given:
        if (
            isinstance(value, tuple | list)
            and 0 < len(value) <= LONGEST_SHAPE
            and all(type(part) is int for part in value)
        ):
            sizes = ", ".join(map(str, value))
            return f"{value} is a shape, not a tensor", f"torch.randn({sizes})"
    return None


def _held(function: Any) -> list[Tensor]:
    owner = getattr(function, "__self__", function)
    return list(owner.parameters()) if isinstance(owner, nn.Module) else []


def _other_device(function: Any, given: Sequence[Any]) -> tuple[str, str] | None:
    held, inputs = _held(function), list(tensors_in(list(given)))
    devices, others = {str(tensor.device) for tensor in held}, {str(tensor.device) for tensor in inputs}
    if len(devices) == 1 and others and others != devices:
        (device,) = devices
        away = ", ".join(sorted(others - devices))
        return f"the model is on {device} and its input on {away}", f"move one: x.to({device!r})"
    return None


def _mapping(function: Any, args: Sequence[Any]) -> tuple[str, str] | None:
    for value in args:
        if isinstance(value, Mapping) and any(isinstance(part, Tensor) for part in value.values()):
            return f"{_name(function)} is given a mapping of tensors as one input", "unpack it: (model, **inputs)"
    return None


def _other_dtype(function: Any, given: Sequence[Any], error: Exception) -> tuple[str, str] | None:
    held = {tensor.dtype for tensor in _held(function) if tensor.is_floating_point()}
    inputs = {tensor.dtype for tensor in tensors_in(list(given)) if tensor.is_floating_point()}
    if len(held) == 1 and inputs - held:
        (dtype,) = held
        others = ", ".join(map(str, inputs - held))
        return f"the model computes in {dtype} and its input is {others}", f"x.to({dtype}), or model.to({others})"
    if held and not inputs and DTYPES.search(str(error)):
        others = ", ".join(sorted({str(tensor.dtype) for tensor in tensors_in(list(given))}))
        return f"the model computes in {', '.join(map(str, held))} and its input is {others}", "x.float()"
    return None


def _wrong_rank(function: Any, given: Sequence[Any], error: Exception) -> tuple[str, str] | None:
    if isinstance(error, TypeError | AttributeError) and NO_TENSOR.search(str(error)):
        kinds = ", ".join(type(value).__name__ for value in given)
        return f"{_name(function)} cannot be called with {kinds}", "give it tensors, as its forward takes them"
    if not isinstance(error, RuntimeError | ValueError | IndexError) or not RANKS.search(str(error)):
        return None
    shapes = ", ".join(" x ".join(map(str, tensor.shape)) or "one number" for tensor in tensors_in(list(given)))
    return (
        f"{_name(function)} cannot take an input of {shapes}: {first_line(error)}",
        "give it the shape it was made for",
    )


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)
