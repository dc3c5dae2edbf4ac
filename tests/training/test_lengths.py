"""Contexts of several lengths: every one as likely, none told of its padding."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from icl_mlflow.streams import generator
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.fit import FittedModel, fit
from icl_mlflow.training.lengths import MOST, drawn_lengths, posterior, shown
from icl_mlflow.training.problem import data_digest, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.fit import fit_stacked
from icl_mlflow.variants.context import shuffle_labels
from tests.tiny import TRAINING

SETTINGS = TrainSettings(
    **TRAINING, n_context_min=1, target="bayes", queries=3, queries_share=0.5
)


def test_every_length_is_as_likely_and_a_batch_has_few() -> None:
    counts: Counter[int] = Counter()
    for step in range(2_000):
        lengths_B = drawn_lengths(40, 2, 9, generator(0, "lengths", step))
        assert len(set(lengths_B.tolist())) <= MOST
        counts.update(lengths_B.tolist())
    assert set(counts) == set(range(2, 10))
    assert max(counts.values()) < 1.15 * min(counts.values())


@pytest.mark.parametrize("task", ["A", "B"])
def test_bayes_is_told_of_no_padding(task: str) -> None:
    chosen = TASKS[task]
    episodes = chosen.sample(6, 5)
    queries = episodes.query_x_BD.unsqueeze(1)
    lengths_B = torch.tensor([0, 5, 2, 2, 5, 1])
    found_B1 = posterior(chosen, episodes, queries, lengths_B)
    for row, length in enumerate(lengths_B.tolist()):
        short = episodes.rows(row, row + 1).first(length)
        exact = chosen.bayes_logit(short).sigmoid()
        torch.testing.assert_close(found_B1[row].double(), exact, rtol=0, atol=1e-6)


def test_what_is_done_to_a_context_leaves_its_padding_alone() -> None:
    episodes = TASKS["A"].sample(64, 6)
    lengths_B = torch.arange(64) % 7
    changed = shown(shuffle_labels, episodes, lengths_B, generator(0, "test"))
    before_BN, after_BN = episodes.context_y_BN, changed.context_y_BN
    is_padding_BN = torch.arange(6) >= lengths_B.unsqueeze(-1)
    assert torch.equal(after_BN[is_padding_BN], before_BN[is_padding_BN])
    inside = [
        y_BN.masked_fill(is_padding_BN, 0).sum(1) for y_BN in (before_BN, after_BN)
    ]
    assert torch.equal(*inside)
    assert not torch.equal(before_BN, after_BN)


def test_a_step_shows_what_its_settings_say() -> None:
    batch = training_batch(SETTINGS, problem(SETTINGS), 0, "cpu")
    assert batch.lengths_B is not None
    assert batch.lengths_B.shape == (SETTINGS.batch_size,)
    assert 1 <= int(batch.lengths_B.min()) < int(batch.lengths_B.max()) <= 6
    again = training_batch(SETTINGS, problem(SETTINGS), 0, "cpu").lengths_B
    assert again is not None
    assert torch.equal(batch.lengths_B, again)
    plain = replace(SETTINGS, n_context_min=None)
    assert training_batch(plain, problem(plain), 0, "cpu").lengths_B is None


def test_it_belongs_to_the_identity_unless_it_changes_nothing() -> None:
    plain, same = (replace(SETTINGS, n_context_min=n) for n in (None, 6))
    other = replace(SETTINGS, n_context_min=2)
    assert plain.identity == same.identity
    assert len({plain.identity, SETTINGS.identity, other.identity}) == 3
    assert data_digest(plain) == data_digest(same) != data_digest(SETTINGS)
    with pytest.raises(ValueError, match="n_context_min=7 is more than n_context=6"):
        replace(SETTINGS, n_context_min=7)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_stack_trains_as_each_alone(precision: str) -> None:
    one = replace(SETTINGS, precision=precision)
    other = replace(one, seed=1, n_context_min=3)
    stacked, _ = fit_stacked([one, other])
    assert isinstance(stacked, FittedModel)
    alone = fit(one)
    near = 1e-3 if precision == "fp32" else 0.1
    torch.testing.assert_close(
        stacked.test_logit_B, alone.test_logit_B, rtol=0, atol=near
    )
    padless = replace(one, n_context_min=None)
    with pytest.raises(ValueError, match="all an n_context_min or none"):
        fit_stacked([one, padless])


def test_a_training_that_was_cut_off_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole = fit(SETTINGS)
    steps = []

    def cut_off() -> None:
        steps.append(None)
        if len(steps) == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(SETTINGS, on_step=cut_off, checkpoints=tmp_path)
    resumed = fit(SETTINGS, checkpoints=tmp_path)
    assert torch.equal(resumed.test_logit_B, whole.test_logit_B)


def test_short_contexts_are_learned_that_training_at_one_length_never_shows() -> None:
    longer = replace(SETTINGS, train_episodes=3200, epochs=4, queries_share=1.0)
    risks = []
    for low in (None, 1):
        settings = replace(longer, n_context_min=low)
        chosen, model = problem(settings), fit(settings).model
        episodes = chosen.task.sample(2_000, 6, stream="test").first(1)
        bayes_B = chosen.task.bayes_logit(episodes)
        with torch.no_grad():
            logit_B = model(
                episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD
            ).double()
        risks.append(float((logit_B.sigmoid() - bayes_B.sigmoid()).square().mean()))
    assert risks[1] < 0.7 * risks[0]
