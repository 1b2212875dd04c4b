"""Which backend fused attention may use: forced for as long as something runs, really or dry."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch.nn.attention import SDPBackend, sdpa_kernel

from kaoprof.errors import KaoprofError

BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
NO_BACKEND = (
    "No viable backend for scaled_dot_product_attention",
    "No available kernel",
    "No execution plans support the graph",  # cuDNN's words, where torch thought that it could
    "No valid execution plans built",
)


class UnservedError(KaoprofError, NotImplementedError):
    """The backend that attention is forced to has no kernel for it, on this device."""


def forced_attention(name: str) -> AbstractContextManager[object]:
    """A context in which `scaled_dot_product_attention` may only use the backend `name`; `auto` allows all."""
    allowed = list(BACKENDS.values()) if name == "auto" else [BACKENDS[name]]
    context: AbstractContextManager[object] = sdpa_kernel(allowed)
    return context


def is_refusal(error: BaseException) -> bool:
    """Whether an error is torch's word that the forced backend cannot serve."""
    return isinstance(error, RuntimeError) and any(text in str(error) for text in NO_BACKEND)


def refusal_of(name: str, device: str) -> str:
    """What is said of attention that the backend `name` cannot serve on `device`."""
    return f"the attention backend {name!r} cannot serve this on {device}: no such kernel here"


@contextmanager
def served_by(name: str, device: str) -> Iterator[None]:
    """While active, attention is forced to the backend `name`.

    Raises:
        UnservedError: it cannot serve what runs inside, on `device`.
    """
    with forced_attention(name):
        try:
            yield
        except RuntimeError as error:
            if is_refusal(error):
                raise UnservedError(refusal_of(name, device)) from error
            raise
