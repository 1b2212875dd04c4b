"""What a model's own exception means for whoever called it: the layer that refused its input, and what it takes."""

import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from torch import Tensor, nn

from kaoprof.errors import KaoprofError, first_line
from kaoprof.workload.workload import TORCH_DTYPES

MISSING = re.compile(
    r"(?P<function>[\w.<>]+)\(\) missing \d+ required (positional|keyword-only) arguments?: (?P<names>.*)"
)
AXES = {1: "n", 2: "h x w", 3: "t x h x w"}


def in_a_line(error: BaseException) -> str:
    """What went wrong, and where it can be told, what the layer takes that could not go on."""
    mend = "" if isinstance(error, KaoprofError) else _arguments_missing(error) or _misfit(error)
    said = f"{type(error).__name__}: {first_line(error)}"
    return f"{said.rstrip(' .')}; {mend}" if mend else said


def _arguments_missing(error: BaseException) -> str:
    match = MISSING.match(first_line(error)) if isinstance(error, TypeError) else None
    if match is None:
        return ""
    name = re.findall(r"'(\w+)'", match["names"])[0]
    if match["function"].endswith("forward"):
        return f"--input {name}=SHAPE gives a tensor"
    return f"--kwarg {name}=VALUE gives one" if match["function"].endswith("__init__") else ""


def _misfit(error: BaseException) -> str:
    """The innermost layer that was running, what it takes, and what it was given; empty where nothing is odd."""
    frames = [(frame, _locals_of(frame)) for frame, _ in traceback.walk_tb(error.__traceback__)]
    running = [(frame, held) for frame, held in frames if isinstance(held.get("self"), nn.Module)]
    if not running:
        return ""
    root = running[0][1]["self"]
    for frame, held in reversed(running):
        layer, given = held["self"], _first_tensor(frame, held)
        describe = next((describe for kind, describe in TAKES.items() if isinstance(layer, kind)), None)
        if describe is None or given is None:
            continue
        return _sentence(_name_of(layer, root), layer, given, describe(layer))
    return ""


def _locals_of(frame: FrameType) -> dict[str, Any]:
    """A function's variables; up to Python 3.12 a frame keeps what it was asked for, tensors and all: so that goes."""
    if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return {}
    held = frame.f_locals
    copied = dict(held)
    if isinstance(held, dict):
        held.clear()
    return copied


def _first_tensor(frame: FrameType, held: Mapping[str, Any]) -> Tensor | None:
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    return next((value for name in names if isinstance(value := held.get(name), Tensor)), None)


def _name_of(layer: nn.Module, root: nn.Module) -> str:
    path = next((path for path, part in root.named_modules() if part is layer), "")
    name = path.removeprefix("module").removeprefix(".")
    return f"{name} ({type(layer).__name__})" if name else type(layer).__name__


def _sentence(name: str, layer: nn.Module, given: Tensor, takes: str) -> str:
    weight = next(layer.parameters(), None)
    if weight is not None and weight.device != given.device:
        return (
            f"the weights of {name} are on {weight.device}, its input is on {given.device}: leave devices to --device"
        )
    shape, words = (
        " x ".join(map(str, given.shape)) or "a single number",
        isinstance(layer, nn.Embedding | nn.EmbeddingBag),
    )
    if weight is None or (given.dtype == weight.dtype and not words):
        return f"{name} takes {takes}, and was given {shape}"
    wanted = "" if words else f" of {_ours(weight)}"
    mend = f": --dtype {_ours(weight)} makes both alike" if given.is_floating_point() and not words else ""
    return f"{name} takes {takes}{wanted}, and was given {shape} of {_ours(given)}{mend}"


def _ours(tensor: Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    return next((ours for ours, theirs in TORCH_DTYPES.items() if theirs == name), name)


def _of_channels(axes: int) -> Callable[[Any], str]:
    return lambda layer: f"b x {getattr(layer, 'in_channels', None) or layer.num_features} x {AXES[axes]}"


def _of_sequence(layer: Any) -> str:
    width = layer.embed_dim if isinstance(layer, nn.MultiheadAttention) else layer.input_size
    return f"b x n x {width}" if layer.batch_first else f"n x b x {width}"


def _of_words(layer: Any) -> str:
    return f"whole numbers below {layer.num_embeddings}, such as 1,128:int64:{layer.num_embeddings}"


TAKES: dict[Any, Callable[[Any], str]] = {
    nn.Conv1d | nn.ConvTranspose1d: _of_channels(1),
    nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d: _of_channels(2),
    nn.Conv3d | nn.ConvTranspose3d | nn.BatchNorm3d: _of_channels(3),
    nn.Linear: lambda layer: f"... x {layer.in_features}",
    nn.LayerNorm: lambda layer: f"... x {' x '.join(map(str, layer.normalized_shape))}",
    nn.GroupNorm: lambda layer: f"b x {layer.num_channels} x ...",
    nn.Embedding | nn.EmbeddingBag: _of_words,
    nn.MultiheadAttention | nn.RNNBase: _of_sequence,
}
"""What an input must be for each kind of layer."""
