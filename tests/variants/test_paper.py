"""Each row of the paper's table does to data and model what it says."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from icl_mlflow.estimators.ceilings import ceilings, readings
from icl_mlflow.models import Transformer
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.fit import evaluation_episodes, fit
from icl_mlflow.training.problem import problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.base import unchanged

N_CONTEXT = 6


def tiny(variant: str, **changes: Any) -> TrainSettings:
    return TrainSettings.preset(
        "smoke",
        **{
            "variant": variant,
            "dim": 3,
            "n_context": N_CONTEXT,
            "d_model": 16,
            "epochs": 1,
            "train_episodes": 128,
            "batch_size": 16,
            "val_episodes": 64,
            "test_episodes": 64,
            "device": "cpu",
            "threads": 1,
            **changes,
        },
    )


@cache
def trained(variant: str) -> Transformer:
    return fit(tiny(variant)).model


@torch.no_grad()
def logits(model: Transformer, episodes: Any) -> torch.Tensor:
    return model(episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD)


def test_without_positions_the_context_is_a_set() -> None:
    episodes = TASKS["A"].sample(200, N_CONTEXT, seed=5)
    episodes = replace(episodes, context_x_BND=episodes.context_x_BND[:, :, :3])
    episodes = replace(episodes, query_x_BD=episodes.query_x_BD[:, :3])
    order_N = torch.tensor([3, 0, 5, 1, 4, 2])
    permuted = replace(
        episodes,
        context_x_BND=episodes.context_x_BND[:, order_N],
        context_y_BN=episodes.context_y_BN[:, order_N],
    )
    gap = {
        variant: (
            logits(trained(variant), episodes) - logits(trained(variant), permuted)
        )
        .abs()
        .max()
        .item()
        for variant in ("no_position", "baseline")
    }
    assert gap["no_position"] < 1e-6
    assert gap["baseline"] > 1e-4


def test_without_labels_the_answer_ignores_them_exactly() -> None:
    episodes = evaluation_episodes(
        tiny("no_labels"), problem(tiny("no_labels")), "test"
    ).seen
    other = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    model = trained("no_labels")
    assert torch.equal(logits(model, episodes), logits(model, other))


@pytest.mark.parametrize(
    "task", [name for name, task in TASKS.items() if "classes" in task.symmetries]
)
def test_without_labels_nothing_beats_a_coin(task: str) -> None:
    # Both namings of the classes are equally likely given the points alone. Under the
    # other naming the exact log-odds change sign, so the two posteriors average to 1/2.
    episodes = TASKS[task].sample(200, N_CONTEXT, seed=5)
    renamed = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    one, other = (TASKS[task].bayes_logit(e) for e in (episodes, renamed))
    average_B = (one.sigmoid() + other.sigmoid()) / 2
    assert torch.allclose(average_B, torch.full_like(average_B, 0.5), atol=1e-9)

    best = ceilings(TASKS[task], episodes, *readings(VARIANTS["no_labels"])).shown
    assert (best.kind, best.accuracy, best.loss) == ("exact", 0.5, math.log(2))


def test_the_wide_table_sees_the_data_of_the_baseline() -> None:
    wide, baseline = tiny("wide_position_table"), tiny("baseline")
    assert problem(wide).architecture.positions == 2 * N_CONTEXT + 1
    for step in range(3):
        one, other = (
            training_batch(s, problem(s), step, "cpu").seen for s in (wide, baseline)
        )
        assert torch.equal(one.context_x_BND, other.context_x_BND)
        assert torch.equal(one.context_y_BN, other.context_y_BN)
        assert torch.equal(one.query_x_BD, other.query_x_BD)
    one_set, other_set = (
        evaluation_episodes(s, problem(s), "validation") for s in (wide, baseline)
    )
    assert torch.equal(one_set.seen.context_x_BND, other_set.seen.context_x_BND)


def test_more_context_is_drawn_trained_on_and_used() -> None:
    settings = tiny("context_increase")
    chosen = problem(settings)
    assert chosen.architecture.positions == 2 * N_CONTEXT + 1
    assert training_batch(settings, chosen, 0, "cpu").seen.n_context == 2 * N_CONTEXT
    episodes = evaluation_episodes(settings, chosen, "test").seen
    assert episodes.n_context == 2 * N_CONTEXT
    moved_BND = episodes.context_x_BND.clone()
    moved_BND[:, -1] += 1.0
    moved = replace(episodes, context_x_BND=moved_BND)
    model = trained("context_increase")
    assert (logits(model, episodes) != logits(model, moved)).float().mean() > 0.9


def test_a_context_longer_than_the_table_is_refused_in_words() -> None:
    settings = tiny("interleaved")
    assert problem(settings).architecture.positions == 2 * N_CONTEXT + 1
    longer = problem(settings).task.sample(2, N_CONTEXT + 1)
    with pytest.raises(ValueError, match=r"has 13 rows.* 15 tokens.*positions=15"):
        logits(trained("interleaved"), longer)


def test_label_noise_is_for_training_alone_and_says_so() -> None:
    noisy = VARIANTS["noisy_labels_0.2"]
    assert noisy.on_eval is unchanged
    assert (noisy.on_train.does, noisy.on_eval.does) == (
        "each label flipped with probability 0.2",
        "as drawn",
    )
    settings = tiny("noisy_labels_0.2")
    clean = evaluation_episodes(settings, problem(settings), "validation")
    assert torch.equal(clean.seen.context_y_BN, clean.episodes.context_y_BN)


@pytest.mark.parametrize("variant", ["shuffled_labels", "shuffled_context"])
def test_shuffling_is_for_evaluation_too(variant: str) -> None:
    settings = tiny(variant)
    shown = evaluation_episodes(settings, problem(settings), "validation")
    assert not torch.equal(shown.seen.context_y_BN, shown.episodes.context_y_BN)


def test_without_nuisance_nothing_is_shifted() -> None:
    settings = tiny("no_nuisance")
    episodes = training_batch(settings, problem(settings), 0, "cpu").seen
    assert not episodes.latents["shift"].any()
    assert episodes.latents["mu"].any()
