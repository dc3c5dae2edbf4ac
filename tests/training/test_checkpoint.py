"""Checkpoints: exact to the bit, never half written, never believed when damaged."""

import hashlib
import json
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from icl_mlflow.training.checkpoint import (
    Checkpoint,
    CheckpointNotWrittenError,
    Checkpoints,
)
from icl_mlflow.training.fit import Epoch, FittedModel, NonFiniteLossError, fit
from icl_mlflow.training.settings import TrainSettings
from tests.disk import small_disk
from tests.faults.damage import EXAMPLES, Damage, flipped, truncated
from tests.faults.ledger import Tally

#: Fifteen steps of a very small model.
TINY = TrainSettings(
    tau=0.0,
    dim=2,
    n_context=4,
    d_model=8,
    n_heads=2,
    epochs=3,
    train_episodes=160,
    batch_size=32,
    lr=1e-2,
    val_episodes=64,
    test_episodes=64,
    device="cpu",
    threads=1,
)


class Stopped(SystemExit):
    """What a signal raises."""


def cut_off(settings: TrainSettings, folder: Path, step: int) -> None:
    """Train until a step is over, and be ended there as by a signal."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1
        if taken == step:
            raise Stopped(143)

    with pytest.raises(Stopped):
        fit(settings, on_step=count, checkpoints=folder)


def numbers(fitted: FittedModel) -> list[dict[str, float]]:
    """The history without the one number that is a time."""
    return [
        {n: v for n, v in epoch.metrics.items() if n != "episodes_per_second"}
        for epoch in fitted.history
    ]


def weights(fitted: FittedModel) -> dict[str, bytes]:
    state = fitted.model.state_dict()
    return {name: value.numpy().tobytes() for name, value in state.items()}


def assert_same(ours: FittedModel, theirs: FittedModel) -> None:
    assert weights(ours) == weights(theirs)
    assert numbers(ours) == numbers(theirs)
    assert ours.best_epoch == theirs.best_epoch
    assert ours.test == theirs.test
    assert torch.equal(ours.test_logit_B, theirs.test_logit_B)


@pytest.fixture(scope="module")
def uninterrupted() -> FittedModel:
    return fit(TINY)


@pytest.mark.parametrize("step", range(1, 16))
def test_a_run_cut_off_after_any_step_ends_the_same_to_the_bit(
    tmp_path: Path, uninterrupted: FittedModel, step: int
) -> None:
    cut_off(TINY, tmp_path, step)
    assert_same(fit(TINY, checkpoints=tmp_path), uninterrupted)


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "frozen_query_key"},
        {"variant": "no_position+noisy_labels_0.2"},
        {"variant": "shuffled_context"},
        {"task": "B", "tau": None},
        {"precision": "bf16"},
        {"data_seed": 5},
        {"also_evaluate": "out_of_distribution"},
        {"schedule": "linear", "beta2": 0.95},
        {"target": "bayes", "curriculum": "nuisance", "tau": 3.0},
        {"lr": 0.3},  # the best epoch is not the last
    ],
    ids=str,
)
def test_every_kind_of_run_survives_being_cut_off_again_and_again(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    settings = replace(TINY, **changes)
    for step in (4, 6, 7, 13):
        cut_off(settings, tmp_path, step)
    assert_same(fit(settings, checkpoints=tmp_path), fit(settings))


def test_a_run_ended_during_validation_does_not_train_its_steps_again(
    tmp_path: Path, uninterrupted: FittedModel
) -> None:
    cut_off(TINY, tmp_path, 10)  # the last step of the second epoch
    steps: list[int] = []
    epochs: list[Epoch] = []
    resumed = fit(
        TINY,
        on_step=lambda: steps.append(len(epochs)),
        on_epoch=epochs.append,
        checkpoints=tmp_path,
    )
    # Ten steps told at once, before the first epoch; then five for the last epoch.
    assert steps == [0] * 10 + [2] * 5
    assert tuple(epochs) == resumed.history
    assert_same(resumed, uninterrupted)


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, uninterrupted: FittedModel
) -> None:
    first = fit(TINY, checkpoints=tmp_path)
    again = fit(TINY, checkpoints=tmp_path)
    assert again.history == first.history  # the times too
    assert_same(again, uninterrupted)


def test_an_epoch_is_kept_before_anybody_hears_of_it(
    tmp_path: Path, uninterrupted: FittedModel
) -> None:
    heard: list[Epoch] = []

    def hear(epoch: Epoch) -> None:
        heard.append(epoch)
        if len(heard) == 2:
            raise ConnectionError("the listener is gone")

    with pytest.raises(ConnectionError):
        fit(TINY, on_epoch=hear, checkpoints=tmp_path)
    resumed = fit(TINY, checkpoints=tmp_path)
    assert resumed.history[:2] == tuple(heard)  # one version of each, the times too
    assert_same(resumed, uninterrupted)


def test_the_rate_of_episodes_counts_the_time_of_all_their_steps(
    tmp_path: Path,
) -> None:
    """Cut off four times in one epoch, it is the rate at which its episodes went by."""
    for step in (1, 2, 3, 4):
        cut_off(replace(TINY, epochs=1), tmp_path, step)
    (epoch,) = fit(replace(TINY, epochs=1), checkpoints=tmp_path).history
    seconds = 160 / epoch.metrics["episodes_per_second"]
    (kept,) = [
        json.loads(content["facts"])
        for content in map(about, tmp_path.glob("step-000000004-*"))
    ]
    assert 0 < kept["seconds"] < seconds


def about(file: Path) -> dict[str, str]:
    with safetensors.safe_open(file, "pt") as opened:
        found: dict[str, str] = opened.metadata()
        return found


def test_the_last_good_weights_are_the_same_after_a_pause(tmp_path: Path) -> None:
    settings = replace(TINY, lr=1e5, epochs=20, train_episodes=64)
    with pytest.raises(NonFiniteLossError) as straight:
        fit(settings)
    cut_off(settings, tmp_path, 3)  # in the middle of an epoch
    with pytest.raises(NonFiniteLossError) as paused:
        fit(settings, checkpoints=tmp_path)
    assert str(paused.value) == str(straight.value)
    assert paused.value.step > 3
    for name, value in straight.value.last_good.items():
        assert torch.equal(paused.value.last_good[name], value)


def test_a_step_that_was_cut_in_half_is_not_kept(
    tmp_path: Path, uninterrupted: FittedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between the optimizer and the schedule, with nothing to hold it back."""
    schedule = torch.optim.lr_scheduler.OneCycleLR
    advance = schedule.step

    def interrupted(self: Any, *given: Any) -> None:
        if self.last_epoch == 7:
            raise KeyboardInterrupt
        advance(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(TINY, checkpoints=tmp_path)
    assert steps_kept(tmp_path) == [5]
    assert_same(fit(TINY, checkpoints=tmp_path), uninterrupted)


def steps_kept(folder: Path) -> list[int]:
    return sorted(int(file.name.split("-")[1]) for file in folder.iterdir())


def test_checkpoints_of_other_settings_are_refused(tmp_path: Path) -> None:
    cut_off(TINY, tmp_path, 7)
    with pytest.raises(ValueError, match="checkpoints of other settings"):
        fit(replace(TINY, seed=1), checkpoints=tmp_path)


# The files themselves

IDENTITY = "0123456789abcdef"


def content(step: int) -> Checkpoint:
    rng = torch.Generator().manual_seed(step)
    tensors = {"model/weight": torch.randn(16, 16, generator=rng)}
    return Checkpoint(step=step, tensors=tensors, facts={"history": [{"loss": 0.1}]})


def newest(folder: Path) -> Checkpoint | None:
    return Checkpoints(folder, IDENTITY).newest(lambda kept: kept)


def written(folder: Path, *steps: int) -> Checkpoints:
    kept = Checkpoints(folder, IDENTITY)
    for step in steps:
        kept.write(content(step))
    return kept


def assert_is_of_step(found: Checkpoint | None, step: int) -> None:
    assert found is not None
    assert found.step == step
    expected = content(step)
    assert found.facts == expected.facts
    assert found.tensors.keys() == expected.tensors.keys()
    for name, value in expected.tensors.items():
        assert torch.equal(found.tensors[name], value)


def test_the_last_two_are_kept_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, 1, 2, 3, 10)
    assert steps_kept(tmp_path) == [3, 10]
    assert_is_of_step(newest(tmp_path), 10)


