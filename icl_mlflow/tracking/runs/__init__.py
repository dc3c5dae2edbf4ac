"""The life of runs: opened, owned, written, ended, found again and resumed."""
