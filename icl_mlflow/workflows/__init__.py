"""What each command does, from settings to a finished run: one file a command."""
