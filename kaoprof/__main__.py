"""`python -m kaoprof` is the same command as `kaoprof`."""

import sys


def main() -> None:
    """Runs the command line. A Ctrl-C while its modules are still being imported ends it as any other does."""
    try:
        from kaoprof.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("kaoprof: interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
