"""FLOPs of operations on lists of tensors, as optimizers and gradient clipping use them: alike in all their forms."""

from typing import Any

from kaoprof.counting.elementwise import LERP_FLOPS, Rule
from kaoprof.dims import Size

FOREACH = "_foreach_"
PRODUCT_ADDED_FLOPS = 3  # as `addcmul`: two factors, or a quotient, and a sum
BY_NAME = {
    "lerp": LERP_FLOPS, "addcmul": PRODUCT_ADDED_FLOPS, "addcdiv": PRODUCT_ADDED_FLOPS, "norm": 2, "copy": 0, "zero": 0,
}  # fmt: skip  # per element; whatever else there is: 1
ADAM_FLOPS = 14  # per weight: decay 1, both means 3 + 4, the root 1, its scale and epsilon 2, quotient and sum 3
ADAGRAD_FLOPS = 8  # per weight: the sum of squares 3, the root 1, epsilon 1, the quotient and its sum 3
SGD_FLOPS, MOMENTUM_FLOPS = 2, 2  # per weight: a product and a sum; and again for its momentum


def fused_step(each: int) -> Rule:
    """A rule of `each` for each weight of an optimizer's fused step."""
    return lambda weights, *_, **__: each * _elements(weights)


def fused_sgd(weights: Any, *_: object, momentum: float = 0.0, **__: object) -> Size:
    """One step, with its momentum where there is one."""
    return (SGD_FLOPS + (MOMENTUM_FLOPS if momentum else 0)) * _elements(weights)


FUSED_STEPS: dict[str, Rule] = {
    "_fused_adam": fused_step(ADAM_FLOPS), "_fused_adam_": fused_step(ADAM_FLOPS),
    "_fused_adamw": fused_step(ADAM_FLOPS), "_fused_adamw_": fused_step(ADAM_FLOPS),
    "_fused_adagrad": fused_step(ADAGRAD_FLOPS), "_fused_adagrad_": fused_step(ADAGRAD_FLOPS),
    "_fused_sgd": fused_sgd, "_fused_sgd_": fused_sgd,
    "_amp_foreach_non_finite_check_and_unscale_": fused_step(2),
}  # fmt: skip


def list_rule(name: str) -> Rule:
    """The rule of an operation on lists, by its name: as many for each element as the operation on one tensor has."""
    each = BY_NAME.get(name.removeprefix(FOREACH).removesuffix("_"), 1)

    def flops(tensors: Any, *_: object, alpha: float = 1, **__: object) -> Size:
        return (each + (alpha != 1)) * _elements(tensors)

    return flops


def _elements(tensors: Any) -> Size:
    return sum(tensor.numel() for tensor in tensors)
