"""With mu known, two shifted means leave a Gaussian problem that scipy solves."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.integrals.two_means import TwoMeans

MEANS = TwoMeans(tau=1.5, separation=0.7)
MU_D = torch.tensor([0.6, -0.8, 0.0], dtype=torch.float64)


def drawn(n_episodes: int, n_context: int) -> Episodes:
    rng = Generator().manual_seed(0)
    shift_BD = MEANS.tau * torch.randn(n_episodes, 3, generator=rng)
    latents = {"mu": MU_D.float().expand(n_episodes, -1), "shift": shift_BD}
    y_BS = torch.randint(2, (n_episodes, n_context + 1), generator=rng)
    x_BSD = MEANS.draw_points(latents, y_BS, rng)
    return Episodes.of_points(x_BSD, y_BS, latents)


def log_mean(v_BD: Tensor) -> Tensor:
    """Of a mu that is known."""
    return v_BD @ MU_D


@pytest.mark.parametrize("n_context", [0, 1, 6])
def test_the_log_odds_are_those_of_the_joint_density(n_context: int) -> None:
    episodes = drawn(5, n_context)
    law = multivariate_normal(cov=np.eye(n_context + 1) + MEANS.tau**2)
    found_B = MEANS.logit(
        MEANS.sums(episodes), episodes.query_x_BD, n_context, log_mean
    )
    for i, found in enumerate(found_B.tolist()):
        x_SD = torch.cat([episodes.context_x_BND[i], episodes.query_x_BD[i : i + 1]])
        sign_N = 2 * episodes.context_y_BN[i].numpy() - 1
        one, zero = (
            sum(
                np.sum(law.logpdf(x_S - MEANS.separation * m * np.append(sign_N, sign)))
                for x_S, m in zip(x_SD.double().numpy().T, MU_D.numpy(), strict=True)
            )
            for sign in (1, -1)
        )
        assert found == pytest.approx(float(one - zero), abs=1e-9)


def test_with_much_context_the_plug_in_finds_the_shift() -> None:
    episodes = drawn(50, 20_000)
    found_B = MEANS.plug_in(episodes, lambda v_BD: MU_D.expand(len(v_BD), -1))
    latents = episodes.latents
    expected_B = MEANS.llr(episodes, latents["mu"], latents["shift"])
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=0.1)


def test_without_a_shift_the_plug_in_has_none() -> None:
    still = replace(MEANS, tau=0.0)
    episodes = drawn(20, 4)
    found_B = still.plug_in(episodes, lambda v_BD: MU_D.expand(len(v_BD), -1))
    nowhere_BD = torch.zeros(20, 3)
    mu_BD = MU_D.expand(20, -1)
    torch.testing.assert_close(found_B, still.llr(episodes, mu_BD, nowhere_BD))
