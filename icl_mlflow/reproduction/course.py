"""How one training went: all that the paper's table needs of it."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from icl_mlflow.statistics import take_off_epoch


@dataclass(frozen=True, kw_only=True)
class Course:
    """The epochs of one training that has come through all of them.

    Attributes:
        run_id: of its MLflow run.
        seed: its number.
        history: one row an epoch: ``epoch`` and every metric by its name.
        is_finished: it was tested and its model registered; a process that died after
            the last epoch leaves neither.
    """

    run_id: str
    seed: int
    history: pd.DataFrame
    is_finished: bool = True

    @cached_property
    def started(self) -> int | None:
        """The epoch in which it took off; None if it never did."""
        return take_off_epoch(
            self.history["val/loss"], self.history["val/loss_standard_error"]
        )
