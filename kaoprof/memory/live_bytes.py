"""Predicts the peak of allocated bytes: a dry run on fake tensors that follows every storage from birth to death."""

import math
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self, TypeVar

from torch import Tensor, UntypedStorage, nn

from kaoprof.dims import Size
from kaoprof.memory.dry_module import build_dry_module, dry_tensors
from kaoprof.memory.fused_encoders import encoders_shown, without_nested_tensors
from kaoprof.memory.kernels.table import (
    CUDA_RECURRENT_GAP,
    PROJECTED_GAP,
    least_storage_bytes,
    most_unknown_bytes,
    scratch_bytes,
    scratch_gap,
)
from kaoprof.torch_internals import (
    FakeTensor,
    FakeTensorMode,
    TorchDispatchMode,
    held_tensors,
    in_backward,
    is_view,
    storage_identity,
    tree_leaves,
)
from kaoprof.workload.attention_backend import served_by
from kaoprof.workload.building import build_inputs, step_of
from kaoprof.workload.cuda_attention import CudaAttention
from kaoprof.workload.foreign import foreign
from kaoprof.workload.operation_names import name_of
from kaoprof.workload.tensor_bytes import bytes_of
from kaoprof.workload.workload import Workload

ZEROS = frozenset({"zeros", "new_zeros", "zeros_like"})
FILLING = frozenset(  # put, or add, what they are given into their first argument
    {"scatter", "scatter_add", "index_add", "index_put", "_index_put_impl", "put"}
)
ADDED = "aten.add.Tensor"  # how the autograd engine sums gradients


class LiveBytesMode(TorchDispatchMode):
    """While active, `peak_bytes` is the most that was alive at once, above what was resident before."""

    def __init__(self, resident: list[Tensor], *, device: str, threads: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.threads = threads
        self.live_bytes = 0
        self.peak_bytes = 0
        self.followed: set[int] = {storage_identity(tensor) for tensor in resident}
        self.gradients: dict[int, tuple[weakref.finalize[..., UntypedStorage], Size]] = {}
        self.zeros: int | None = None
        self.gaps: dict[str, float] = {}
        self.attention: AbstractContextManager[Any] = nullcontext() if device == "cpu" else CudaAttention()

    def __enter__(self) -> Self:
        self.attention.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036 - as torch's own, which is untyped
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self.attention.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = foreign(func, *args, **kwargs)
        if in_backward() and (str(func) == ADDED or self.fills_zeros(func, args)):
            self.absorb(args[0])
        least = least_storage_bytes(func, args, kwargs, device=self.device)
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self.follow(tensor, least)
        if name_of(func) in ZEROS:
            self.zeros = storage_identity(out)
        self.note(func, args, kwargs, out)
        return out

    def note(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        """Looks whether this operation, with what its kernel holds for itself, is the new peak."""
        hidden = scratch_bytes(func, args, kwargs, device=self.device, threads=self.threads)
        self.peak_bytes = max(self.peak_bytes, self.live_bytes + hidden)
        gap = scratch_gap(func, args, device=self.device)
        if gap is not None:
            unknown = most_unknown_bytes(gap, _bytes_of((args, out)), threads=self.threads)
            self.gaps[gap] = max(self.gaps.get(gap, 0), self.live_bytes + hidden + unknown)

    @property
    def unmodelled(self) -> tuple[str, ...]:
        """Operations whose kernels are not modelled, and might hold so much for themselves that the peak is higher."""
        return tuple(gap for gap, at_most in self.gaps.items() if at_most > self.peak_bytes)

    def follow(self, tensor: Tensor, least: Size = 0) -> None:
        """Adds the tensor's storage to the living, unless it is there already, until it dies; of `least` bytes."""
        storage = tensor.untyped_storage()
        identity = storage_identity(tensor)
        if identity in self.followed:
            return
        size = max(storage.nbytes(), least)
        self.followed.add(identity)
        self.grow(size)
        ending = weakref.finalize(storage, self._died, identity, size)
        ending.atexit = False
        if in_backward():
            self.gradients[identity] = (ending, size)

    def fills_zeros(self, func: Any, args: Any) -> bool:
        """Whether a gradient is put into zeros that were made for it: torch does that in place, except under a mode.

        Source: torch/csrc/autograd/FunctionsManual.cpp and others, `areAnyTensorSubclassLike`.
        """
        return name_of(func) in FILLING and storage_identity(args[0]) == self.zeros

    def absorb(self, gradient: Tensor) -> None:
        """The engine adds up gradients in the first one's storage, except under a mode like this one: so undo that.

        A sum in a backward pass whose first term was born in it counts as such; not one whose first term is a view,
        as after a reshape: then the engine does not hold the last reference to the storage, and makes a new one.

        Source: torch/csrc/autograd/input_buffer.cpp, `can_accumulate_inplace`.
        """
        if is_view(gradient):
            return
        identity = storage_identity(gradient)
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


def _bytes_of(args: Any) -> int:
    return sum(bytes_of(tensor) for tensor in tree_leaves(args) if isinstance(tensor, Tensor))


def predict_peak_bytes(workload: Workload, *, device: str, threads: int, sdpa: str = "auto") -> int:
    """The peak of bytes that one step allocates on `device`, above inputs and parameters, output included.

    On a GPU torch's fused encoder layers hide all that they allocate; so the dry run takes their plain form.

    Args:
        workload: what would run.
        device: `cpu` or `cuda`; it need not be there, since nothing is allocated.
        threads: how many threads the CPU kernels would use; some keep a buffer for each.
        sdpa: the one backend that fused attention may use, or `auto`.

    Raises:
        UnservedError: that backend cannot serve the attention in it.
    """
    return int(dry_run(workload, LiveBytesMode, device=device, threads=threads, sdpa=sdpa).peak_bytes)


def dry_run(
    workload: Workload, make_mode: Callable[..., Mode], *, device: str, threads: int, sdpa: str = "auto"
) -> Mode:
    """One step on fake tensors, followed by the mode that `make_mode` makes of what is resident; returns that mode."""
    on = "cpu" if device == "cpu" else "meta"
    with dry_tensors(allow_real=on == "meta") as fakes, encoders_shown(device), served_by(sdpa, device):
        module, inputs = build_dry_module(workload, device=on), build_inputs(workload, device=on)
        _make_fake(module, fakes)
        without_nested_tensors(module)
        step = step_of(workload, module, inputs)
        live = make_mode([*inputs, *module.parameters(), *module.buffers()], device=device, threads=threads)
        if device != "cpu" and any(isinstance(part, nn.RNNBase) for part in module.modules()):
            live.gaps[CUDA_RECURRENT_GAP] = math.inf  # on meta they are torch's own operations, which cuDNN replaces
        if device == "cpu" and any(isinstance(part, nn.LSTM) and part.proj_size for part in module.modules()):
            live.gaps[PROJECTED_GAP] = math.inf  # without gradients a dry run takes it apart otherwise than torch does
        with live:
            output = step()
        del output
    return live


def _make_fake(module: nn.Module, fakes: FakeTensorMode) -> None:
    """Replaces what `torch.tensor` made on the meta device, such as a batch norm's counter: no mode can see that."""
    for part in module.modules():
        for tensors in held_tensors(part):
            for name, tensor in tensors.items():
                if tensor is not None and not isinstance(tensor, FakeTensor):
                    tensors[name] = fakes.from_tensor(tensor)
