"""Predicts the peak of allocated bytes: a dry run on fake tensors that follows every storage from birth to death."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, UntypedStorage, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kaoprof.build import Workload, build_inputs, step_of
from kaoprof.count.dry_module import build_dry_module
from kaoprof.count.scratch import scratch_bytes

if TYPE_CHECKING:
    from kaoprof.dims import Size


class LiveBytesMode(TorchDispatchMode):
    """While active, `peak_bytes` is the most that was alive at once, above what was resident before."""

    def __init__(self, resident: list[Tensor], *, device: str, threads: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.threads = threads
        self.live_bytes = 0
        self.peak_bytes = 0
        self.followed: set[int] = {tensor.untyped_storage()._cdata for tensor in resident}  # noqa: SLF001
        self.gradients: dict[int, tuple[weakref.finalize[..., UntypedStorage], Size]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func is torch.ops.aten.add.Tensor and _in_backward():
            self.absorb(args[0])
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self.follow(tensor)
        self.note(func, args, kwargs)
        return out

    def note(self, func: Any, args: Any, kwargs: Any) -> None:
        """Looks whether this operation, with what its kernel holds for itself, is the new peak."""
        hidden = scratch_bytes(func, args, kwargs, device=self.device, threads=self.threads)
        self.peak_bytes = max(self.peak_bytes, self.live_bytes + hidden)

    def watching(self, module: nn.Module) -> AbstractContextManager[Any]:
        """What else is active while the module runs: here nothing."""
        del module
        return nullcontext()

    def follow(self, tensor: Tensor) -> None:
        """Adds the tensor's storage to the living, unless it is there already, until it dies."""
        storage = tensor.untyped_storage()
        identity = storage._cdata  # noqa: SLF001 - what torch itself uses to tell storages apart
        if identity in self.followed:
            return
        size = storage.nbytes()
        self.followed.add(identity)
        self.grow(size)
        ending = weakref.finalize(storage, self._died, identity, size)
        ending.atexit = False
        if _in_backward():
            self.gradients[identity] = (ending, size)

    def absorb(self, gradient: Tensor) -> None:
        """The engine adds up gradients in the first one's storage, except under a mode like this one: so undo that.

        A sum in a backward pass whose first term was born in it counts as such; not one whose first term is a small
        gradient spread out as a view, as that of a sum: there is no storage for the result.
        """
        if 0 in gradient.stride():
            return
        identity = gradient.untyped_storage()._cdata  # noqa: SLF001 - see `follow`
        if identity not in self.gradients:
            return
        ending, size = self.gradients.pop(identity)
        ending.detach()
        self.shrink(size)
        weakref.finalize(gradient.untyped_storage(), self.followed.discard, identity).atexit = False

    def _died(self, identity: int, size: int) -> None:
        self.followed.discard(identity)
        self.gradients.pop(identity, None)
        self.shrink(size)

    def grow(self, size: int) -> None:
        """A storage of `size` bytes is born."""
        self.live_bytes += size

    def shrink(self, size: int) -> None:
        """A storage of `size` bytes has died."""
        self.live_bytes -= size


Mode = TypeVar("Mode", bound=LiveBytesMode)


def _in_backward() -> bool:
    """Whether the autograd engine is at work."""
    return bool(torch._C._current_graph_task_id() != -1)  # noqa: SLF001


@contextmanager
def without_fused_encoders() -> Iterator[None]:
    """While active, `nn.MultiheadAttention` and the encoder layers run operation by operation, so that all is seen."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def predict_peak_bytes(workload: Workload, *, device: str, threads: int) -> int:
    """The peak of bytes that one step allocates on `device`, above inputs and parameters, output included.

    Torch's fused encoder layers hide all that they allocate; so the dry run takes their plain form.

    Args:
        workload: what would run.
        device: `cpu` or `cuda`; it need not be there, since nothing is allocated.
        threads: how many threads the CPU kernels would use; some keep a buffer for each.
    """
    return int(dry_run(workload, LiveBytesMode, device=device, threads=threads).peak_bytes)


def dry_run(workload: Workload, make_mode: Callable[..., Mode], *, device: str, threads: int) -> Mode:
    """One step on fake tensors, followed by the mode that `make_mode` makes of what is resident; returns that mode."""
    on = "cpu" if device == "cpu" else "meta"
    with FakeTensorMode(), without_fused_encoders():
        module, inputs = build_dry_module(workload, device=on), build_inputs(workload, device=on)
        step = step_of(workload, module, inputs)
        live = make_mode([*inputs, *module.parameters(), *module.buffers()], device=device, threads=threads)
        with live.watching(module), live:
            output = step()
        del output
    return live
