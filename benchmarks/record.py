"""What the frontier has measured so far: one line of a CSV file a training."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.recipes import RECIPES, Trial


@dataclass(frozen=True)
class Made:
    """What came of a trial.

    Attributes:
        recipe, task, seed, budget: of the trial.
        identity: of its settings.
        episodes: drawn for training; whole batches of the budget.
        seconds: processor time of training and validation, on one core.
        excess_risk: on the 20 000 test episodes, nats.
        processor: of the machine.
    """

    recipe: str
    task: str
    seed: int
    budget: int
    identity: str
    episodes: int
    seconds: float
    excess_risk: float
    processor: str


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


def add(file: Path, made: Made) -> None:
    """Keep one more."""
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, [field.name for field in fields(Made)])
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(made))


def is_current(made: Made) -> bool:
    """Whether it is what its recipe, as it is today, would train."""
    if made.recipe not in RECIPES:
        return False
    trial = Trial(made.recipe, made.task, made.seed, made.budget)
    return trial.settings().identity == made.identity
