"""Nothing is downloaded: while a model is made by its name, its package reaches no network."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn
from unittest.mock import patch

from kaoprof.errors import UsageError

SWITCHES = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
HUB = "huggingface_hub.constants"  # which reads its switch only when it is imported


@contextmanager
def offline() -> Iterator[None]:
    """While active, whoever looks a host up or connects to one is refused; local sockets stay what they are.

    Raises:
        UsageError: somebody tried.
    """
    connect = socket.socket.connect

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise UsageError(
            "its code would download something, and nothing is downloaded",
            hint="give what it needs as a file, or make it without trained weights",
        )

    def connected(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refused()
        connect(self, address)

    hub = sys.modules.get(HUB)
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, SWITCHES))
        stack.enter_context(patch.object(socket, "getaddrinfo", refused))
        stack.enter_context(patch.object(socket.socket, "connect", connected))
        if hub is not None:
            stack.enter_context(patch.object(hub, "HF_HUB_OFFLINE", new=True))
        yield
