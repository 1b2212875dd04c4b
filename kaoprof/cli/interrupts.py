"""Ctrl-C, also while modules are being imported. Other ways to be ended count as Ctrl-C: what was measured is kept.

Imports next to nothing: until `end_on_interrupts` is called, python itself answers a Ctrl-C, with a traceback.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # the exit code
AGAIN_S = 0.05


def end_on_interrupts() -> None:
    """From now on every signal that asks for an end is obeyed at once: nothing has begun."""
    _answer_with(_end)


def heed_interrupts() -> None:
    """From now on every signal that asks for an end raises KeyboardInterrupt."""
    signal.signal(signal.SIGALRM, _interrupt)
    _answer_with(_interrupt)


def ignore_interrupts() -> None:
    """Nothing is left to save: a second Ctrl-C would only print a traceback."""
    for ending in (*ENDINGS, signal.SIGALRM):
        signal.signal(ending, signal.SIG_IGN)


def _answer_with(handler: Callable[[int, FrameType | None], None]) -> None:
    for ending in ENDINGS:
        if signal.getsignal(ending) != signal.SIG_IGN:  # nohup ignores the end of a terminal
            signal.signal(ending, handler)


def _end(number: int, frame: FrameType | None) -> None:
    """Without KeyboardInterrupt, which a library may catch while it is imported, or a second signal may follow."""
    del number, frame
    try:
        os.write(2, b"kaoprof: interrupted\n")
    finally:  # also if standard error is closed
        os._exit(INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """While torch is being imported, which loses whatever is raised in it, it comes again a moment later."""
    del number, frame
    if getattr(getattr(sys.modules.get("torch"), "__spec__", None), "_initializing", False):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        return
    raise KeyboardInterrupt
