"""What every speed figure is measured with; `python -m benchmarks --help`."""
