"""A thread delivers while the program goes on, and tries again as long as it lives."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.claims import RunInUseError
from icl_mlflow.tracking.outbox import sender as module
from icl_mlflow.tracking.outbox.delivery import Delivery
from icl_mlflow.tracking.outbox.sender import Sender
from icl_mlflow.tracking.store.connection import StoreError
from tests.tracking.outbox.conftest import OpenRun, loss

Start = Callable[[Delivery], Sender]


class Beat:
    """Signs of life: how each was asked for, and what is to become of the next."""

    def __init__(self) -> None:
        self.given: list[bool] = []
        self.error: Exception | None = None

    def __call__(self, back: bool) -> None:
        self.given.append(back)
        if self.error:
            raise self.error


@pytest.fixture
def beat() -> Beat:
    return Beat()


@pytest.fixture
def delivery(opened: OpenRun) -> Delivery:
    return opened.delivery


@pytest.fixture
def start(opened: OpenRun, beat: Beat) -> Iterator[Start]:
    """Starts senders, which end with the test."""
    started: list[Sender] = []

    def one(delivery: Delivery) -> Sender:
        started.append(Sender(opened.outbox, delivery, beat))
        return started[-1]

    yield one
    assert all(sender.stop(patience=10) for sender in started)


def patient() -> float:
    return 20


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_put_in_is_delivered_soon(
    opened: OpenRun, delivery: Delivery, start: Start
) -> None:
    opened.outbox.put(loss(0))
    sender = start(delivery)
    assert sender.wait(patient)
    opened.outbox.put(loss(1))
    assert sender.wait(patient)
    assert opened.losses() == [(0, 0.5), (1, 0.5)]
    assert sender.trouble is None


def test_it_tries_again_until_the_store_is_back(
    opened: OpenRun, delivery: Delivery, start: Start, beat: Beat
) -> None:
    sender = start(delivery)
    with opened.without_store():
        opened.outbox.put(loss(0))
        wait_for(lambda: sender.trouble)
        assert isinstance(sender.trouble, StoreError)
        assert not sender.wait(lambda: 0)
    assert sender.wait(patient)
    wait_for(lambda: sender.trouble is None)
    assert opened.losses() == [(0, 0.5)]
    assert beat.given[-1]  # the store is asked anew before the next attempt


def test_a_wait_ends_when_its_patience_does(
    opened: OpenRun, delivery: Delivery, start: Start
) -> None:
    sender = start(delivery)
    with opened.without_store():
        opened.outbox.put(loss(0))
        began = time.monotonic()
        assert not sender.wait(lambda: began + 0.3 - time.monotonic())
        assert 0.3 <= time.monotonic() - began < 5


def test_signs_of_life_come_without_records_too(
    delivery: Delivery, start: Start, beat: Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT", 0.05)
    start(delivery)
    wait_for(lambda: len(beat.given) >= 3)
    assert not any(beat.given)


def test_nothing_is_delivered_once_another_has_the_run(
    opened: OpenRun,
    delivery: Delivery,
    start: Start,
    beat: Beat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BEAT", 0.0)  # a sign before every delivery
    beat.error = RunInUseError("process 8 on piggy")
    opened.outbox.put(loss(0))
    sender = start(delivery)
    wait_for(lambda: opened.outbox.lost_to)
    with pytest.raises(RunInUseError, match="process 8 on piggy"):
        opened.outbox.put(loss(1))
    assert not sender.wait(patient)
    assert (opened.losses(), delivery.n_waiting) == ([], 1)


def test_it_can_be_stopped_while_the_store_is_away(
    opened: OpenRun, delivery: Delivery, start: Start
) -> None:
    sender = start(delivery)
    with opened.without_store():
        opened.outbox.put(loss(0))
        wait_for(lambda: sender.trouble)
        assert sender.stop(patience=5)
    assert not Path("away.db").exists()
    assert opened.losses() == []
