"""The command `python -m benchmarks.verdicts`."""

from benchmarks.verdicts.rates import main

main(prog_name="python -m benchmarks.verdicts")
