"""Does work in a copy of this process, which has imported torch already, and hands back what it answers.

Whatever somebody's code does there, to memory, modules or settings, is gone with the copy: what is measured here later
finds the process as if nothing had been.
"""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import msgspec
import torch

from kaoprof.bench.dying import die_with_parent
from kaoprof.bench.forks import own_fork
from kaoprof.measuring.child import died_of
from kaoprof.measuring.messages import AnyAnswer, Failed, Reply

Given = TypeVar("Given", bound=AnyAnswer)


def can_copy() -> bool:
    """Whether this process can be copied safely: not after it has begun to work with a GPU."""
    return sys.platform == "linux" and not torch.cuda.is_initialized()


def apart(work: Callable[[], Given]) -> Given | Failed:
    """What `work` answers in a copy of this process; what became of the copy if it does not live to answer.

    The copy computes in one thread: those that this process may have started are not copied.
    """
    reading, writing = os.pipe()
    before = os.fstat(sys.stderr.fileno()).st_size
    parent, copy = os.getpid(), own_fork()
    if copy == 0:
        os.close(reading)
        _answer(work, writing, parent)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        line = pipe.readline()
    _, state = os.waitpid(copy, 0)
    code = os.waitstatus_to_exitcode(state)
    if code == 0 and line:
        return msgspec.json.decode(line, type=Reply).answer  # type: ignore[return-value]
    return Failed(status="error", detail=died_of(code, _last_words(before)))


def _answer(work: Callable[[], AnyAnswer], writing: int, parent: int) -> None:
    """In the copy: works, answers, and ends, whatever happens."""
    process, code = os.getpid(), 1
    try:
        die_with_parent(parent)
        torch.set_num_threads(1)
        answer = work()
        if os.getpid() == process:  # else it is a copy that somebody's code made
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(msgspec.json.encode(Reply(number=0, answer=answer)) + b"\n")
        code = 0
    finally:
        os._exit(code)


def _last_words(start: int) -> bytes:
    """What was written to the file that takes this process's errors from `start` on."""
    descriptor = sys.stderr.fileno()
    return os.pread(descriptor, max(0, os.fstat(descriptor).st_size - start), start)
