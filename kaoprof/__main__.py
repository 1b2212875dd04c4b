"""`python -m kaoprof` is the same command as `kaoprof`."""

import os
import sys


def main() -> None:
    """Runs the command line. A Ctrl-C while its modules are still being imported ends it as any other does."""
    forget_folder()
    from kaoprof.cli.interrupts import end_on_interrupts

    end_on_interrupts()
    from kaoprof.cli.app import main as run

    run()


def forget_folder() -> None:
    """Takes back that `-m` looks for modules in the current folder first: a `torch.py` there is not torch."""
    if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():  # noqa: PTH109 - nothing is imported yet
        del sys.path[0]


if __name__ == "__main__":
    main()
