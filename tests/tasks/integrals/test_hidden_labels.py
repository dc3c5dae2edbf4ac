"""The sum over hypotheses and labellings, beside one that writes both of them out."""

import itertools
import math

import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm
from torch import Tensor

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters
from icl_mlflow.tasks.integrals.hidden_labels import Hypotheses, hidden_labels_logit
from tests.tasks.labellings import KNOWN

#: Of each hypothesis: its weight, and the mean of class 0 and of class 1 on the line.
WEIGHTS, MEANS = (0.2, 0.5, 0.3), ((0.0, 2.0), (1.0, -1.0), (0.5, 0.6))


def log_density(sign: int, x_D: Tensor) -> Tensor:
    mean_P = torch.tensor([pair[(sign + 1) // 2] for pair in MEANS])
    return -(x_D.double() - mean_P).square() / 2


@pytest.mark.parametrize("what", KNOWN)
def test_it_is_the_sum_over_hypotheses_and_labellings(what: str) -> None:
    episodes = with_parameters(TASKS["A"], {"dim": 1, "tau": 0.0}).sample(4, 3)
    known = KNOWN[what](episodes)
    weight_P = torch.tensor(WEIGHTS, dtype=torch.float64)
    hypotheses = Hypotheses(weight_P.log(), log_density)
    found_B = hidden_labels_logit(hypotheses, episodes, known)
    for i, found in enumerate(found_B.tolist()):
        x = [
            *episodes.context_x_BND[i, :, 0].tolist(),
            float(episodes.query_x_BD[i, 0]),
        ]
        odds = known.log_odds_BN[i].tolist()
        terms: dict[int, list[float]] = {0: [], 1: []}
        for weight, means in zip(WEIGHTS, MEANS, strict=True):
            for labels in itertools.product((0, 1), repeat=4):
                if known.ones_B is not None and sum(labels[:3]) != int(known.ones_B[i]):
                    continue
                term = math.log(weight)
                term += sum(
                    norm.logpdf(a, means[y]) for a, y in zip(x, labels, strict=True)
                )
                term += sum(a * y for a, y in zip(odds, labels[:3], strict=True))
                terms[labels[-1]].append(term)
        assert found == pytest.approx(
            logsumexp(terms[1]) - logsumexp(terms[0]), abs=1e-6
        )


def test_a_chunk_of_episodes_is_answered_as_each_alone() -> None:
    episodes = with_parameters(TASKS["A"], {"dim": 1}).sample(5, 3)
    known = KNOWN["counts"](episodes)
    many = Hypotheses(torch.zeros(200_000, dtype=torch.float64), _far_apart)
    together_B = hidden_labels_logit(many, episodes, known)
    for i in range(5):
        alone = hidden_labels_logit(many, episodes.rows(i, i + 1), known.rows(i, i + 1))
        torch.testing.assert_close(alone, together_B[i : i + 1])


def _far_apart(sign: int, x_D: Tensor) -> Tensor:
    mean_P = sign * torch.linspace(0, 2, 200_000, dtype=torch.float64)
    return -(x_D.double() - mean_P).square() / 2
