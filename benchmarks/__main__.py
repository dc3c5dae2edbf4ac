"""The one command: `python -m benchmarks [PART ...]`."""

import os
import time
from pathlib import Path

import click

from benchmarks.machine import load, now, this_machine
from benchmarks.page import Result
from benchmarks.speed.loops.notebook import VARIABLE
from benchmarks.speed.parts import PARTS, measure
from benchmarks.speed.plan import Plan
from icl_mlflow.training.settings import PRESETS

_RESULTS = Path(__file__).with_name("results")

#: MLflow would call home, and its server would start processes for jobs.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}

_EPILOG = "\b\nParts:\n" + "\n".join(
    f"  {name:<11} {question}" for name, question in PARTS.items()
)


@click.command(epilog=_EPILOG, context_settings={"show_default": True})
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)), metavar="[PART]...")
@click.option(
    "--rounds", type=click.IntRange(1), default=9, help="Behind every median."
)
@click.option(
    "--size",
    type=click.Choice(list(PRESETS)),
    default="paper",
    help="Preset that is trained; any but paper is to try things out.",
)
@click.option(
    "--notebook",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    envvar=VARIABLE,
    show_envvar=True,
    help="The research notebook's file, whose own loop then takes part.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_RESULTS,
    help="Folder of the Markdown result.",
)
def main(
    parts: tuple[str, ...], rounds: int, size: str, notebook: str | None, output: Path
) -> None:
    """Measure PARTS (all by default), print tables and write them to a dated file.

    Every contestant has a process of its own; they take turns, round after round.
    Leave the machine alone meanwhile.
    """
    os.environ |= _QUIET
    if notebook:
        os.environ[VARIABLE] = notebook
    started, before, clock = now(), load(), time.perf_counter()
    plan = Plan(size=size, rounds=rounds)
    tables = []
    for part in parts or PARTS:
        click.echo(f"measuring: {part}", err=True)
        for table in measure(part, plan):
            click.echo(table.markdown())
            tables.append(table)
    options = ["--rounds", str(rounds), "--size", size]
    result = Result(
        command=" ".join(["python -m benchmarks", *parts, *options]),
        machine=this_machine(),
        started=started,
        seconds=time.perf_counter() - clock,
        loads=(before, load()),
        rounds=rounds,
        parts=parts or None,
        tables=tables,
    )
    click.echo(f"written: {result.write(output)}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
