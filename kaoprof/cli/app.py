"""The command `kaoprof`: its subcommands, and the one place where an error becomes a line and an exit code."""

import gc
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from kaoprof.cli.commands import Commands
from kaoprof.cli.complaints import complain
from kaoprof.cli.interrupts import heed_interrupts, ignore_interrupts
from kaoprof.cli.streams import let_go, steady_streams
from kaoprof.errors import KaoprofError
from kaoprof.version import __version__

INTERRUPTED = 130
COLLECT_AFTER = 50_000  # new objects, not python's 700: what a start makes stays, and looking at it takes time

app = typer.Typer(
    name="kaoprof",
    cls=Commands,
    help="What an attention operator costs: exactly on paper, measured on your device, and whether the two agree.",
    epilog="Start with: kaoprof compare --h 56 --c 64",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def kaoprof_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """What an attention operator costs: exactly on paper, measured on your device, and whether the two agree."""
    if version:
        typer.echo(f"kaoprof {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Runs the command line and exits: 0 done, 1 a known failure, 2 wrong usage, 3 a limit broken, 130 interrupted."""
    gc.set_threshold(COLLECT_AFTER)
    steady_streams()
    heed_interrupts()
    code = run(sys.argv[1:])
    ignore_interrupts()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs the command line on `arguments` and returns the exit code. Known errors become one line on stderr."""
    try:
        code = app(args=arguments, prog_name="kaoprof", standalone_mode=False, obj=tuple(arguments)) or 0
        sys.stdout.flush()
    except KaoprofError as error:
        return fail(str(error), error.exit_code)
    except TyperException as error:
        return fail(f"{error.format_message()} (see kaoprof --help)", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe went away: nobody is left to tell
        let_go(sys.stdout.fileno())
        return 1
    except OSError as error:
        let_go(sys.stdout.fileno())
        return fail(f"output cannot be written: {error.strerror}", 1)
    return fail("interrupted", INTERRUPTED) if code == INTERRUPTED else code


def fail(message: str, code: int) -> int:
    """Says what went wrong, in one line; returns the exit code."""
    complain(message)
    return code
