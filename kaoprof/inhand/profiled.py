"""`kaoprof.profile`: a model in hand, in the process that holds it; or specs, as the command does."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.measuring.run import ProgressCallback, unheard
from kaoprof.networks.code_documents import find_document
from kaoprof.profiling.run import ModelOptions
from kaoprof.profiling.run import profile as profile_specs
from kaoprof.records.options import Options, checked_options
from kaoprof.records.profile import ProfileRecord
from kaoprof.specs import Document

if TYPE_CHECKING:
    from torch import nn

Spec = str | Document
OPTION_NAMES = (
    "mode", "batch_axis", "input_grad", "measured", "isolate", "options", "overrides", "progress",
    *Options.__struct_fields__,
)  # fmt: skip


def profile(
    target: "nn.Module | Callable[..., object] | Spec | Sequence[Spec]",
    /,
    *inputs: Any,
    mode: str | None = None,
    batch_axis: int | None = 0,
    input_grad: bool = False,
    measured: bool = True,
    isolate: bool = False,
    options: Options | None = None,
    overrides: ModelOptions | None = None,
    progress: ProgressCallback | None = None,
    **keywords: Any,
) -> ProfileRecord:
    """Profiles a model layer by layer: counts, predicted and measured peak memory, latency.

    `kaoprof.profile(net, x)` takes a model as it is, in the mode in which it is, and runs it in this process, which
    stays as it was. `kaoprof.profile("kanet-qkv")` takes specs, by name or path, as the command does.

    Args:
        target: a model or a function; a spec or several; with `isolate` a function that makes the model.
        inputs: what a model is called with.
        mode: `forward`, or `train` for forward and backward.
        batch_axis: of the first tensor: where its samples lie, of which one is counted; None counts the whole call.
        input_grad: whether the input requires gradients in `train`, as that of a part of a network.
        measured: whether anything is run; else it is only counted and predicted.
        isolate: whether to build and measure in a process of its own, by a function that this one can import.
        options: budget, samples, threads and how to measure.
        overrides: of specs: batch, size, attention and the rest that stands in them.
        progress: called with what is being done.
        keywords: what a model is called with by name; one that is called like an option goes through a lambda.

    Raises:
        UsageError: the call is wrong: a class, an array, another device or dtype, options that make no sense.
        SpecError: a spec is malformed.
        MeasurementError: the device is not there.
        Exception: whatever the model raises where it cannot run at all.
    """
    if _is_specs(target):
        if inputs or keywords:
            name, value = next(iter(keywords.items()), (None, None))
            hint = "kaoprof.profile(model, x) does" if name is None else _place_of(name, value, OPTION_NAMES)
            given = "inputs" if name is None else repr(name)
            raise UsageError(f"a spec takes no {given}", where="kaoprof.profile", hint=hint)
        chosen = overrides or ModelOptions()
        chosen = replace(
            chosen,
            mode=mode or chosen.mode,
            measured=measured and chosen.measured,
            input_grad=input_grad or chosen.input_grad,
            batch_axis=batch_axis or chosen.batch_axis,
        )
        return profile_specs(_listed(target), model=chosen, options=options, progress=progress)
    if overrides is not None:
        raise UsageError("is for specs: a model in hand is as it is", where="overrides", hint="leave it out")
    _check_keywords(target, keywords)
    from kaoprof.inhand.isolated import profile_isolated
    from kaoprof.inhand.taking import profile_in_hand

    return (profile_isolated if isolate else profile_in_hand)(
        target,
        inputs,
        keywords,
        mode=mode or "forward",
        batch_axis=batch_axis,
        input_grad=input_grad,
        measured=measured,
        options=checked_options(options),
        notify=progress or unheard,
    )


def _is_specs(target: object) -> bool:
    if isinstance(target, str):
        return True
    listed = target if isinstance(target, list | tuple) else [target]
    return all(isinstance(part, str | Document) for part in listed)


def _listed(target: Any) -> Sequence[Spec]:
    listed = [target] if isinstance(target, str | Document) else target
    return [find_document(part) if isinstance(part, str) else part for part in listed]


def _check_keywords(target: object, keywords: Mapping[str, object]) -> None:
    """Refuses what is no argument of the model and looks like an option.

    Raises:
        UsageError: so it is.
    """
    import inspect

    try:
        parameters = inspect.signature(getattr(target, "forward", target)).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in keywords.keys() - parameters.keys():
        hint = _place_of(name, keywords[name], [*parameters, *OPTION_NAMES])
        raise UsageError(f"neither the model nor profile takes {name!r}", where="kaoprof.profile", hint=hint)


def _place_of(name: str, value: object, names: Sequence[str]) -> str:
    """Where a keyword that stands in the wrong place belongs, or which of `names` was meant."""
    if isinstance(value, ModelOptions):
        return f"overrides=kaoprof.ModelOptions(...), not {name}="
    for place, kind in (("options", Options), ("overrides", ModelOptions)):
        if name in kind.__struct_fields__:
            return f"{place}=kaoprof.{kind.__name__}({name}=...)"
    return did_you_mean(name, names)
