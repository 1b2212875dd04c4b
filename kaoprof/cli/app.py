"""The command `kaoprof`: its subcommands, and the one place where an error becomes a line and an exit code."""

import gc
import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from kaoprof.cli.command_table import Commands
from kaoprof.cli.interrupts import INTERRUPTED, heed_interrupts, ignore_interrupts
from kaoprof.cli.streams import complain, let_go, steady_streams
from kaoprof.errors import KaoprofError, first_line
from kaoprof.version import __version__

TRACEBACK = "KAOPROF_TRACEBACK"  # an environment variable: show where something unexpected happened
REPORT_IT = f"this is a fault of kaoprof, please report it; {TRACEBACK}=1 shows where it happened"
COLLECT_AFTER = 50_000  # new objects, not python's 700: what a start makes stays, and looking at it takes time

app = typer.Typer(
    name="kaoprof",
    cls=Commands,
    help="What attention operators and models cost: on paper, and on your device.",
    epilog="Start with: kaoprof compare --h 56 --c 64\n\nThen: kaoprof guide, and kaoprof COMMAND -h",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def kaoprof_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """What attention operators and models cost: on paper, and on your device."""
    if version:
        typer.echo(f"kaoprof {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    else:
        check_folder()


def check_folder() -> None:
    """Refuses a current folder that was deleted: torch's libraries would end the process without a word of ours.

    Raises:
        KaoprofError: so it is.
    """
    try:
        os.getcwd()  # noqa: PTH109 - only whether there is one
    except FileNotFoundError:
        raise KaoprofError("the current folder is gone", hint="cd to another one") from None


def main() -> None:
    """Runs the command line and exits: 0 done, 1 a known failure, 2 wrong usage, 3 a limit broken, 130 interrupted."""
    gc.set_threshold(COLLECT_AFTER)
    steady_streams()
    heed_interrupts()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # another one, while the first was being told
        code = INTERRUPTED
    ignore_interrupts()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs the command line on `arguments` and returns the exit code. Every error becomes one line on stderr."""
    try:
        return obey(arguments)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return fail(f"{type(error).__name__}: {first_line(error)} ({REPORT_IT})", 1)


def obey(arguments: list[str]) -> int:
    """As `run`, but what nobody thought of is raised."""
    try:
        code = app(args=arguments, prog_name="kaoprof", standalone_mode=False, obj=tuple(arguments)) or 0
        sys.stdout.flush()
    except KaoprofError as error:
        return fail(str(error), error.exit_code)
    except TyperException as error:
        return fail(f"{error.format_message()} (see {asked_in(error)} --help)", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return fail("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        let_go(sys.stdout.fileno())  # the reader of a pipe, such as `head`, has read enough; typer would exit
        return 0
    except OSError as error:
        let_go(sys.stdout.fileno())
        return fail(f"output cannot be written: {error.strerror or first_line(error)}", 1)
    return fail("interrupted", INTERRUPTED) if code == INTERRUPTED else code


def asked_in(error: TyperException) -> str:
    """The command in whose options an error is, as it is typed."""
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context is not None else "kaoprof"


def fail(message: str, code: int) -> int:
    """Says what went wrong, in one line; returns the exit code."""
    complain(message)
    return code
