"""A measuring process that serves test after test: most are about what is measured, not about a new process.

Importing torch takes several seconds of processor time, building and timing what tests measure a few hundredths.
"""

import os

from kaoprof.measuring.child import Child, SubjectFailed

SET_BY_TORCH = "TORCHINDUCTOR_CACHE_DIR"  # to the default that a process without it finds by itself
IDLE = {}  # what a process was prepared for -> a process that waits for work


def place_of(request):
    """Where a process works: what cannot be changed any more once it has begun."""
    of_no_matter = {"PYTEST_CURRENT_TEST", SET_BY_TORCH}
    variables = tuple(sorted((name, value) for name, value in os.environ.items() if name not in of_no_matter))
    return request.device, request.threads, request.affinity, variables


class WarmChild:
    """In place of `Child`: a process that an earlier test left behind, if it was prepared alike, else a new one."""

    def __init__(self):
        self.child, self.sound = None, True

    @property
    def pid(self):
        return self.child.pid

    def ask(self, request, *, timeout_s):
        if self.child is None:  # the first request says where to work
            self.place = place_of(request)
            self.child = IDLE.pop(self.place, None) or Child()
        self.sound = False  # until it has answered
        try:
            answer = self.child.ask(request, timeout_s=timeout_s)
        except SubjectFailed:
            self.sound = True
            raise
        self.sound = True
        return answer

    def kill(self):
        if self.child is None:
            return
        if self.sound and self.place not in IDLE:
            IDLE[self.place] = self.child
        else:
            self.child.kill()
        self.child = None


def end_all():
    """Ends the processes that wait."""
    while IDLE:
        IDLE.popitem()[1].kill()
