"""The measuring process: reads requests from stdin, answers on stdout, and dies with its parent."""

import gc
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

import msgspec

from kaoprof.bench.dying import die_with_parent
from kaoprof.measuring.messages import AnyAnswer, AnyRequest, Failed, Numbered, Reply

FIRST_TO_GO = "1000"  # the kernel's highest out-of-memory score


def main() -> None:
    """Serves requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    die_with_parent()
    _go_first()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up among the answers
    serve(sys.stdin.buffer, answers)


def _go_first() -> None:
    """On Linux: be the one that the kernel picks when memory runs out."""
    if sys.platform != "linux":
        return
    score = Path("/proc/self/oom_score_adj")
    if os.access(score, os.W_OK):
        score.write_text(FIRST_TO_GO)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers each request in turn; an error becomes an answer, never the end."""
    from kaoprof.bench.workbench import Bench

    bench, process = Bench(), os.getpid()
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
