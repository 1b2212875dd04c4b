"""The command line: options, progress, exit codes. The only room that prints or exits."""
