"""Inputs that subjects share: each has tensors of its own over the same memory, whose values stay as drawn."""

import torch
from torch import Tensor

from kaoprof.torch_internals import changes_of
from kaoprof.workload.building import build_inputs
from kaoprof.workload.workload import Workload

PARTS = 64  # of a tensor, each of which is summed: so values that changed places are seen as well
PART_BYTES = 8  # of the whole numbers that are summed: those that need no copy of the tensor


class SharedInputs:
    """The inputs of all subjects whose workloads draw equal ones.

    What somebody's code does to a tensor (its shape, its gradient, its hooks) stays with the tensors that its subject
    was lent. What it does to the values would reach the others, and is undone.
    """

    def __init__(self, workload: Workload, *, device: str) -> None:
        self.workload, self.device = workload, device
        self.tensors = build_inputs(workload, device=device)
        self.bytes = [tensor.untyped_storage().nbytes() for tensor in self.tensors]
        self.seen, self.sums = self.changes(), list(map(sums_of, self.tensors))

    def lend(self) -> tuple[Tensor, ...]:
        """The inputs as new tensors over the same memory."""
        return tuple(tensor.detach().requires_grad_(tensor.requires_grad) for tensor in self.tensors)

    def changes(self) -> list[int]:
        """How often each was changed, as torch counts it: what is done through `.data` or numpy is not among it."""
        return list(map(changes_of, self.tensors))

    def mend(self, *, after_another: bool) -> None:
        """Gives back the values with which they were drawn, into the same memory.

        Args:
            after_another: another subject may have run since: then the values themselves are looked at, too.
        """
        if not self._are_sound(after_another=after_another):
            with torch.no_grad():
                for tensor, drawn in zip(self.tensors, build_inputs(self.workload, device=self.device), strict=True):
                    storage, size = tensor.untyped_storage(), drawn.untyped_storage().nbytes()
                    if storage.nbytes() < size:
                        storage.resize_(size)
                    tensor.copy_(drawn)
            self.seen = self.changes()

    def _are_sound(self, *, after_another: bool) -> bool:
        if [tensor.untyped_storage().nbytes() for tensor in self.tensors] != self.bytes:
            return False  # to read them would end the process
        return self.seen == self.changes() and (not after_another or list(map(sums_of, self.tensors)) == self.sums)


def sums_of(tensor: Tensor) -> list[int]:
    """What tells a tensor's values from others: sums of its parts, and the bytes left over. Makes no copy of it."""
    content = tensor.detach().reshape(-1).view(torch.uint8)
    even = content.numel() // (PARTS * PART_BYTES) * PARTS * PART_BYTES
    parts = content[:even].view(torch.int64).view(PARTS, -1)
    return [*parts.sum(1).tolist(), *content[even:].tolist()]
