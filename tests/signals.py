"""Signals as a terminal gives them to a process; `nohup`, and shells in the background, start tests without some."""

import signal


def heed():
    """Undoes that in a new process, as its `preexec_fn`: a program keeps ignoring what it was started to ignore."""
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
