"""What all parts of the benchmark are told: how large a problem, how many rounds."""

from dataclasses import dataclass
from typing import Any

from benchmarks.table import NONE
from icl_mlflow.training.settings import TrainSettings

#: Longer than any measurement, whose schedule must not run out of steps.
_EPOCHS = 1_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to measure.

    Attributes:
        size: a preset of the settings: ``paper``, or a smaller one to try things out.
        rounds: of every contest.
    """

    size: str = "paper"
    rounds: int = 9

    def settings(self, **changes: Any) -> TrainSettings:
        """What is trained, at the preset's size, with ``changes``."""
        return TrainSettings.preset(
            self.size, **{"device": "cpu", "epochs": _EPOCHS, **changes}
        )

    def goal(self, text: str) -> str:
        """A goal, which is one for the paper's size alone."""
        return text if self.size == "paper" else NONE