def test_an_empty_or_missing_folder_has_none(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    assert newest(tmp_path / "missing") is None


def test_a_draft_that_a_crash_left_is_no_checkpoint(tmp_path: Path) -> None:
    kept = written(tmp_path, 1)
    (tmp_path / "draft.safetensors.part").write_bytes(b"half")
    assert_is_of_step(newest(tmp_path), 1)
    kept.write(content(2))
    assert steps_kept(tmp_path) == [1, 2]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A folder with two checkpoints, the newest, and its bytes."""
    folder = tmp_path_factory.mktemp("checkpoints")
    written(folder, 1, 2)
    (file,) = folder.glob("step-000000002-*")
    return folder, file, file.read_bytes()


@contextmanager
def damaged(file: Path, as_bytes: bytes) -> Iterator[None]:
    sound = file.read_bytes()
    file.write_bytes(as_bytes)
    try:
        yield
    finally:
        file.write_bytes(sound)


@pytest.mark.parametrize("damage", [truncated, flipped], ids=lambda d: d.__name__)
def test_a_damaged_one_is_refused_for_the_one_before(
    two: tuple[Path, Path, bytes], tally: Callable[..., Tally], damage: Damage
) -> None:
    folder, file, sound = two
    counts = tally(f"{damage.__name__} checkpoint", asked=EXAMPLES)
    for content in damage(sound):
        with damaged(file, content):
            found = newest(folder)
        counts.wrong += found is None or found.step != 1
        counts.done += 1
    counts.assert_clean()


def packed(about: dict[str, str] | None, **tensors: Tensor) -> bytes:
    return safetensors.torch.save(tensors or {"a": torch.zeros(1)}, about)


def length_of(header: int) -> bytes:
    return header.to_bytes(8, "little")


ABOUT = {"format": "1", "identity": IDENTITY, "facts": "{}"}

#: Content that its name vouches for, as an attacker or an older version may have left.
MALFORMED = {
    "empty": b"",
    "a header longer than the file": length_of(1 << 62) + b"{}",
    "a header that is not JSON": length_of(4) + b"nope",
    "a header that is a list": length_of(2) + b"[]",
    "a header that nests deeply": length_of(20_000) + b"[" * 20_000,
    "no word of what it is": packed(None),
    "facts that are not JSON": packed(ABOUT | {"facts": "nope"}),
    "facts that nest deeply": packed(ABOUT | {"facts": "[" * 100_000}),
    "facts that are missing": packed({k: ABOUT[k] for k in ("format", "identity")}),
    "another format": packed(ABOUT | {"format": "2"}),
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_one_is_refused_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    written(tmp_path, 1)
    as_bytes = MALFORMED[name]
    digest = hashlib.sha256(as_bytes).hexdigest()
    file = tmp_path / f"step-000000002-{digest}.safetensors"
    file.write_bytes(as_bytes)
    assert_is_of_step(newest(tmp_path), 1)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"checkpoint {file} is refused: ")


def test_a_refused_one_does_not_push_out_the_one_that_is_used(tmp_path: Path) -> None:
    written(tmp_path, 1, 2)
    (file,) = tmp_path.glob("step-000000002-*")
    file.write_bytes(b"")
    kept = Checkpoints(tmp_path, IDENTITY)
    assert_is_of_step(kept.newest(lambda found: found), 1)
    kept.write(content(3))
    assert steps_kept(tmp_path) == [1, 3]


#: Changes to what a real run has kept, under a name that vouches for them.
MISFITS: dict[str, Any] = {
    "a weight is missing": lambda t, f: (t.popitem(), f)[1],
    "a weight has another shape": lambda t, f: f | {"": t.update(_reshaped(t))},
    "a weight has another type": lambda t, f: f | {"": t.update(_doubled(t))},
    "an epoch is missing": lambda _, f: f | {"history": f["history"][:-1]},
    "an epoch has no validation loss": lambda _, f: f | {"history": [{}]},
    "a history of words": lambda _, f: f | {"history": ["epoch"]},
    "a step is missing": lambda _, f: f | {"taken": f["taken"][:-1]},
    "a step of words": lambda _, f: f | {"taken": [["a", "b", "c", "d"]] * 2},
    "a huge count": lambda _, f: f | {"taken": [[0.0, 10**30, 0.0, 0.0]] * 2},
    "an infinite count": lambda _, f: f | {"taken": [[0.0, float("inf"), 0, 0]] * 2},
    "facts that are a list": lambda _, f: [f],
}


def _first(tensors: dict[str, Tensor]) -> tuple[str, Tensor]:
    name = min(name for name in tensors if name.startswith("model/"))
    return name, tensors[name]


def _reshaped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    name, value = _first(tensors)
    return {name: value.reshape(-1, 1, 1)}


def _doubled(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    name, value = _first(tensors)
    return {name: value.double()}


@pytest.mark.parametrize("name", MISFITS)
def test_one_that_does_not_fit_the_run_is_refused_and_nothing_of_it_is_used(
    tmp_path: Path,
    uninterrupted: FittedModel,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    cut_off(TINY, tmp_path, 7)
    (file,) = tmp_path.glob("step-000000007-*")
    sound = file.read_bytes()
    tensors, said = safetensors.torch.load(sound), about(file)
    facts = MISFITS[name](tensors, json.loads(said["facts"]))
    crafted = safetensors.torch.save(tensors, said | {"facts": json.dumps(facts)})
    digest = hashlib.sha256(crafted).hexdigest()
    file.unlink()
    misfit = tmp_path / f"step-000000007-{digest}.safetensors"
    misfit.write_bytes(crafted)
    assert_same(fit(TINY, checkpoints=tmp_path), uninterrupted)
    assert [str(misfit) in record.getMessage() for record in caplog.records] == [True]


# A disk that will not take it

LARGE = Checkpoint(step=2, tensors={"a": torch.zeros(100_000)}, facts={})


def assert_refused_and_resumable(kept: Checkpoints, folder: Path) -> None:
    with pytest.raises(CheckpointNotWrittenError) as caught:
        kept.write(LARGE)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert steps_kept(folder) == [1]  # and no draft
    assert_is_of_step(newest(folder), 1)


def test_a_file_that_may_not_grow_leaves_the_one_before(tmp_path: Path) -> None:
    kept = written(tmp_path, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    on_excess = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        assert_refused_and_resumable(kept, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, on_excess)
    kept.write(LARGE)  # there is room again
    assert steps_kept(tmp_path) == [1, 2]


def test_a_full_disk_leaves_the_one_before(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        folder = disk / "checkpoints"
        kept = written(folder, 1)
        assert_refused_and_resumable(kept, folder)
        assert "No space left on device" in refusal(kept)


def refusal(kept: Checkpoints) -> str:
    with pytest.raises(CheckpointNotWrittenError) as caught:
        kept.write(LARGE)
    return str(caught.value)
