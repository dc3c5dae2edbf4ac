"""A model whose circuit is known, and a task that Bayes answers as the model does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from benchmarks.known_circuits.subjects import subject
from icl_mlflow.analysis.base import Subject
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.shifted_mean import ShiftedMean


@dataclass(frozen=True)
class TwoLayersAreBayes(ShiftedMean):
    """Task A, if the circuit ``two_layers`` were its exact Bayes predictor."""

    sufficient: ClassVar[tuple[str, ...]] = ("mean", "signed_mean")

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        return {
            held.name: held.of(episodes) for held in CIRCUITS["two_layers"].truth.holds
        }

    def bayes_logit_of(
        self, statistics: Mapping[str, Tensor], query_x_BD: Tensor, n_context: int
    ) -> Tensor:
        del n_context
        centred_BD = query_x_BD.double() - statistics["mean"]
        return 4 / 3 * (statistics["signed_mean"] * centred_BD).sum(-1)

    __hash__ = ShiftedMean.__hash__


@pytest.fixture(scope="session")
def two_layers() -> Subject:
    """The circuit, on episodes whose exact Bayes answer is its own."""
    found = subject("two_layers", episodes=1_000)
    bayes_B = CIRCUITS["two_layers"].answer(found.truth.episodes)
    truth = replace(found.truth, bayes_B=bayes_B)
    return replace(found, task=TwoLayersAreBayes(), truth=truth)


def closed_form(episodes: Episodes, mean_BD: Tensor) -> Tensor:
    """The circuit's answer with another mean at the query's token: (B,)."""
    task = TwoLayersAreBayes()
    known = {**task.statistics(episodes), "mean": mean_BD}
    return task.bayes_logit_of(known, episodes.query_x_BD, episodes.n_context)


def largest(gap_B: Tensor) -> float:
    return float(torch.as_tensor(gap_B).abs().max())
