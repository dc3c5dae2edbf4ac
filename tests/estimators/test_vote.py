"""Votes are what their formulas say: scikit-learn's neighbours, the paper's kernel."""

import math
from dataclasses import replace

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from icl_mlflow.estimators.vote import (
    KernelDot,
    KernelLogNorm,
    KernelRBF,
    NearestNeighbours,
)
from icl_mlflow.tasks import TASKS

FEW = 20


@pytest.mark.parametrize("k", [1, 4, 15])
def test_neighbours(k: int) -> None:
    episodes = TASKS["A"].sample(FEW, 32)
    found = NearestNeighbours(k)(TASKS["A"], episodes)
    for i in range(FEW):
        sklearn = KNeighborsClassifier(k)
        sklearn.fit(episodes.context_x_BND[i].numpy(), episodes.context_y_BN[i].numpy())
        share_of_one = sklearn.predict_proba(episodes.query_x_BD[i : i + 1])[0, 1]
        assert float(found[i]) == pytest.approx(2 * share_of_one - 1)


def test_no_more_neighbours_than_there_are() -> None:
    episodes = TASKS["A"].sample(FEW, 5)
    everyone = 2 * episodes.context_y_BN.double().mean(1) - 1
    torch.testing.assert_close(NearestNeighbours(9)(TASKS["A"], episodes), everyone)


def test_the_papers_kernel_is_attention_by_dot_product() -> None:
    episodes = TASKS["A"].sample(FEW, 32)
    found = KernelDot()(TASKS["A"], episodes)
    sign_BN1 = (2.0 * episodes.context_y_BN.double() - 1).unsqueeze(-1)
    attended = torch.nn.functional.scaled_dot_product_attention(
        episodes.query_x_BD.double().unsqueeze(1),
        episodes.context_x_BND.double(),
        sign_BN1,
        scale=1 / math.sqrt(128 / 4),
    )
    torch.testing.assert_close(found, attended[:, 0, 0])


@pytest.mark.parametrize(
    ("kernel", "distance"),
    [
        (KernelRBF(0.5), lambda x, q: (x - q).square().sum(-1) / (2 * 0.25 * 16)),
        (
            KernelLogNorm(0.5),
            lambda x, q: (x.norm(dim=-1) / q.norm()).log().square() / (0.25 / 16),
        ),
    ],
)
def test_kernel_weights(kernel, distance) -> None:
    episodes = TASKS["B"].sample(FEW, 32)
    found = kernel(TASKS["B"], episodes)
    for i in range(FEW):
        x_ND, query_D = (
            episodes.context_x_BND[i].double(),
            episodes.query_x_BD[i].double(),
        )
        weight_N = (-distance(x_ND, query_D)).exp()
        sign_N = 2 * episodes.context_y_BN[i].double() - 1
        expected = (weight_N * sign_N).sum() / weight_N.sum()
        assert float(found[i]) == pytest.approx(float(expected), abs=1e-9)


def test_only_the_dot_product_sees_a_shift() -> None:
    episodes = TASKS["A"].sample(FEW, 32)
    shifted = replace(
        episodes,
        context_x_BND=episodes.context_x_BND.double() + 2.0,
        query_x_BD=episodes.query_x_BD.double() + 2.0,
    )
    rbf, dot = KernelRBF(0.5), KernelDot()
    torch.testing.assert_close(rbf(TASKS["A"], shifted), rbf(TASKS["A"], episodes))
    change_B = dot(TASKS["A"], shifted) - dot(TASKS["A"], episodes)
    assert float(change_B.abs().mean()) > 0.01


def test_votes_are_bounded() -> None:
    episodes = TASKS["B"].sample(200, 3)
    for rule in (
        KernelDot(),
        KernelRBF(0.25),
        KernelLogNorm(0.25),
        NearestNeighbours(3),
    ):
        assert float(rule(TASKS["B"], episodes).abs().max()) <= 1 + 1e-12
