"""The results of a training: the model, its answers and its history."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch

from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.evaluation import excess_risk
from icl_mlflow.models import InContextModel
from icl_mlflow.statistics import falling_at_end, take_off_epoch
from icl_mlflow.statistics.sample import Sample
from icl_mlflow.tasks.chance import Chance
from icl_mlflow.tasks.wrappers.wrapping import FAIR
from icl_mlflow.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained model, and how it was trained.

    Attributes:
        name: tells it from the others of one analysis.
        model: in evaluation mode.
        settings: of its training run.
    """

    name: str
    model: InContextModel
    settings: TrainSettings


@dataclass(frozen=True, kw_only=True)
class MemberResult:
    """One finished training run of a suite, as far as statistics need it.

    Attributes:
        run_id: of its MLflow run.
        variant: its name.
        seed: its number.
        history: one row an epoch: ``epoch`` and every metric by its name.
        logit_B: the model's log-odds on the test episodes, nats.
        bayes_B: the exact Bayes log-odds on them, nats.
        label_B: their labels, 0 or 1.
        base_rate: the probability of a label 1, all else unknown.
    """

    run_id: str
    variant: str
    seed: int
    history: pd.DataFrame
    logit_B: Sample
    bayes_B: Sample
    label_B: Sample
    base_rate: float = FAIR

    @cached_property
    def risk_B(self) -> Sample:
        """Excess risk of every test episode, nats."""
        logit_B, bayes_B = map(torch.from_numpy, (self.logit_B, self.bayes_B))
        found: Sample = excess_risk(logit_B, bayes_B).numpy()
        return found

    @cached_property
    def started(self) -> int | None:
        """The epoch in which it took off; None if it never did."""
        return take_off_epoch(
            self.history["val/loss"],
            self.history["val/loss_standard_error"],
            guessing=Chance.of(self.base_rate).loss,
        )

    @cached_property
    def falling(self) -> float:
        """The share by which its validation risk still fell at the end; 0 for none."""
        return falling_at_end(self.history["val/excess_risk"])

    def risk_over(self, ceilings: Ceilings) -> Sample:
        """Excess risk over an ideal learner of its training, by episode, nats.

        In expectation over the query's label given all that is shown: the first test
        episodes, as many as the ceilings were found on. It may be negative for a model
        that reads evaluation episodes better than its training could teach. Over exact
        Bayes where the task does not know the ideal learner.
        """
        if ceilings.shown_B is None or ceilings.ideal_B is None:
            return self.risk_B
        logit_B = torch.from_numpy(self.logit_B)[: len(ceilings.shown_B)]
        own_B = excess_risk(logit_B, ceilings.shown_B)
        found: Sample = (
            own_B - excess_risk(ceilings.ideal_B, ceilings.shown_B)
        ).numpy()
        return found
