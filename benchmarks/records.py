"""How soon is a quality reached, and with what? The list of records, row by row.

`python -m benchmarks.records --task A` runs the whole command `icl-mlflow train`, seed
by seed, from its start to its registered model, and appends a row to `records.md` if
the median of the seeds reaches the target on the fixed test set. No row enters by hand.
Each finished seed adds a line to `results/records.csv`; what the same commit trained by
the same recipe on the same processor is not trained again.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
from mlflow.tracking import MlflowClient

from benchmarks.frontier.alternatives import PUBLISHED
from benchmarks.frontier.log import add_line, read_lines
from benchmarks.machine import load, now, this_machine
from icl_mlflow.suite.grid import parse_seeds
from icl_mlflow.training.settings import PRESETS

_FILE = Path(__file__).with_name("records.md")
_TRAINED = Path(__file__).with_name("results") / "records.csv"
_ROOT = Path(__file__).parents[1]
_FEWEST = 5

#: By name, the excess risk to be reached on each task, in nats.
TARGETS: Mapping[str, Mapping[str, float]] = {
    "published": PUBLISHED,
    "0.0005": dict.fromkeys(PUBLISHED, 0.0005),
}

_COLUMNS = (
    *("date", "target", "nats, median", "range", "seconds, wall", "CPU", "episodes"),
    *("seeds", "recipe", "commit", "processor", "load"),
)
_HEAD = f"""# Records

Seconds of the whole command, from its start to a registered model: medians over seeds,
on the clock and of processors. `load` is what else the machine did: where it exceeds
the threads of the command, the seconds on the clock say little. Excess risk on the
20 000 fixed test episodes. Rows enter by `python -m benchmarks.records` alone.

| {" | ".join(_COLUMNS)} |
|{"---|" * len(_COLUMNS)}
"""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that has trained one model.

    Attributes:
        task, recipe, commit, processor: what was trained, how, by what and on what.
        seed: of the model.
        nats: its excess risk on the test set.
        wall: seconds on the clock.
        cpu: seconds of processors.
        episodes: drawn for training.
        load: of the machine when it had ended.
    """

    task: str
    recipe: str
    commit: str
    processor: str
    seed: int
    nats: float
    wall: float
    cpu: float
    episodes: int
    load: str


def train(task: str, recipe: str, commit: str, seed: int) -> Finished:
    """Run the command in a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/mlflow.db"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "entrypoints.train"),
                *("--task", task, "--seed", str(seed), *recipe.split()),
            ],
            cwd=folder,
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": store,
                "PYTHONPATH": str(_ROOT),
            },
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        client = MlflowClient(store)
        experiments = [each.experiment_id for each in client.search_experiments()]
        (run,) = client.search_runs(experiments)
        asked = run.data.params
        epochs, drawn, size = (
            int(asked[name]) for name in ("epochs", "train_episodes", "batch_size")
        )
        spent = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        return Finished(
            task=task,
            recipe=recipe,
            commit=commit,
            processor=_processor(),
            seed=seed,
            nats=round(run.data.metrics["test/excess_risk"], 6),
            wall=round(wall, 2),
            cpu=round(spent, 2),
            episodes=epochs * (drawn // size) * size,
            load=load(),
        )


def _processor() -> str:
    machine = this_machine()
    flags = " ".join(machine.instructions)
    return f"{machine.processor}, cores: {machine.cores}, {flags}"


def known(file: Path, *, task: str, recipe: str, commit: str) -> dict[int, Finished]:
    """What has been trained so on this processor, by seed."""
    wanted = (task, recipe, commit, _processor())
    return {
        one.seed: one
        for one in read_lines(file, Finished)
        if (one.task, one.recipe, one.commit, one.processor) == wanted
    }


def reaches(found: Sequence[Finished], nats: float) -> bool:
    """Whether the median of at least five seeds is that good."""
    return len(found) >= _FEWEST and median(one.nats for one in found) <= nats


def add_row(file: Path, cells: Sequence[str]) -> None:
    """Append a row; the first one brings the head."""
    if not file.exists():
        file.write_text(_HEAD, encoding="utf-8")
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"| {' | '.join(cells)} |\n")


def row(found: Sequence[Finished], target: str) -> tuple[str, ...]:
    """The cells of what was found, today."""
    first, nats = found[0], [one.nats for one in found]
    return (
        f"{now():%Y-%m-%d}",
        f"{first.task} {target} ({TARGETS[target][first.task]} nats)",
        f"{median(nats):.4f}",
        f"{min(nats):.4f} to {max(nats):.4f}",
        f"{median(one.wall for one in found):.1f}",
        f"{median(one.cpu for one in found):.1f}",
        f"{first.episodes:,}".replace(",", " "),
        f"{len(found)}",
        f"`{first.recipe}`",
        first.commit,
        first.processor,
        found[-1].load,
    )


def _commit() -> str:
    """Of the code that runs.

    Raises:
        ClickException: the code is not that of any commit.
    """
    git = ("git", "-C", str(_ROOT))
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "icl_mlflow", "entrypoints"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if changed:
        raise click.ClickException("the code has changes; a record names its commit")
    shown = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    )
    return shown.stdout.strip()


@click.command(context_settings={"show_default": True})
@click.option("--task", type=click.Choice(list(PUBLISHED)), required=True)
@click.option("--target", type=click.Choice(list(TARGETS)), default="published")
@click.option("--preset", type=click.Choice(list(PRESETS)), default="efficient")
@click.option("--seeds", default="0-4", help="At least five.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_FILE,
    help="The list.",
)
@click.option(
    "--lines",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_TRAINED,
    help="What has been trained, a line a seed.",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(
    *,
    task: str,
    target: str,
    preset: str,
    seeds: str,
    output: Path,
    lines: Path,
    options: tuple[str, ...],
) -> None:
    """Train every seed by the whole command; append a row if the target is reached.

    OPTIONS, after a double dash, go to `icl-mlflow train` as they are.
    """
    chosen = parse_seeds(seeds)
    if len(chosen) < _FEWEST:
        raise click.UsageError(f"a record needs at least {_FEWEST} seeds")
    how = {"recipe": " ".join(("--preset", preset, *options)), "commit": _commit()}
    for seed in chosen:
        # Asked anew each time: another process may train for the same list.
        trained = known(lines, task=task, **how)
        if seed not in trained:
            trained[seed] = train(task, seed=seed, **how)
            add_line(lines, trained[seed])
        one = trained[seed]
        shown = f"{one.nats:.4f} nats, {one.wall:.1f} s, {one.cpu:.1f} s of CPU"
        click.echo(f"seed {seed}: {shown}", err=True)
    found = [trained[seed] for seed in chosen]
    cells = row(found, target)
    click.echo(" | ".join(cells))
    if not reaches(found, TARGETS[target][task]):
        raise click.ClickException("the median does not reach the target: no row")
    add_row(output, cells)
    click.echo(f"written: {output}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.records")
