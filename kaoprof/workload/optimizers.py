"""The optimizer of a training step: its name and options as text, and torch's own implementation of it.

Its learning rate is so small that weights hardly move: steps are counted and measured, and nothing is learnt.
"""

from typing import TYPE_CHECKING, Any

from kaoprof.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from torch import nn, optim

CLASSES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
OPTIONS: dict[str, type] = {
    "momentum": float, "nesterov": bool, "amsgrad": bool, "weight_decay": float, "foreach": bool, "fused": bool,
}  # fmt: skip  # that decide what a step does and holds
LEARNING_RATE = 1e-8
FOR_LOOP, FOREACH, FUSED = "for-loop", "foreach", "fused"  # how torch goes through the parameters
WORDS = {"true": True, "false": False}


def parse_optimizer(text: str) -> tuple[str, dict[str, Any]]:
    """`adamw`, or `sgd:momentum=0.9,nesterov=true`, as its name and what it is made with.

    Raises:
        UsageError: another name, or an option that it does not have.
    """
    name, colon, options = text.partition(":")
    if name not in CLASSES:
        raise UsageError(f"unknown optimizer {name[:40]!r}", where="optimizer", hint=did_you_mean(name, CLASSES))
    made: dict[str, Any] = {}
    for part in options.split(",") if colon else ():
        option, _, value = (word.strip() for word in part.partition("="))
        if option not in OPTIONS:
            hint = did_you_mean(option, OPTIONS)
            raise UsageError(f"{name} has no option {option[:40]!r}", where="optimizer", hint=hint)
        try:
            made[option] = WORDS[value.lower()] if OPTIONS[option] is bool else float(value)
        except (KeyError, ValueError) as error:
            hint = f"write for example {option}={'true' if OPTIONS[option] is bool else '0.9'}"
            raise UsageError(f"{part[:60]!r} says no value", where="optimizer", hint=hint) from error
    return name, made


def make_optimizer(text: str, module: "nn.Module", *, foreach: bool = False) -> "optim.Optimizer":
    """The optimizer of the parameters that are trained; torch chooses how it goes through them, as ever.

    Args:
        text: as `parse_optimizer` takes it.
        module: whose parameters.
        foreach: whether torch would take them all at once, as it does on a GPU, where it cannot see that itself.

    Raises:
        UsageError: nothing is trained, or torch refuses an option.
    """
    import torch

    name, made = parse_optimizer(text)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        raise UsageError("has no parameter to step: all are frozen", where=f"optimizer {name}")
    if foreach and not {"foreach", "fused"} & set(made):
        made["foreach"] = True
    try:
        optimizer: optim.Optimizer = getattr(torch.optim, CLASSES[name])(trained, lr=LEARNING_RATE, **made)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{name}: {error}", where="optimizer") from error
    return optimizer


def implementation_of(text: str, *, on_gpu: bool) -> str:
    """How torch goes through the parameters on a device."""
    _, made = parse_optimizer(text)
    if made.get("fused"):
        return FUSED
    return FOREACH if made.get("foreach", on_gpu) else FOR_LOOP
