"""`python -m kaoprof` is the same command as `kaoprof`."""


def main() -> None:
    """Runs the command line. A Ctrl-C while its modules are still being imported ends it as any other does."""
    from kaoprof.cli.interrupts import end_on_interrupts

    end_on_interrupts()
    from kaoprof.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
