"""What one call really does on its device: operations, the bytes that they read and write, which attention ran."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from kaoprof.torch_internals import TorchDispatchMode, changes_in_place, tree_leaves
from kaoprof.workload.cuda_attention import ATTENTION, attention_inside
from kaoprof.workload.operation_names import ALLOCATING, LOOKUPS
from kaoprof.workload.tensor_bytes import touched

FUSED = {  # torch's name of a fused attention -> the backend that it is
    "_scaled_dot_product_flash_attention": "flash",
    "_scaled_dot_product_flash_attention_for_cpu": "flash",
    "_scaled_dot_product_efficient_attention": "efficient",
    "_scaled_dot_product_cudnn_attention": "cudnn",
    "_scaled_dot_product_fused_attention_overrideable": "vendor",
}


class Traced(NamedTuple):
    """Of one call: operations launched, bytes that these moved, bytes that it must move, and who ran its attention."""

    operations: int
    moved_bytes: int
    compulsory_bytes: int
    backend: str | None


class AttentionCalls(TorchFunctionMode):
    """While active, counts calls of `scaled_dot_product_attention`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.multi_head_attention_forward:
            with attention_inside(self.attend):
                return func(*args, **(kwargs or {}))
        return self.attend(*args, **(kwargs or {})) if func is ATTENTION else func(*args, **(kwargs or {}))

    def attend(self, *args: Any, **kwargs: Any) -> Tensor:
        """Calls it, and counts the call."""
        self.calls += 1
        return ATTENTION(*args, **kwargs)


class TrafficMode(TorchDispatchMode):
    """While active, adds up operations and bytes; a view of what is there already is neither.

    `read` holds the address of every storage that was read, in order, but those of tables that were looked up in.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0
        self.moved_bytes = 0
        self.read: list[int] = []
        self.fused: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        inputs, outputs = tensors_in((args, kwargs)), tensors_in(out)
        if name in ALLOCATING or not (changes_in_place(func) or _makes_something(inputs, outputs)):
            return out
        self.operations += 1
        written_bytes = touched_bytes(outputs)
        if name in LOOKUPS:
            self.moved_bytes += min(touched_bytes(inputs[:1]), written_bytes)
            inputs = inputs[1:]
        self.moved_bytes += touched_bytes(inputs) + written_bytes
        self.read += addresses_of(inputs)
        if name in FUSED:
            self.fused.append(FUSED[name])
        return out


def _makes_something(inputs: list[Tensor], outputs: list[Tensor]) -> bool:
    return not set(addresses_of(outputs)) <= set(addresses_of(inputs))


def addresses_of(tensors: Iterable[Tensor]) -> list[int]:
    """Where the storage of each tensor begins: views of each other share it."""
    return [tensor.untyped_storage().data_ptr() for tensor in tensors]


def tensors_in(value: object) -> list[Tensor]:
    """Every tensor in nested lists, tuples and mappings."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def touched_bytes(tensors: list[Tensor]) -> int:
    """Bytes of memory behind these tensors, each tensor once."""
    unique = {id(tensor): tensor for tensor in tensors}.values()
    return sum(touched(tensor.shape, tensor.stride(), tensor.element_size()) for tensor in unique)


def compulsory_bytes(
    inputs: Iterable[Tensor], output: object, weights: Iterable[Tensor], read: Iterable[int], *, trained: bool
) -> int:
    """What a call must move, whoever implements it: those inputs and weights that it reads, and its output, once.

    When it is trained, the gradients of all these besides.
    """
    needed = set(read)
    tensors = [tensor for tensor in (*inputs, *weights) if not needed.isdisjoint(addresses_of([tensor]))]
    tensors += tensors_in(output)
    gradients = [tensor for tensor in tensors if tensor.requires_grad] if trained else []
    return touched_bytes(tensors) + touched_bytes(gradients)


def trace(step: Callable[[], object], module: nn.Module, inputs: Iterable[Tensor], *, trained: bool) -> Traced:
    """Operations, moved and compulsory bytes, and the attention backends of one call of `step`, which really runs."""
    with AttentionCalls() as attention, TrafficMode() as traffic:
        output = step()
    backends = set(traffic.fused)
    if attention.calls > len(traffic.fused):  # the plain form is taken apart before the dispatcher shows it
        backends.add("math")
    return Traced(
        operations=traffic.operations,
        moved_bytes=traffic.moved_bytes,
        compulsory_bytes=compulsory_bytes(inputs, output, module.parameters(), traffic.read, trained=trained),
        backend="+".join(sorted(backends)) or None,
    )
