"""The training loops that are timed against each other."""
