"""What an exception in the measuring process means: that memory was lacking, or that this process must end."""

import traceback
from collections.abc import Callable

from kaoprof.errors import first_line

OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "out of memory", "not enough memory", "STATUS_ALLOC_FAILED")


class CaptureFailed(RuntimeError):  # noqa: N818 - an outcome with a reason, not a fault of kaoprof
    """The capture of a CUDA graph broke off. Torch's allocator stays in the midst of it: this process must end."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was lacking, on the device or beside it."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY_TEXTS)


def forget_frames(error: BaseException | None) -> None:
    """Empties the frames that a failed call left behind: they hold its tensors for as long as the error lives."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def end_if_broken(error: BaseException, synchronize: Callable[[], None]) -> None:
    """Ends this process if it cannot go on, so that another one does.

    After an illegal access, say, CUDA answers every call with that error, whichever subject it is about.

    Raises:
        SystemExit: so it is here.
    """
    if isinstance(error, CaptureFailed):
        raise SystemExit(str(error)) from error
    try:
        synchronize()
    except RuntimeError as fault:
        raise SystemExit(first_line(fault)) from error
