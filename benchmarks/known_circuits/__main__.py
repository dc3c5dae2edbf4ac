"""The command `python -m benchmarks.known_circuits`."""

from benchmarks.known_circuits.report import main

main(prog_name="python -m benchmarks.known_circuits")
