"""The command `kaoprof`: its subcommands, and the one place where an error becomes a line and an exit code."""

import signal
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from kaoprof.cli.check import check
from kaoprof.cli.compare import compare
from kaoprof.cli.complaints import complain
from kaoprof.cli.env import env
from kaoprof.cli.explain import explain
from kaoprof.cli.fit import fit
from kaoprof.cli.init import init
from kaoprof.cli.listing import list_
from kaoprof.cli.profile import profile
from kaoprof.cli.schema import schema
from kaoprof.cli.streams import let_go, steady_streams
from kaoprof.cli.sweep import sweep
from kaoprof.errors import KaoprofError
from kaoprof.version import __version__

INTERRUPTED = 130

app = typer.Typer(
    name="kaoprof",
    help="What an attention operator costs: exactly on paper, measured on your device, and whether the two agree.",
    epilog="Start with: kaoprof compare --h 56 --c 64",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(epilog="Example: kaoprof compare --h 14,28,56 --c 8 --batch 8 -o run.json -o table.tex")(compare)
app.command(epilog="Example: kaoprof profile mobilenetv2 kanet-kv kanet-qkv")(profile)
app.command(epilog="Example: kaoprof explain kao_qkv --at b=8,c=8,h=56,w=56 -o cost.tex")(explain)
app.command(epilog="Example: kaoprof fit --memory 24GiB --c 64 --dtype fp16 --mode train")(fit)
app.command(epilog="Example: kaoprof sweep --h 8:128:x2 --c 8,64 --budget 60s -o run.jsonl")(sweep)
app.command(epilog="Example: kaoprof check my-model.yaml kanet-qkv")(check)
app.command("list", epilog="Example: kaoprof list --format json")(list_)
app.command(epilog="Example: kaoprof schema > kaoprof.schema.json")(schema)
app.command(epilog="Example: kaoprof init my-model.yaml")(init)
app.command(epilog="Example: kaoprof env --format json")(env)


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
    """Runs the command line and exits: 0 done, 1 a known failure, 2 wrong usage, 130 interrupted."""
    steady_streams()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # as Ctrl-C: what was measured is kept
    sys.exit(run(sys.argv[1:]))


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
