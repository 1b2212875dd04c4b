"""Files that are written whole or not at all, and what is refused before."""

import os
from pathlib import Path

from kaoprof.errors import OutputError, UsageError

SHOWN_CHARACTERS = 100  # of a name that is too long to be one


def check_target(path: Path, *, force: bool) -> None:
    """Refuses a file that could not be written.

    Raises:
        UsageError: it exists (without `force`).
        OutputError: it is a folder, or its folder is missing or not writable.
    """
    try:
        if path.is_dir():
            raise OutputError("is a folder", where=str(path), hint="name a file in it")
        if path.exists() and not path.is_file():  # as root, to replace what a link to /dev/null names would be fatal
            raise OutputError("is no ordinary file", where=str(path), hint="name a file that may be replaced")
        if path.exists() and not force:
            raise UsageError("exists already", where=str(path), hint="--force overwrites it")
        if not path.parent.is_dir():
            raise OutputError(f"there is no folder {path.parent}", where=str(path), hint="create it first")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"the folder {path.parent} is not writable", where=str(path))
    except (OSError, RuntimeError) as error:  # a name too long, a folder that may not be entered, a loop of links
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot be written: {reason}", where=str(path)[:SHOWN_CHARACTERS]) from None


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes `content` beside `path` and moves it there, so that a reader never sees half a file.

    Raises:
        OSError: the folder is full, gone or read-only. Nothing is left behind.
    """
    import tempfile  # opened late: most runs write no file

    path = Path(os.path.realpath(path))  # a link stays a link: what it points to is written
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".kaoprof-")
    half = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        half.chmod(0o666 & ~umask)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
