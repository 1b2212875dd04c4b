"""A call in hand as a module of tensors alone, which is what can be measured; and as data, which records hold."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from kaoprof.tape.counted import DTYPES, dtype_of_call, name_of_call
from kaoprof.tape.modules import tensors_in
from kaoprof.tape.recording import Call
from kaoprof.torch_internals import batch_norm_class, tree_leaves, tree_map
from kaoprof.workload.workload import TensorSpec, Workload

INSIDE = "module"
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


class CalledInHand(nn.Module):
    """Puts tensors into their places among the arguments, calls, and answers with the tensors of real numbers.

    The model stands inside under `INSIDE`; what a function was seen to call stands there under its own name.

    Args:
        call: what is called.
    """

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.function = call.function if call.module is None else None
        self.method = None if call.function is call.module else getattr(call.function, "__name__", None)
        self.arguments = call.args, call.kwargs
        for name, module in call.roots.items():
            self.add_module(name, module)
        if call.module is not None:
            self.add_module(INSIDE, call.module)

    def forward(self, *tensors: Tensor) -> Any:
        """`(any tensors) -> (the tensors of the answer)`; an answer without tensors as it is."""
        given = iter(tensors)
        args, kwargs = tree_map(lambda leaf: next(given) if isinstance(leaf, Tensor) else leaf, self.arguments)
        answer = self._called()(*args, **kwargs)
        floats = {id(tensor): tensor for tensor in tensors_in(answer) if tensor.is_floating_point()}
        return tuple(floats.values()) if len(floats) > 1 else next(iter(floats.values()), answer)

    def _called(self) -> Any:
        if self.function is not None:
            return self.function
        module = getattr(self, INSIDE)
        return module if self.method is None else getattr(module, self.method)


def tensors_of(call: Call) -> tuple[Tensor, ...]:
    """The tensors among the arguments, in the order in which they are put back."""
    return tuple(leaf for leaf in tree_leaves((call.args, call.kwargs)) if isinstance(leaf, Tensor))


def workload_of(call: Call, *, batch_axis: int) -> Workload:
    """The call as data."""
    return Workload(
        factory=name_of_call(call),
        inputs=tuple(TensorSpec(shape=tuple(tensor.shape), dtype=_dtype(tensor)) for tensor in tensors_of(call)),
        mode="train" if call.train else "forward",
        param_dtype=dtype_of_call(call),
        input_grad=call.input_grad,
        batch_axis=batch_axis,
    )


def is_training(call: Call) -> bool | None:
    """Whether layers that behave otherwise in training do so now; None where there are none."""
    kinds = (*DROPOUTS, batch_norm_class())
    modes = {part.training for part in _modules(call) if isinstance(part, kinds) and _matters(part)}
    return None if not modes else True in modes


def _matters(part: nn.Module) -> bool:
    return getattr(part, "p", 1.0) > 0  # of a dropout that never drops anything nobody needs to hear


def _modules(call: Call) -> Iterator[nn.Module]:
    for root in (call.module, *call.roots.values()):
        if root is not None:
            yield from root.modules()


def _dtype(tensor: Tensor) -> str:
    return DTYPES.get(tensor.dtype, str(tensor.dtype).removeprefix("torch."))
