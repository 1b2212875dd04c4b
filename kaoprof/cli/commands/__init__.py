"""One file per subcommand: its options, and what they are passed to."""
