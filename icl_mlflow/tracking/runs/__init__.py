"""Runs: opened, owned, written, ended, found again and gone on with."""
