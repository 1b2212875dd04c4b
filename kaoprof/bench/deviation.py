"""How far a module's output is from its own computation in fp64, with the same weights and input."""

import copy

import torch
from torch import Tensor, nn

from kaoprof.records.measured import Deviation
from kaoprof.workload.attention_backend import forced_attention

RANDOM = 0.01  # a difference between two calls, relative to the output, that no rounding explains: dropout


def is_random(output: Tensor, again: object) -> bool:
    """Whether two calls with the same input answered differently, so that no reference can be compared with them."""
    if not isinstance(again, Tensor) or again.shape != output.shape:
        return True
    return (relative_to(again.detach(), output.detach().double()).largest or 0.0) > RANDOM


def deviation_of(output: Tensor, module: nn.Module, inputs: tuple[Tensor, ...]) -> Deviation:
    """Of what `module` gave for `inputs`.

    The reference is the module's own implementation, copied, with weights and inputs widened to fp64.
    """
    reference_module = copy.deepcopy(module).double()
    with torch.no_grad(), forced_attention("auto"):
        reference = reference_module(*(_widened(tensor.detach()) for tensor in inputs))
    del reference_module
    return relative_to(output.detach(), reference.detach())  # a model may have switched gradients on


def _widened(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def relative_to(output: Tensor, reference: Tensor) -> Deviation:
    """Largest and root mean square difference, each over the reference's; None where the output is not finite."""
    not_finite = float((~torch.isfinite(output)).double().mean())
    if not_finite:
        return Deviation(largest=None, rms=None, not_finite=not_finite)
    difference = output.double() - reference
    largest, scale = float(difference.abs().max()), float(reference.abs().max())
    rms, rms_scale = (float(tensor.square().mean().sqrt()) for tensor in (difference, reference))
    return Deviation(largest=largest / scale if scale else None, rms=rms / rms_scale if rms_scale else None)
