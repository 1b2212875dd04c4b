"""Keeps a device's ceilings in the user's cache folder, a file for each environment. A cache: nothing depends on it."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from kaoprof.errors import KaoprofError
from kaoprof.records.checks import are_plausible
from kaoprof.records.incoming import UNREADABLE, read_bytes, strictly_decoded
from kaoprof.records.measured import Ceilings, Environment

KEY_FIELDS = (
    "device_name", "cores", "affinity", "threads", "memory_bytes", "system", "torch", "cuda", "settings", "cudnn",
    "driver", "capability", "multiprocessors", "power_limit_w",
)  # fmt: skip
MEANING = 2  # of what is kept: another number where a product, a copy or the reference is another one than before
BUSY_LOAD = 0.5  # processes per core from which on ceilings are too low, and worth measuring again once it is quieter
QUIETER = 0.5  # of the load at which they were measured


class CeilingStore:
    """The store that a session asks. With `refresh` it knows nothing, so that everything is measured and kept anew."""

    def __init__(self, folder: Path | None, *, load: float | None = None, refresh: bool = False) -> None:
        self.folder, self.load, self.refresh = folder, load, refresh

    def known(self, environment: Environment) -> Ceilings | None:
        """What was kept of this environment; None if nothing, if it is unreadable, or if it should be better by now."""
        path = self._path(environment)
        if path is None or self.refresh:
            return None
        try:
            kept = strictly_decoded(read_bytes(path), Ceilings) if path.is_file() else None
        except (OSError, KaoprofError, *UNREADABLE):
            return None
        cores = environment.machine_cores or environment.cores  # the load is that of all of them
        return kept if kept and are_plausible(kept) and not self._is_outdone(kept, cores) else None

    def keep(self, environment: Environment, ceilings: Ceilings) -> None:
        """Writes it whole or not at all; a folder that cannot be written is no fault."""
        path = self._path(environment)
        if path is None:
            return
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".ceilings-")
            half = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(msgspec.json.encode(ceilings))
                half.replace(path)
            except BaseException:
                half.unlink(missing_ok=True)
                raise

    def _is_outdone(self, kept: Ceilings, cores: int) -> bool:
        """Whether the machine was busy when this was measured, and is quiet now, or half as busy."""
        if kept.load is None or self.load is None or kept.load <= BUSY_LOAD * cores:
            return False
        return self.load <= BUSY_LOAD * cores or self.load < QUIETER * kept.load

    def _path(self, environment: Environment) -> Path | None:
        if self.folder is None:
            return None
        key = msgspec.json.encode([MEANING, *(getattr(environment, name) for name in KEY_FIELDS)])
        return self.folder / f"{hashlib.sha256(key).hexdigest()[:16]}.json"


def ceilings_folder() -> Path | None:
    """`kaoprof/ceilings` in `$XDG_CACHE_HOME` or `~/.cache`; None where there is no home."""
    folder = os.environ.get("XDG_CACHE_HOME", "")
    if Path(folder).is_absolute():  # the standard says to ignore a relative one
        return Path(folder) / "kaoprof" / "ceilings"
    try:
        return Path.home() / ".cache" / "kaoprof" / "ceilings"
    except RuntimeError:
        return None
