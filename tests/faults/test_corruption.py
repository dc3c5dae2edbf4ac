"""Truncated files and flipped bits: never a wrong load, always a named error.

Checkpoints have theirs in tests/training/test_checkpoint.py.
"""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch

from icl_mlflow.tracking.models.format import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    LoadedModel,
    ModelError,
    read_package,
    write_package,
)
from icl_mlflow.tracking.outbox.outbox import Outbox
from icl_mlflow.tracking.outbox.records import Metrics, Params, Record, Status
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from tests.faults.damage import EXAMPLES, Damage, flipped, truncated
from tests.faults.ledger import Tally

TINY = TrainSettings(dim=2, n_context=2, d_model=4, n_heads=2, n_layers=1)

WAYS = pytest.mark.parametrize("damage", [truncated, flipped], ids=lambda d: d.__name__)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("package")
    write_package(folder, initial_model(TINY), TINY)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def loaded(files: dict[str, bytes]) -> LoadedModel | str:
    """The model in a folder with these files, or why it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        try:
            return read_package(Path(folder))
        except ModelError as error:
            return str(error)


@WAYS
@pytest.mark.parametrize("name", [DESCRIPTION_FILE, WEIGHTS_FILE])
def test_a_damaged_model_is_refused_or_the_same(
    package: dict[str, bytes],
    tally: Callable[..., Tally],
    name: str,
    damage: Damage,
) -> None:
    counts = tally(f"{damage.__name__} {name}", asked=EXAMPLES)
    counts.also = {"refused by name": 0, "still the same": 0}
    weights = initial_model(TINY).state_dict()
    for content in damage(package[name]):
        found = loaded({**package, name: content})
        if isinstance(found, str):
            named = name in found and len(found.splitlines()) == 1
            counts.wrong += not named
            counts.also["refused by name"] += named
        else:  # a blank of the JSON may have become another one
            state = found.model.state_dict()
            same = name == DESCRIPTION_FILE and found.settings == TINY
            same &= all(torch.equal(state[key], weights[key]) for key in weights)
            counts.wrong += not same
            counts.also["still the same"] += same
        counts.done += 1
    counts.assert_clean()


RECORDS: list[Record] = [
    Params(values={"lr": "0.1"}),
    *(Metrics(points=(("loss", 0.5 / (n + 1), 1000 + n, n),)) for n in range(30)),
    Status(status="FINISHED", time=2000),
]

#: Of these records the store has all but the last three.
LEFT = 3


@WAYS
@pytest.mark.parametrize("name", ["records", "delivered"])
def test_a_damaged_journal_gives_what_was_written_or_names_the_damage(
    tmp_path: Path, tally: Callable[..., Tally], name: str, damage: Damage
) -> None:
    outbox = Outbox(tmp_path / "sound")
    for record in RECORDS:
        outbox.put(record)
    for one in list(outbox.waiting)[:-LEFT]:
        outbox.delivered([one.end])
    outbox.close()
    sound = {n: (tmp_path / "sound" / n).read_bytes() for n in ("records", "delivered")}
    counts = tally(f"{damage.__name__} journal, {name}", asked=EXAMPLES)
    for content in damage(sound[name]):
        files = {**sound, name: content}
        with tempfile.TemporaryDirectory() as folder:
            for file, written in files.items():
                Path(folder, file).write_bytes(written)
            damaged = Outbox(Path(folder))
            waiting = [pending.record for pending in damaged.waiting]
            places = damaged.damaged
            damaged.close()
        counts.wrong += not is_subsequence(waiting, RECORDS)
        if name == "delivered":  # at worst all are delivered again
            counts.lost += waiting[-LEFT:] != RECORDS[-LEFT:]
        elif damage is flipped and len(waiting) < LEFT:
            torn = content[-1:] != b"\n"  # its end was never written, for all we know
            counts.lost += not (torn or places)
        counts.done += 1
    counts.assert_clean()


def is_subsequence(found: Iterable[Record], of: Iterable[Record]) -> bool:
    rest = iter(of)
    return all(record in rest for record in found)
