"""Excess risk against episodes and seconds, recipe by recipe: the one command.

`python -m benchmarks.frontier` trains every recipe with every seed through the same
`fit` as everything else, one thread each, one process a core. Each finished run adds a
line to `results/frontier.csv`; what is there is not trained again.
"""

import csv
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import click

from benchmarks.frontier_report import write_report
from icl_mlflow.launch.processes import Outcome, run_in_processes, usable_cores
from icl_mlflow.suite import parse_seeds
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.fit import Epoch, fit
from icl_mlflow.training.settings import PRESETS, TrainSettings

_RESULTS = Path(__file__).with_name("results")

_EFFICIENT = dict(PRESETS["efficient"])

#: What each recipe changes of the paper's settings.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "efficient": _EFFICIENT,
    "paper": {"precision": "bf16"},
    "efficient, sampled labels": {**_EFFICIENT, "target": "labels"},
    "efficient, no curriculum": {**_EFFICIENT, "curriculum": "none"},
    "efficient, nuisance alone": {**_EFFICIENT, "curriculum": "nuisance"},
    "efficient, separation alone": {**_EFFICIENT, "curriculum": "separation"},
    "efficient, one cycle": {**_EFFICIENT, "schedule": "one_cycle", "warmup": 0.3},
    "efficient, beta2 0.999": {**_EFFICIENT, "beta2": 0.999},
    "efficient, batch 64": {**_EFFICIENT, "batch_size": 64},
    "efficient, independent layers": {**_EFFICIENT, "layer_init": "independent"},
}
#: Which recipes are tried with how many episodes: all with few, the best with more.
PLAN: Mapping[int, Collection[str]] = {
    50_000: tuple(RECIPES),
    25_000: ("efficient",),
    100_000: ("efficient", "paper"),
    200_000: ("efficient",),
    1_000_000: ("efficient", "efficient, batch 64"),
}
#: The validations of a run, whatever its length, as in the preset.
_EPOCHS, _VALIDATION = _EFFICIENT["epochs"], _EFFICIENT["val_episodes"]


@dataclass(frozen=True)
class Trial:
    """One training run to be made."""

    recipe: str
    task: str
    seed: int
    budget: int

    def settings(self) -> TrainSettings:
        """What is trained; the test set is the same for all."""
        length = {"epochs": _EPOCHS, "train_episodes": self.budget // _EPOCHS}
        fixed = {"val_episodes": _VALIDATION, "threads": 1, "device": "cpu"}
        who = {"task": self.task, "seed": self.seed}
        return TrainSettings(**{**RECIPES[self.recipe], **length, **fixed, **who})


@dataclass(frozen=True)
class Made:
    """What came of a trial.

    Attributes:
        recipe, task, seed, budget: of the trial.
        episodes: drawn for training; whole batches of the budget.
        seconds: processor time of training and validation, on one core.
        excess_risk: on the 20 000 test episodes, nats.
    """

    recipe: str
    task: str
    seed: int
    budget: int
    episodes: int
    seconds: float
    excess_risk: float


def trials(
    seeds: Collection[int], budgets: Collection[int], recipes: Collection[str]
) -> Iterator[Trial]:
    """What is planned of these; a seed of everything before the next seed."""
    for budget in budgets:
        for seed in seeds:
            for task in TASKS:
                for recipe in PLAN[budget]:
                    if recipe in recipes and _differs(recipe, task):
                        yield Trial(recipe, task, seed, budget)


def _differs(recipe: str, task: str) -> bool:
    """Whether it is another training than the efficient one, or is that one itself."""
    try:
        mine, plain = (
            Trial(name, task, 0, min(PLAN)).settings().identity
            for name in (recipe, "efficient")
        )
    except ValueError:  # a curriculum that this task does not offer
        return False
    return recipe == "efficient" or mine != plain


def _make(trial: Trial, send: Callable[[str], None]) -> Made:
    """Train in a worker process; ``send`` has nothing to say."""
    del send
    settings = trial.settings()
    started, ended = time.process_time(), [0.0]

    def note(_epoch: Epoch) -> None:
        ended.append(time.process_time())

    fitted = fit(settings, on_epoch=note)
    return Made(
        **asdict(trial),
        episodes=settings.total_steps * settings.batch_size,
        seconds=round(ended[-1] - started, 2),
        excess_risk=round(fitted.test["test/excess_risk"], 6),
    )


def read(file: Path) -> list[Made]:
    """What has been made so far."""
    if not file.exists():
        return []
    kinds = {field.name: field.type for field in fields(Made)}
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            Made(**{name: kinds[name](text) for name, text in row.items()})  # type: ignore[operator]
            for row in csv.DictReader(lines)
        ]


def _add(file: Path, made: Made) -> None:
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, [field.name for field in fields(Made)])
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(made))


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default="0-4", help="Seeds of every recipe.")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    type=click.Choice([str(budget) for budget in PLAN]),
    default=[str(budget) for budget in PLAN],
    help="Episodes; may be given several times.",
)
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    type=click.Choice(list(RECIPES)),
    default=list(RECIPES),
    help="May be given several times.",
    show_default="all",
)
@click.option("--jobs", type=click.IntRange(0), default=0, help="0: one per core.")
@click.option("--report_only", is_flag=True, help="Train nothing, draw what is there.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_RESULTS,
    help="Folder of the table, the figure and the Markdown.",
)
def main(
    seeds: str,
    budgets: tuple[str, ...],
    recipes: tuple[str, ...],
    jobs: int,
    output: Path,
    *,
    report_only: bool,
) -> None:
    """Train what is missing of the frontier, then write its table and its figure."""
    output.mkdir(parents=True, exist_ok=True)
    file = output / "frontier.csv"
    known = {(m.recipe, m.task, m.seed, m.budget) for m in read(file)}
    wanted = [
        trial
        for trial in trials(parse_seeds(seeds), [int(b) for b in budgets], recipes)
        if (trial.recipe, trial.task, trial.seed, trial.budget) not in known
    ]

    def keep(index: int, outcome: Outcome[Made]) -> None:
        shown = outcome.error or "failed"
        if outcome.value is not None:
            _add(file, outcome.value)
            shown = f"{outcome.value.excess_risk:.4f} nats, {outcome.value.seconds} s"
        click.echo(f"{wanted[index]}: {shown}", err=True)

    if wanted and not report_only:
        run_in_processes(
            wanted, _make, n_processes=jobs or usable_cores(), on_outcome=keep
        )
    for path in write_report(read(file), output):
        click.echo(f"written: {path}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.frontier")
