"""The measuring process: reads requests from stdin, answers on stdout, and dies with its parent."""

import gc
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from kaoprof.bench.dying import die_with_parent
from kaoprof.measuring.messages import STOP, AnyAnswer, AnyRequest, Failed, Numbered, Reply

FIRST_TO_GO = "1000"  # the kernel's highest out-of-memory score


def main() -> None:
    """Serves requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    die_with_parent(int(sys.argv[1]))
    _stand_behind()
    _go_first()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up among the answers
    serve(sys.stdin.buffer, answers)


def _stand_behind() -> None:
    """Goes on as the child of a process that only waits for it, and ends as it does.

    So somebody's code that signals its parent cannot end the run that asked. `STOP`, which the run sends, ends both.
    """
    workers: list[int] = []
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    signal.signal(STOP, lambda *_: os.kill(workers[0], signal.SIGKILL) if workers else os._exit(1))
    waiting = os.getpid()
    workers.append(os.fork())
    if workers[0] == 0:
        for ending in (signal.SIGTERM, signal.SIGHUP, STOP):
            signal.signal(ending, signal.SIG_DFL)
        die_with_parent(waiting)
        return
    os.close(0)
    os.close(1)
    _, status = os.waitpid(workers[0], 0)
    _end_as(os.waitstatus_to_exitcode(status))


def _end_as(code: int) -> None:
    """Ends this process with a code, or by the signal that it stands for; as if it had been it."""
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # there is nothing in this process to look at
    with suppress(OSError):  # two signals have no handler
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    os._exit(1)  # a signal that ends nothing


def _go_first() -> None:
    """On Linux: be the one that the kernel picks when memory runs out."""
    if sys.platform != "linux":
        return
    score = Path("/proc/self/oom_score_adj")
    if os.access(score, os.W_OK):
        score.write_text(FIRST_TO_GO)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers each request in turn; an error becomes an answer, never the end."""
    from kaoprof.bench.forks import watch_forks
    from kaoprof.bench.workbench import Bench

    bench, process = Bench(), os.getpid()
    watch_forks()
    gc.disable()  # a collection in the middle of a sample would be charged to the operator
    for line in requests:
        asked = msgspec.json.decode(line, type=Numbered)
        given = answer(bench, asked.request)
        if os.getpid() != process:
            os._exit(0)  # a copy that somebody's code made by forking: it must not answer, too
        answers.write(msgspec.json.encode(Reply(number=asked.number, answer=given)) + b"\n")
        answers.flush()


def answer(bench: Any, request: AnyRequest) -> AnyAnswer:
    """What the bench says to a request; its exceptions become a status and a detail."""
    from kaoprof.bench.handlers import HANDLERS

    try:
        return HANDLERS[type(request)](bench, request)
    except BaseException as error:  # noqa: BLE001 - any failure of a measured module is a row, not an abort
        failed: Failed = bench.failed(error)
        return failed


if __name__ == "__main__":
    main()
