"""What the frontier has measured so far: one line of a CSV file a training."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.frontier.recipes import RECIPES, Trial

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


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
    return read_lines(file, Made)


def add(file: Path, made: Made) -> None:
    """Keep one more."""
    add_line(file, made)


def read_lines(file: Path, kind: type[T]) -> list[T]:
    """The lines of a CSV file, each a dataclass of that kind; none without a file."""
    if not file.exists():
        return []
    kinds = {field.name: field.type for field in fields(kind)}
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            kind(**{name: kinds[name](text) for name, text in row.items()})  # type: ignore[operator]
            for row in csv.DictReader(lines)
        ]


def add_line(file: Path, one: "DataclassInstance") -> None:
    """Append a line; the first one brings the head."""
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, [field.name for field in fields(one)])
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(one))


def is_current(made: Made) -> bool:
    """Whether it is what its recipe, as it is today, would train."""
    if made.recipe not in RECIPES:
        return False
    trial = Trial(made.recipe, made.task, made.seed, made.budget)
    return trial.settings().identity == made.identity
