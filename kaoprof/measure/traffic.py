"""What one call really does on its device: operations, the bytes that they read and write, which attention ran."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FUSED = {  # torch's name of a fused attention -> the backend that it is
    "_scaled_dot_product_flash_attention": "flash",
    "_scaled_dot_product_flash_attention_for_cpu": "flash",
    "_scaled_dot_product_efficient_attention": "efficient",
    "_scaled_dot_product_cudnn_attention": "cudnn",
    "_scaled_dot_product_fused_attention_overrideable": "vendor",
}
ALLOCATING = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided")  # no kernel, nothing moved


class AttentionCalls(TorchFunctionMode):
    """While active, counts calls of `scaled_dot_product_attention`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += func is F.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


class TrafficMode(TorchDispatchMode):
    """While active, adds up operations and bytes; a view of what is there already is neither."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0
        self.moved_bytes = 0
        self.fused: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if name in ALLOCATING or not (func._schema.is_mutable or _makes_something(inputs, outputs)):  # noqa: SLF001
            return out
        self.operations += 1
        self.moved_bytes += touched_bytes(inputs) + touched_bytes(outputs)
        if name in FUSED:
            self.fused.append(FUSED[name])
        return out


def _makes_something(inputs: list[Tensor], outputs: list[Tensor]) -> bool:
    there = {tensor.untyped_storage().data_ptr() for tensor in inputs}
    return any(tensor.untyped_storage().data_ptr() not in there for tensor in outputs)


def touched_bytes(tensors: list[Tensor]) -> int:
    """Bytes of memory behind these tensors, each tensor once: an expanded axis is read over and over, but is one."""
    unique = {id(tensor): tensor for tensor in tensors}.values()
    return sum(_distinct_elements(tensor) * tensor.element_size() for tensor in unique)


def _distinct_elements(tensor: Tensor) -> int:
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        elements *= size if stride or not size else 1
    return elements


def trace(step: Callable[[], object]) -> dict[str, Any]:
    """Operations, `moved_bytes` and the attention backends of one call of `step`, which really runs."""
    with AttentionCalls() as attention, TrafficMode() as traffic:
        step()
    backends = set(traffic.fused)
    if attention.calls > len(traffic.fused):  # the plain form is taken apart before the dispatcher shows it
        backends.add("math")
    return {
        "operations": traffic.operations,
        "moved_bytes": traffic.moved_bytes,
        "backend": "+".join(sorted(backends)) or None,
    }


def forced_attention(name: str) -> Any:
    """A context in which `scaled_dot_product_attention` may only use the backend `name`; `auto` allows all."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    backends = {
        "flash": SDPBackend.FLASH_ATTENTION,
        "efficient": SDPBackend.EFFICIENT_ATTENTION,
        "cudnn": SDPBackend.CUDNN_ATTENTION,
        "math": SDPBackend.MATH,
    }
    return sdpa_kernel(list(backends.values()) if name == "auto" else [backends[name]])


NO_BACKEND = ("No viable backend for scaled_dot_product_attention", "No available kernel")


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that the forced backend cannot serve."""
    return isinstance(error, RuntimeError) and any(text in str(error) for text in NO_BACKEND)
