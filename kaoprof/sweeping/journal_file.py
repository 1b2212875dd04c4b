"""Writes the journal of a sweep: one process at a time, whole lines, on the disk before the next cell begins."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from kaoprof.errors import OutputError
from kaoprof.records.incoming import opened
from kaoprof.records.journal import AnyHeader, Entry
from kaoprof.records.journal_reading import contents_of, nothing_yet, parse_journal

LOCKS = Path("/proc/locks")  # Linux: who holds which lock


class Journal:
    """A journal that this process, and no other, appends to. `contents` is what it held when it was opened.

    Args:
        path: of the file; a missing one, and one without any finished cell, becomes a new journal.
        header: of a new journal.

    Raises:
        OutputError: it cannot be written, or another sweep is writing it.
        RecordError: the file is something else, or damaged. It is left as it is.
    """

    def __init__(self, path: Path, header: AnyHeader) -> None:
        self.path = path
        self.file = _locked(path)
        try:
            with opened(path) as file:
                contents = None if nothing_yet(file.readline()) else contents_of(file, where=str(path))
            if contents is None or not contents.cells:  # what it was begun for does not bind anybody
                os.ftruncate(self.file, 0)
                self.size = 0
                data = self.append(header)
                _keep_name(path)
                contents = parse_journal(data, where=str(path))
            self.contents = contents
            self.size = contents.whole_bytes
            if self.size < os.fstat(self.file).st_size:
                os.ftruncate(self.file, self.size)
        except BaseException:
            self.close()
            raise

    def append(self, entry: AnyHeader | Entry) -> bytes:
        """Adds one line, and returns it when it is on the disk.

        Raises:
            OutputError: it could not be written. The file holds what it held before.
        """
        line = msgspec.json.encode(entry) + b"\n"
        if not self._is_in_place():
            hint = "if it was moved, move it back: the same command then goes on"
            raise OutputError("was removed or replaced while the sweep was writing it", where=str(self.path), hint=hint)
        try:
            written = os.write(self.file, line)
            while written < len(line):  # the disk is full: the next attempt says so
                written += os.write(self.file, line[written:])
            os.fsync(self.file)
        except OSError as error:
            self._cut_off()
            kept = "what was measured before is in it; " if self.size else ""
            hint = f"{kept}with space to write, the same command goes on"
            raise OutputError(f"cannot be written: {error.strerror}", where=str(self.path), hint=hint) from None
        self.size += len(line)
        return line

    def _is_in_place(self) -> bool:
        """Whether the name still stands for the file that is written."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.file))
        except OSError:
            return False

    def _cut_off(self) -> None:
        """Takes back what was written of a line. If that fails too, the reader drops the incomplete line."""
        with suppress(OSError):
            os.ftruncate(self.file, self.size)

    def close(self) -> None:
        """Lets others write it."""
        os.close(self.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _locked(path: Path) -> int:
    """The file, opened for appending and locked for this process."""
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "no ordinary file"
            raise OutputError(f"is {kind}", where=str(path), hint="name a file, such as run.jsonl")
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot be written: {reason}", where=str(path)[:100]) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(os.fstat(handle))
        os.close(handle)
        who = f"another sweep (process {holder})" if holder else "another sweep"
        hint = "wait for it, or stop it, or name another journal with -o"
        raise OutputError(f"{who} is writing this journal", where=str(path), hint=hint) from None
    except OSError as error:
        os.close(handle)
        hint = "put the journal on a local disk"
        raise OutputError(f"cannot be locked: {error.strerror}", where=str(path), hint=hint) from None
    return handle


def _holder(file: os.stat_result) -> int | None:
    """The process that holds the lock, where the system tells."""
    inode = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        locks = LOCKS.read_text()
    except OSError:
        return None
    held = [line.split() for line in locks.splitlines()]
    pids = [int(words[4]) for words in held if words[1:2] == ["FLOCK"] and words[5:6] == [inode]]
    return next((pid for pid in pids if pid > 0), None)


def _keep_name(path: Path) -> None:
    """Puts the new file's name on the disk: after a power cut a file without one is lost."""
    folder = os.open(Path(os.path.realpath(path)).parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
