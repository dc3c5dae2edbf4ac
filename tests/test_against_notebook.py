"""The research notebook and this package compute the same, wherever they both answer.

Needs the notebook, see `tests/notebook.py`; without it these tests are skipped.
"""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import parameters
from tests.notebook import load, needs_notebook, undone

pytestmark = needs_notebook

CLASSES = {
    "summed": "ICLTransformer",
    "x_only": "ICLTransformerNoLabels",
    "interleaved": "ICLTransformerInterleavedEmbeddings",
}
#: Rows of the notebook's position tables at 32 context points.
POSITIONS = {"summed": 33, "x_only": 33, "interleaved": 512}


#: The tasks of the paper, which the notebook has.
PAPERS = ("A", "B")


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return load()


def inputs(episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
    return episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD


@pytest.mark.parametrize("embedding", CLASSES)
@pytest.mark.parametrize("task", PAPERS)
def test_its_weights_give_its_logits(
    embedding: str, task: str, notebook: dict[str, Any]
) -> None:
    with undone():
        torch.manual_seed(0)
        theirs = notebook[CLASSES[embedding]](16, 32).train()  # not its fused kernel
    with torch.no_grad():  # from where all layers are alike, biases zero, norms one
        for value in theirs.parameters():
            value.add_(0.05 * torch.randn_like(value))
    ours = Transformer(
        Architecture(positions=POSITIONS[embedding], embedding=embedding)
    )
    ours.load_state_dict(theirs.state_dict(), strict=True)
    episodes = inputs(TASKS[task].sample(64, stream="test"))
    with torch.no_grad():
        expected_B = theirs(*episodes).squeeze(-1)
        for found_B in (ours(*episodes), ours.trace(*episodes).logit_B):
            error = (found_B - expected_B).abs().max() / expected_B.abs().max()
            assert float(error) <= 5e-6


def test_its_models_start_as_ours_do(notebook: dict[str, Any]) -> None:
    """Same size, and the same spread of every parameter, the first layer's copied."""
    with undone():
        torch.manual_seed(0)
        theirs = notebook["ICLTransformer"](16, 32).state_dict()
    ours = Transformer(Architecture()).state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.shape == theirs[name].shape
        if value.numel() >= 100:
            assert value.std() == pytest.approx(float(theirs[name].std()), rel=0.2)
            pair = value.flatten().numpy(), theirs[name].flatten().numpy()
            assert ks_2samp(*pair).pvalue > 1e-3, name
    for name in theirs:
        if name.startswith("transformer.layers.1."):
            first = name.replace("layers.1.", "layers.0.")
            assert torch.equal(theirs[name], theirs[first])
            assert torch.equal(ours[name], ours[first])


def draw_theirs(notebook: dict[str, Any], task: str, n: int) -> list[dict[str, Any]]:
    given = parameters(TASKS[task])
    given.pop("separation", None)  # theirs is always ours by default, 1
    given = {{"tau": "sigma_k", "dim": "d"}.get(k, k): v for k, v in given.items()}
    with undone():
        np.random.seed(0)  # noqa: NPY002 -- it draws from numpy's global generator
        return [
            notebook["make_episode"](
                notebook[f"sample_task_{task}_params"],
                notebook[f"sample_task_{task}_data"],
                n_ctx=4,
                **given,
            )
            for _ in range(n)
        ]


def their_llr(notebook: dict[str, Any], task: str, episode: dict[str, Any]) -> float:
    x_1D, latents = episode["query_x"][None], episode["task_params"]
    return float(notebook[f"task_{task}_llr"](x_1D, *latents.values())[0])


@pytest.mark.parametrize("task", PAPERS)
def test_episodes_follow_the_same_distribution(
    task: str, notebook: dict[str, Any]
) -> None:
    """The law of the oracle's LLR by label, and of the context's norms and labels."""
    theirs = draw_theirs(notebook, task, 3_000)
    ours = TASKS[task].sample(30_000, 4, stream="test")
    label_B = ours.query_y_B.numpy()
    llr_B = TASKS[task].oracle_llr(ours).numpy()
    their_label = np.array([episode["query_y"] for episode in theirs])
    their_llrs = np.array([their_llr(notebook, task, episode) for episode in theirs])
    for y in (0, 1):
        pair = llr_B[label_B == y], their_llrs[their_label == y]
        assert ks_2samp(*pair).pvalue > 1e-3

    x_BND = np.stack([episode["context_x"] for episode in theirs])
    y_BN = np.stack([episode["context_y"] for episode in theirs])
    assert y_BN.mean() == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(y_BN.size))
    statistics = (
        lambda x, _: np.linalg.norm(x[:, 0], axis=-1),
        lambda x, _: x[:, 1, 0],
        lambda x, _: (x[:, 0] * x[:, 1]).sum(-1),  # what points of an episode share
        lambda x, y: ((2 * y[:, :1] - 1) * x[:, 0] * x[:, 2]).sum(-1),
    )
    our_x_BND, our_y_BN = ours.context_x_BND.numpy(), ours.context_y_BN.numpy()
    for statistic in statistics:
        pair = statistic(our_x_BND, our_y_BN), statistic(x_BND, y_BN)
        assert ks_2samp(*pair).pvalue > 1e-3


@pytest.mark.parametrize("task", PAPERS)
def test_its_likelihood_ratio_is_our_oracle(
    task: str, notebook: dict[str, Any]
) -> None:
    episodes = TASKS[task].sample(500, 0, stream="test")
    x_BD = episodes.query_x_BD.double().numpy()
    latents = {k: v.double().numpy() for k, v in episodes.latents.items()}
    if task == "B":
        sigma_B2 = latents["sigma"]
        latents = {"sigma_0": sigma_B2[:, 0], "sigma_1": sigma_B2[:, 1]}
    expected_B = notebook[f"task_{task}_llr"](x_BD, *latents.values())
    found_B = TASKS[task].oracle_llr(episodes).numpy()
    np.testing.assert_allclose(found_B, expected_B, rtol=1e-12, atol=1e-12)
