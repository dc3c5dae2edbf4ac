"""How near to exact Bayes does the efficient recipe come on tasks C to F?

`python -m benchmarks.more_tasks` trains what is missing, all seeds of a task as one run
of `icl-mlflow train`, and writes the section "More tasks" of docs/results.md and its
figure. Each finished seed adds a line to `results/more_tasks.csv`; none is trained
again as long as its settings mean the same. No figure enters by hand.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.frontier.log import add_line, read_lines
from benchmarks.machine import this_machine
from benchmarks.table import NONE, Table
from icl_mlflow.analysis import style
from icl_mlflow.api import train
from icl_mlflow.evaluation import EvaluationSet, bayes_accuracy, expected_loss
from icl_mlflow.suite.grid import parse_seeds
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tasks.base import Task
from icl_mlflow.tasks.chance import chance
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "results.md"
_FIGURE = _ROOT / "docs" / "more_tasks.png"
_LINES = Path(__file__).with_name("results") / "more_tasks.csv"
#: What the section stands between.
BEGIN = "<!-- python -m benchmarks.more_tasks -->"
END = "<!-- end of more tasks -->"

#: Of the preset: in bf16 whatever the machine, so that what was recorded counts on any
#: other one.
RECIPE = {"precision": "bf16"}
TASKS = {
    "C": "products of coordinates",
    "D": "shape of the law",
    "E": "sparse means",
    "F": "regression",
}
_RISK = "val/excess_risk"


@dataclass(frozen=True)
class Made:
    """What came of one seed.

    Attributes:
        task, seed, identity: of its settings.
        accuracy, excess_risk: on the 20 000 test episodes; the latter in nats.
        curve: excess risk on the validation episodes after each epoch, by blanks.
        seconds: on the clock, of all seeds that were trained with it.
        processor: of the machine.
    """

    task: str
    seed: int
    identity: str
    accuracy: float
    excess_risk: float
    curve: str
    seconds: float
    processor: str


def settings(task: str, seed: int = 0) -> TrainSettings:
    """What is trained."""
    return TrainSettings.preset("efficient", task=task, seed=seed, **RECIPE)


def current(file: Path) -> list[Made]:
    """What has been made so far of what the settings mean today."""
    return [
        one
        for one in read_lines(file, Made)
        if one.identity == settings(one.task, one.seed).identity
    ]


def made(result: TrainingResult, seconds: float) -> Made:
    """The line of one seed."""
    machine = this_machine()
    risks = (epoch.metrics[_RISK] for epoch in result.epochs)
    return Made(
        task=result.settings.task,
        seed=result.settings.seed,
        identity=result.settings.identity,
        accuracy=round(result.test["test/accuracy"], 6),
        excess_risk=round(result.test["test/excess_risk"], 6),
        curve=" ".join(f"{risk:.6f}" for risk in risks),
        seconds=round(seconds, 1),
        processor=f"{machine.processor}, {' '.join(machine.instructions)}",
    )


#: Of each task: as it is asked about, and its test episodes with their exact answers.
References = Mapping[str, tuple[Task, EvaluationSet]]

_COLUMNS = (
    "task",
    "oracle accuracy, exact",
    "exact Bayes at n = 32",
    "its log-loss",
    "guessing's excess risk",
    "accuracy, each seed",
    "excess risk, each seed",
)
_NOTE = """```sh
python -m benchmarks.more_tasks --seeds 0-2
```

What they are: [mathematics](science/mathematics.md). {episodes} episodes a model by
the preset `efficient`, in bf16; accuracy, log-loss and
excess risk (nats) on the 20 000 fixed test episodes. Trained on: {machines}."""


def section(lines: Sequence[Made], references: References) -> str:
    """The section as it stands on the page."""
    rows = []
    for task, (known, truth) in references.items():
        mine = sorted((one for one in lines if one.task == task), key=_seed)
        bayes = float(expected_loss(truth.bayes_B).mean())
        cells = (
            _figures([known.oracle().accuracy], 6),
            _figures([bayes_accuracy(truth.bayes_B)]),
            _figures([bayes]),
            _figures([chance(known).loss - bayes]),
            _figures([one.accuracy for one in mine]),
            _figures([one.excess_risk for one in mine]),
        )
        rows.append((f"{task}, {TASKS[task]}", *cells))
    about = settings("C")
    note = _NOTE.format(
        episodes=f"{about.epochs * about.train_episodes:,}".replace(",", " "),
        machines="; ".join(sorted({one.processor for one in lines})) or "not yet",
    )
    table = Table(title="More tasks", columns=_COLUMNS, rows=rows, note=note)
    picture = ["![Excess risk of every seed against the epoch](more_tasks.png)"]
    parts = [BEGIN, table.markdown().rstrip(), *(picture if lines else []), END]
    return "\n\n".join(parts)


def _seed(one: Made) -> int:
    return one.seed


def _figures(values: Iterable[float], digits: int = 4) -> str:
    """Without the leading zero, as the page writes them."""
    return " ".join(f"{value:.{digits}f}".lstrip("0") for value in values) or NONE


def draw(lines: Sequence[Made]) -> "Figure":
    """Excess risk on the validation episodes against the epoch, a line a seed."""
    tasks = [task for task in TASKS if any(one.task == task for one in lines)]
    drawn, panels = style.small_multiples(len(tasks), panel=(4.2, 3.4))
    for axes, task in zip(panels, tasks, strict=True):
        for one in sorted((one for one in lines if one.task == task), key=_seed):
            risks = [float(risk) for risk in one.curve.split()]
            axes.plot(range(1, len(risks) + 1), risks, label=f"seed {one.seed}")
        axes.set_title(f"task {task}: {TASKS[task]}", fontsize="medium")
        axes.set(xlabel="epoch", ylabel="excess risk over Bayes (nats)")
        style.logarithmic(axes, "y")
        axes.legend(fontsize="small")
    return drawn


def write(page: Path, text: str) -> None:
    """Put the section in its place on the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{text}{after}", encoding="utf-8")


@click.command(context_settings={"show_default": True})
@click.option("--tasks", default=",".join(TASKS), help="Some of them.")
@click.option("--seeds", default="0-2", help="Of every task.")
@click.option("--report_only", is_flag=True, help="Train nothing.")
def main(*, tasks: str, seeds: str, report_only: bool) -> None:
    """Train what is missing, and write the section and its figure."""
    chosen = [task for task in tasks.split(",") if not report_only]
    unknown = [task for task in chosen if task not in TASKS]
    if unknown:
        choices = ", ".join(TASKS)
        raise click.UsageError(f"no task {unknown[0]!r} here; choose of: {choices}")
    for task in chosen:
        known = {one.seed for one in current(_LINES) if one.task == task}
        missing = [seed for seed in parse_seeds(seeds) if seed not in known]
        if missing:
            started = time.perf_counter()
            results = train(settings(task), seeds=missing).members
            for result in results:
                add_line(_LINES, made(result, time.perf_counter() - started))
    lines = current(_LINES)
    write(_PAGE, section(lines, _references()))
    click.echo(f"written: {_PAGE}")
    if lines:
        draw(lines).savefig(_FIGURE, dpi=150)
        click.echo(f"written: {_FIGURE}")


def _references() -> References:
    """Those of the table."""
    found = {}
    for task in TASKS:
        chosen = problem(settings(task))
        found[task] = chosen.task, evaluation_episodes(settings(task), chosen, "test")
    return found


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.more_tasks")
