"""Members that train together end as they would have ended alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from icl_mlflow.training.fit import Epoch, FittedModel, NonFiniteLossError, fit
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.checkpoint import Keeping
from icl_mlflow.training.stacked.fit import Ended, fit_stacked
from tests.tiny import TRAINING

CHANGES: list[dict[str, Any]] = [
    {"tau": 0.0},
    {"tau": 0.0, "seed": 1},
    {"variant": "shuffled_labels", "also_evaluate": "out_of_distribution"},
    {"variant": "frozen_query_key+noisy_labels_0.2", "seed": 3},
    {"task": "B", "lr": 1e-3, "val_episodes": 200, "also_evaluate": "wide_range"},
]


def tiny(**changes: Any) -> TrainSettings:
    return TrainSettings(**{**TRAINING, **changes})


def timeless(epoch: Epoch) -> dict[str, float]:
    return {n: v for n, v in epoch.metrics.items() if n != "episodes_per_second"}


@pytest.mark.parametrize("queries", [1, 3])
def test_every_member_ends_as_it_would_alone(queries: int) -> None:
    members = [tiny(**change, queries=queries) for change in CHANGES]
    epochs: list[tuple[int, Epoch]] = []
    ends: list[tuple[int, Ended]] = []
    steps: list[int] = []
    fits = fit_stacked(
        members,
        on_step=lambda: steps.append(1),
        on_epoch=lambda index, epoch: epochs.append((index, epoch)),
        on_end=lambda index, ended: ends.append((index, ended)),
    )
    assert len(steps) == members[0].total_steps
    assert ends == list(enumerate(fits))
    for index, (settings, ours) in enumerate(zip(members, fits, strict=True)):
        alone = fit(settings)
        assert isinstance(ours, FittedModel)
        assert ours.settings == settings
        assert [e for i, e in epochs if i == index] == list(ours.history)
        assert [e.epoch for e in ours.history] == [0, 1, 2]
        for mine, theirs in zip(ours.history, alone.history, strict=True):
            assert timeless(mine) == pytest.approx(timeless(theirs), rel=0, abs=1e-5)
            assert mine.metrics["episodes_per_second"] > 0
        assert ours.best_epoch == alone.best_epoch
        assert ours.test == pytest.approx(alone.test, rel=0, abs=1e-5)
        torch.testing.assert_close(
            ours.test_logit_B, alone.test_logit_B, rtol=0, atol=1e-4
        )
        assert not ours.model.training
        for set_ in ("test_set", "validation_set"):
            mine, theirs = getattr(ours, set_), getattr(alone, set_)
            assert torch.equal(mine.bayes_B, theirs.bayes_B)
            assert torch.equal(mine.seen.context_y_BN, theirs.seen.context_y_BN)


def test_each_member_keeps_its_own_best_epoch() -> None:
    hot = {"lr": 0.3, "warmup": 0.1, "clip_norm": 100.0, "epochs": 6}
    members = [tiny(**hot, seed=seed) for seed in range(4)]
    fits = fit_stacked(members)
    found = set()
    for ours in fits:
        assert isinstance(ours, FittedModel)
        losses = [epoch.metrics["val/loss"] for epoch in ours.history]
        assert ours.best_epoch == losses.index(min(losses))
        found.add(ours.best_epoch)
    assert len(found) > 1, "choose seeds whose best epochs differ"


def test_a_member_that_diverges_fails_alone_and_keeps_its_last_good_weights() -> None:
    members = [tiny(), tiny(seed=1, lr=1e30, clip_norm=1e30), tiny(seed=2)]
    ends: list[int] = []
    first, wild, last = fit_stacked(
        members, on_end=lambda index, _ended: ends.append(index)
    )
    assert ends == [1, 0, 2]
    with pytest.raises(NonFiniteLossError) as caught:
        fit(members[1])
    assert isinstance(wild, NonFiniteLossError)
    assert (wild.epoch, wild.step) == (caught.value.epoch, caught.value.step)
    assert wild.history == ()
    for name, value in caught.value.last_good.items():
        assert torch.equal(value, wild.last_good[name])
    for ours, settings in ((first, members[0]), (last, members[2])):
        assert isinstance(ours, FittedModel)
        assert ours.test == pytest.approx(fit(settings).test, rel=0, abs=1e-5)


def test_the_same_stack_gives_the_same_numbers_to_the_bit() -> None:
    members = [tiny(seed=seed) for seed in (0, 1)]
    once, again = fit_stacked(members), fit_stacked(members)
    for one, other in zip(once, again, strict=True):
        assert isinstance(one, FittedModel)
        assert isinstance(other, FittedModel)
        assert torch.equal(one.test_logit_B, other.test_logit_B)


def test_members_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="members of one stack"):
        fit_stacked([tiny(), tiny(d_model=32)])


def cut_off(members: list[TrainSettings], keeping: Keeping, epoch: int) -> None:
    """Train a stack until the first member has heard of an epoch."""

    def hear(_index: int, heard: Epoch) -> None:
        if heard.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_stacked(members, keeping=keeping, on_epoch=hear)


def timeless_end(ended: Ended) -> tuple[list[dict[str, float]], list[float]]:
    assert isinstance(ended, FittedModel)
    return [timeless(e) for e in ended.history], ended.test_logit_B.tolist()


def test_a_stack_that_was_cut_off_goes_on_to_the_same_end(tmp_path: Path) -> None:
    members = [tiny(**change) for change in CHANGES]
    straight = fit_stacked(members)
    cut_off(members, Keeping(folder=tmp_path / "first"), epoch=1)
    assert len(list((tmp_path / "first").iterdir())) == 2  # for all members together
    steps: list[int] = []
    epochs: list[tuple[int, int]] = []
    kept: list[int] = []
    keeping = Keeping(
        folder=tmp_path / "second",
        source=tmp_path / "first",
        on_kept=lambda: kept.append(len(steps)),
    )
    again = fit_stacked(
        members,
        keeping=keeping,
        on_step=lambda: steps.append(1),
        on_epoch=lambda index, epoch: epochs.append((epoch.epoch, index)),
    )
    assert [timeless_end(one) for one in again] == [timeless_end(o) for o in straight]
    assert kept == [0, members[0].total_steps]  # two epochs were not trained again
    assert len(steps) == members[0].total_steps
    assert sorted(epochs) == [(e, i) for e in range(3) for i in range(len(members))]


def test_some_of_a_stack_go_on_without_the_others(tmp_path: Path) -> None:
    members = [tiny(**change) for change in CHANGES]
    straight = fit_stacked(members)
    cut_off(members, Keeping(folder=tmp_path / "first"), epoch=0)
    for chosen in ([3], [4, 1]):
        keeping = Keeping(folder=tmp_path / str(chosen), source=tmp_path / "first")
        some = fit_stacked([members[index] for index in chosen], keeping=keeping)
        for index, ours in zip(chosen, some, strict=True):
            theirs = straight[index]
            assert isinstance(ours, FittedModel)
            assert isinstance(theirs, FittedModel)
            assert timeless(ours.history[0]) == timeless(theirs.history[0])
            assert ours.test == pytest.approx(theirs.test, rel=0, abs=1e-5)


def test_a_damaged_checkpoint_of_a_stack_costs_an_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    members = [tiny(seed=seed) for seed in (0, 1)]
    straight = fit_stacked(members)
    cut_off(members, Keeping(folder=tmp_path / "first"), epoch=1)
    newest = max((tmp_path / "first").iterdir())
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    keeping = Keeping(folder=tmp_path / "second", source=tmp_path / "first")
    again = fit_stacked(members, keeping=keeping)
    assert newest.name in caplog.text
    assert [timeless_end(one) for one in again] == [timeless_end(o) for o in straight]
    # Of other members it says nothing, so they begin at the start.
    other = [tiny(seed=seed) for seed in (2, 3)]
    begun = fit_stacked(other, keeping=keeping)
    assert [timeless_end(o) for o in begun] == [
        timeless_end(o) for o in fit_stacked(other)
    ]


def test_a_member_that_diverged_is_not_kept(tmp_path: Path) -> None:
    members = [tiny(), tiny(seed=1, lr=1e30, clip_norm=1e30), tiny(seed=2)]
    straight = fit_stacked(members)
    cut_off(members, Keeping(folder=tmp_path / "first"), epoch=0)
    left = [members[0], members[2]]
    keeping = Keeping(folder=tmp_path / "second", source=tmp_path / "first")
    for ours, theirs in zip(
        fit_stacked(left, keeping=keeping), (straight[0], straight[2]), strict=True
    ):
        assert isinstance(ours, FittedModel)
        assert isinstance(theirs, FittedModel)
        assert ours.test == pytest.approx(theirs.test, rel=0, abs=1e-5)
