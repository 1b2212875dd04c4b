"""The parent's handle on the measuring process: ask, wait no longer than agreed, learn how it died."""

import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, Any

import msgspec

from kaoprof.errors import KaoprofError, MeasurementError
from kaoprof.measuring.messages import STOP, AnyAnswer, AnyRequest, Failed, Numbered, Reply
from kaoprof.units import format_bytes, format_seconds

READ_BYTES = 65536
PROFILER_NOISE = "USDT:"
MOST_ANSWER_BYTES = 2**28  # a census of a hundred thousand layers is a tenth of it
LOOK_AGAIN_S = 2.0  # whether it lives, and how much it has printed
MOST_PRINTED_BYTES = 2**24  # of a child: more is thrown away, the disk is somebody's
END_LIMIT_S = 10.0  # for a process that was killed, or has closed its answers
LAST_WORDS_BYTES = 2000  # of a dead child's stderr that are worth repeating


class Unanswered(KaoprofError):  # noqa: N818 - it is an outcome with a status, not a fault of kaoprof
    """A request came to nothing."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class SubjectFailed(Unanswered):
    """The child answered that this subject cannot be run; the child lives on."""


class ChildLost(Unanswered):
    """The child is gone: it was killed, crashed, or took too long and was killed by us."""


class Child:
    """A running measuring process, until `kill`."""

    def __init__(self) -> None:
        try:
            self.last_words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
            fcntl.fcntl(self.last_words, fcntl.F_SETFL, fcntl.fcntl(self.last_words, fcntl.F_GETFL) | os.O_APPEND)
            self.process = subprocess.Popen(  # noqa: S603 - our own
                # -P: nothing in this folder shadows a library; last, whose child it is: that may end before it begins
                [sys.executable, "-P", "-m", "kaoprof.bench.worker", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.last_words,
                start_new_session=True,  # what a module starts ends with it
            )
        except OSError as error:
            raise MeasurementError(f"the measuring process could not be started: {error.strerror}") from error
        self.unread = bytearray()
        self.asked = 0

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def ask(self, request: AnyRequest, *, timeout_s: float) -> Any:
        """Sends a request and waits for its answer, a struct of the kind that the request names.

        Raises:
            SubjectFailed: the child says that it cannot (out of memory, unsupported, an error in the module).
            ChildLost: it died; or was killed, since no answer came within `timeout_s`, or one to something else.
        """
        pipe = self.process.stdin
        self.asked += 1
        try:
            if pipe is None:
                raise MeasurementError("the measuring process has no input")
            pipe.write(msgspec.json.encode(Numbered(number=self.asked, request=request)) + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise self._died() from None
        answer = self._read_answer(request, timeout_s)
        if isinstance(answer, Failed):
            raise SubjectFailed(answer.status, answer.detail)
        return answer

    def _read_answer(self, request: AnyRequest, timeout_s: float) -> AnyAnswer:
        """The next answer, if it is to this request: somebody's code may write into the pipe or leave a copy of itself.

        Raises:
            ChildLost: it is not, and the child is killed: nothing that it says can be trusted any more.
        """
        line = self._read_line(timeout_s)
        try:
            reply = msgspec.json.decode(line, type=Reply)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.kill()
            raise ChildLost("error", f"the measuring process answered nonsense: {line[:80]!r}") from error
        if reply.number != self.asked or not isinstance(reply.answer, request.answered_by | Failed):
            self.kill()
            what = f"answered {type(reply.answer).__name__} {reply.number} to {type(request).__name__} {self.asked}"
            raise ChildLost("error", f"the measuring process {what}: code that it ran writes into its pipe")
        return reply.answer

    def _read_line(self, timeout_s: float) -> bytes:
        pipe = self.process.stdout
        if pipe is None:
            raise MeasurementError("the measuring process has no output")
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self.unread:
            left_s = deadline - time.monotonic()
            ready, _, _ = select.select([pipe], [], [], min(max(0.0, left_s), LOOK_AGAIN_S))
            self._forget_much()
            if not ready and left_s > LOOK_AGAIN_S:
                if self.process.poll() is None:
                    continue
                raise self._died()  # what it started holds the pipe
            if not ready:
                self.kill()
                raise ChildLost(
                    "timeout", f"no answer within {format_seconds(timeout_s)}; the measuring process was stopped"
                )
            received = os.read(pipe.fileno(), READ_BYTES)
            if not received:
                raise self._died()
            self.unread += received
            if len(self.unread) > MOST_ANSWER_BYTES and b"\n" not in received:  # else there is an answer before it
                self.kill()
                raise ChildLost("error", f"the measuring process answered more than {format_bytes(MOST_ANSWER_BYTES)}")
        line, _, self.unread = self.unread.partition(b"\n")
        return bytes(line)

    def _forget_much(self) -> None:
        """Begins its printed text anew where that has grown large."""
        if os.fstat(self.last_words.fileno()).st_size > MOST_PRINTED_BYTES:
            self.last_words.truncate(0)

    def _died(self) -> ChildLost:
        code = self._code()
        if code is None:
            self.kill()
            return ChildLost("error", "the measuring process closed its answers, and went on; it was stopped")
        self.last_words.seek(max(0, os.fstat(self.last_words.fileno()).st_size - LAST_WORDS_BYTES))
        return ChildLost("error", died_of(code, self.last_words.read(LAST_WORDS_BYTES)))

    def _code(self) -> int | None:
        """How it ended; None if it does not, as one that waits in a driver for a device that is stuck."""
        try:
            return self.process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Ends the process, whatever it is doing, and frees what belongs to it."""
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            if self.process.poll() is None:
                os.kill(self.process.pid, STOP)  # it ends its own child first, and so leaves no dead one behind
                self.process.wait(END_LIMIT_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # what somebody's code started
        self._code()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None and not pipe.closed:
                with suppress(BrokenPipeError):  # an unsent request to a dead child
                    pipe.close()
        self.last_words.close()


def died_of(code: int, written: bytes) -> str:
    """What is said of a process that ended with this exit code, or minus a signal; `written` are its last words."""
    if code < 0:
        memory = " (as the system does when memory runs out)" if -code == signal.SIGKILL else ""
        return f"the measuring process was killed by {_signal_name(-code)}{memory}"
    text = written[-LAST_WORDS_BYTES:].decode(errors="replace")
    words = [line for line in text.strip().splitlines() if not line.startswith(PROFILER_NOISE)]
    last = f": {words[-1]}" if words else ""
    return f"the measuring process ended with code {code}{last}"


def _signal_name(number: int) -> str:
    """`SIGKILL` for 9; a real-time signal has no name of its own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
