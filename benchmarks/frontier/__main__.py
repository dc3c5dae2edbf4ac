"""Excess risk against episodes and seconds, recipe by recipe: the one command.

`python -m benchmarks.frontier` trains every recipe of `recipes.py` with every seed, one
thread each, one process a core: through the package's own `fit`, or, where the package
has no such option, by `alternatives.py`. Each finished run adds a line to
`results/frontier.csv`; what is there is not trained again.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks.frontier.alternatives import excess_risk
from benchmarks.frontier.log import Made, add, is_current, read
from benchmarks.frontier.recipes import PLAN, RECIPES, Trial, trials
from benchmarks.frontier.report import write_report
from benchmarks.machine import this_machine
from icl_mlflow.suite.engines.process_pool import (
    Outcome,
    run_in_processes,
    usable_cores,
)
from icl_mlflow.suite.grid import parse_seeds
from icl_mlflow.training.fit import fit

_RESULTS = Path(__file__).parents[1] / "results"


def _make(trial: Trial, send: Callable[[str], None]) -> Made:
    """Train in a worker process; ``send`` has nothing to say."""
    del send
    settings = trial.settings()
    started, ended = time.process_time(), [0.0]

    def note() -> None:
        ended.append(time.process_time())

    alternative = RECIPES[trial.recipe].alternative
    if alternative is None:
        fitted = fit(settings, on_epoch=lambda _: note())
        nats = fitted.test["test/excess_risk"]
    else:
        nats = excess_risk(settings, alternative, on_epoch=note)
    return Made(
        **asdict(trial),
        identity=settings.identity,
        episodes=settings.total_steps * settings.batch_size,
        seconds=round(ended[-1] - started, 2),
        excess_risk=round(nats, 6),
        processor=this_machine().processor,
    )


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
    known = {(one.recipe, one.identity) for one in read(file)}
    wanted = [
        trial
        for trial in trials(parse_seeds(seeds), [int(b) for b in budgets], recipes)
        if (trial.recipe, trial.settings().identity) not in known
    ]

    def keep(index: int, outcome: Outcome[Made]) -> None:
        shown = outcome.error or "failed"
        if outcome.value is not None:
            add(file, outcome.value)
            shown = f"{outcome.value.excess_risk:.4f} nats, {outcome.value.seconds} s"
        click.echo(f"{wanted[index]}: {shown}", err=True)

    if wanted and not report_only:
        run_in_processes(
            wanted, _make, n_processes=jobs or usable_cores(), on_outcome=keep
        )
    for path in write_report([one for one in read(file) if is_current(one)], output):
        click.echo(f"written: {path}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.frontier")
