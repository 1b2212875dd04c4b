"""Rules that installed packages bring along: each names a module under the entry point group `kaoprof.rules`."""

from functools import cache
from importlib.metadata import entry_points

from kaoprof.errors import KaoprofError, first_line

GROUP = "kaoprof.rules"


@cache
def load_installed_rules() -> tuple[str, ...]:
    """Imports them, once in a process, so that they register themselves with `kaoprof.rule`; returns their names.

    Raises:
        KaoprofError: one of them cannot be imported.
    """
    loaded = []
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            raise KaoprofError(
                f"the rules {entry.name!r} ({entry.value}) cannot be imported: {first_line(error)}",
                hint="mend or uninstall the package that brings them",
            ) from error
        loaded.append(entry.name)
    return tuple(loaded)
