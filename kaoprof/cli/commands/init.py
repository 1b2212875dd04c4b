"""`kaoprof init`: a commented spec to start from."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.", show_default=False)] = Path(
        "my-model.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Writes a commented model spec to start from.

    Without FILE, it is called my-model.yaml.
    """
    import shlex

    from kaoprof.cli.streams import say
    from kaoprof.errors import OutputError, UsageError
    from kaoprof.reporting.files import check_target, write_whole
    from kaoprof.specs import starter_spec
    from kaoprof.specs.shelf import SUFFIXES

    if file.suffix not in SUFFIXES:
        raise UsageError("a spec is a YAML file", where=str(file), hint=f"name it {file.stem or 'my-model'}.yaml")
    check_target(file, force=force)
    try:
        write_whole(file, starter_spec(file.name))
    except OSError as error:
        raise OutputError(f"not written: {error.strerror}", where=str(file)) from error
    say(f"wrote {file}")
    say(f"next: kaoprof check {shlex.quote(str(file))}    # then change it, and kaoprof profile it")
