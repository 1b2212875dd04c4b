"""`python -m kaoprof` is the same command as `kaoprof`."""

from kaoprof.cli.app import main

if __name__ == "__main__":
    main()
