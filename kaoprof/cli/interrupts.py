"""Ctrl-C, also while torch is being imported. Other ways to be ended count as Ctrl-C: what was measured is kept."""

import signal
import sys
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.05


def heed_interrupts() -> None:
    """From now on every signal that asks for an end raises KeyboardInterrupt."""
    signal.signal(signal.SIGALRM, _interrupt)
    for ending in ENDINGS:
        if signal.getsignal(ending) != signal.SIG_IGN:  # nohup ignores the end of a terminal
            signal.signal(ending, _interrupt)


def ignore_interrupts() -> None:
    """Nothing is left to save: a second Ctrl-C would only print a traceback."""
    for ending in (*ENDINGS, signal.SIGALRM):
        signal.signal(ending, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """While torch is being imported, which loses whatever is raised in it, it comes again a moment later."""
    del number, frame
    if getattr(getattr(sys.modules.get("torch"), "__spec__", None), "_initializing", False):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        return
    raise KeyboardInterrupt
