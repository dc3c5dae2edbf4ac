"""The command line: settings become options, and each command is one file."""
