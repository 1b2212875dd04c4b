"""Makes somebody's attention module as the operators are made: for the channels and the sizes of the input at hand.

Runs foreign code, so only the measuring process does this, and only where importing was allowed.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kaoprof.dims import Size
from kaoprof.errors import UsageError
from kaoprof.workload.building import resolve
from kaoprof.workload.call_text import SIZES, Arguments, SizeText, read_arguments

if TYPE_CHECKING:
    from torch import nn

CHANNELS = frozenset({
    "c", "ch", "chs", "channel", "channels", "num_channels", "n_channels", "in_channels", "in_channel", "in_ch",
    "in_chans", "in_planes", "inplanes", "planes", "inp", "dim", "dims", "in_dim", "dim_in", "input_dim", "embed_dim",
    "embed_dims", "embedding_dim", "model_dim", "d_model", "hidden_size", "hidden_dim", "in_features", "num_features",
    "out_channels", "out_channel", "out_ch", "out_planes", "oup", "out_dim", "dim_out", "output_dim", "out_features",
})  # fmt: skip
INPUT = "x"
TENSOR = {"shape": ()}  # what stands for the input among what a module is called with
ALSO_INPUT = frozenset({"q", "k", "v", "query", "key", "value", "queries", "keys", "values"})
ONE_SIZE = {"height": "h", "width": "w", "frames": "t", **{size: size for size in SIZES}}
ALL_SIZES = frozenset({"hw", "hw_shape", "hw_shapes", "size", "shape", "spatial_shape", "resolution", "x_size"})
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def own_module(code: str, arguments: str, call: str, saved: str, **sizes: Size) -> "nn.Module":
    """The factory that its workload names: the module, called with one tensor.

    Args:
        code: `package.module:Class`.
        arguments: its arguments as they were written; what is called like channels and not given becomes `c`.
        call: what its `forward` is called with; empty: as its signature asks for it.
        saved: the file of a module that is handed over instead.
        sizes: of the input: `b`, `c`, the spatial ones, and `n` for their product.

    Raises:
        UsageError: it cannot be made or called without being told more.
    """
    from kaoprof.workload.called import CalledWithOne, checked_module

    module = checked_module(_loaded(saved) if saved else made(resolve(code), code, read_arguments(arguments), sizes))
    given = read_arguments(call, (INPUT,)) if call else asked_for(module, code, sizes)
    told = given.at({**sizes, INPUT: TENSOR})
    return CalledWithOne(module, dict(told.named) if told.named else list(told.positional))


def _loaded(file: str) -> "nn.Module":
    """A module that was handed over, on the device and in the dtype in which modules are being made."""
    import torch

    module: nn.Module = torch.load(file, map_location=torch.get_default_device(), weights_only=False)
    return module.to(torch.get_default_dtype())


def made(factory: Callable[..., Any], code: str, arguments: Arguments, sizes: Mapping[str, Size]) -> Any:
    """What the factory makes of its arguments; `c` for what is called like channels, if it is required or the first.

    Raises:
        UsageError: it wants something else that was not written.
    """
    given = arguments.at(sizes)
    named, missing = dict(given.named), []
    for number, parameter in enumerate(_parameters(factory)):
        by_position = number < len(given.positional) and parameter.kind in POSITIONAL
        required = parameter.default is inspect.Parameter.empty
        if by_position or parameter.name in named:
            continue
        if parameter.name.lower() in CHANNELS and (required or number == 0):
            named[parameter.name] = sizes["c"]
        elif required:
            missing.append(parameter.name)
    if missing:
        hint = f"write it: '{code}({missing[0]}=...)'; b, c, t, h, w and n stand for the sizes of the input"
        raise UsageError(f"{code} wants {' and '.join(missing)}", where="with", hint=hint)
    return factory(*given.positional, **named)


def _parameters(called: Callable[..., Any]) -> list[inspect.Parameter]:
    """The named ones; none of what keeps them to itself."""
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [parameter for parameter in parameters if parameter.kind not in variable]


def asked_for(module: "nn.Module", code: str, sizes: Mapping[str, Size]) -> Arguments:
    """What a `forward` asks for: the input, also as query, key and value; and sizes such as H and W.

    Raises:
        UsageError: it asks for something else.
    """
    wanted = [
        parameter
        for parameter in _parameters(module.forward)
        if parameter.default is inspect.Parameter.empty and parameter.kind in POSITIONAL
    ]
    attends = bool(wanted) and wanted[0].name in ALSO_INPUT
    told: list[Any] = [SizeText(INPUT)]
    for parameter in wanted[1:]:
        name = parameter.name.lower()
        if attends and name in ALSO_INPUT:
            told.append(SizeText(INPUT))
        elif name in ONE_SIZE:
            told.append(SizeText(ONE_SIZE[name]))
        elif name in ALL_SIZES:
            told.append(tuple(SizeText(axis) for axis in ("t", "h", "w") if axis in sizes) or (SizeText("n"),))
        else:
            hint = "say in a spec what it is called with: inputs: [x, ...]"
            raise UsageError(f"the forward of {code} wants {parameter.name!r}", where="with", hint=hint)
    return Arguments(tuple(told), {})


def sizes_of(axes: tuple[str, ...]) -> dict[str, str]:
    """The sizes that a module may be told, as arithmetic of the input's axes: `n` is how many positions there are."""
    return {"b": "b", "c": "c", **{axis: axis for axis in axes}, "n": "*".join(axes)}
