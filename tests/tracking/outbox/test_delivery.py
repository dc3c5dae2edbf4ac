"""Records are delivered in order, once each, whatever the store does meanwhile."""

import logging

import pytest

from icl_mlflow.tracking.outbox.delivery import Delivery
from icl_mlflow.tracking.outbox.records import Metrics, Params, Tags
from icl_mlflow.tracking.store.connection import StoreError
from tests.tracking.outbox.conftest import NOW, OpenRun, loss

#: The run has another value of it, so MLflow takes this one never.
REFUSED = Params(values={"lr": "0.1"})


def deliver_all(delivery: Delivery) -> None:
    """Deliver until there is nothing to do, which must come soon."""
    for _ in range(10):
        if not delivery.is_busy:
            return
        delivery.deliver_next()
    pytest.fail("there is no end to it")


def test_what_fits_goes_in_one_request_and_the_rest_in_order(opened: OpenRun) -> None:
    delivery = opened.delivery
    points = tuple(("loss", 0.5, NOW, step) for step in range(600))
    late = tuple(("loss", 0.5, NOW, step) for step in range(600, 1100))
    opened.outbox.put(Metrics(points=points))
    opened.outbox.put(Tags(values={"note": "first"}))
    opened.outbox.put(Metrics(points=late))
    opened.outbox.put(Tags(values={"note": "last"}))
    assert delivery.n_waiting == 4
    delivery.deliver_next()
    assert (delivery.n_waiting, delivery.n_delivered) == (2, 2)
    assert len(opened.losses()) == 600
    assert opened.seen().data.tags["note"] == "first"
    delivery.deliver_next()
    assert (delivery.n_waiting, delivery.n_delivered) == (0, 4)
    assert [step for step, _ in opened.losses()] == list(range(1100))
    assert opened.seen().data.tags["note"] == "last"
    assert not delivery.is_busy


def test_what_is_delivered_is_remembered_by_the_next_process(opened: OpenRun) -> None:
    delivery = opened.delivery
    opened.outbox.put(loss(0))
    delivery.deliver_next()
    opened.outbox.put(loss(1))
    assert [one.record for one in opened.outbox.pending()] == [loss(1)]
    assert opened.delivery.n_waiting == 1


def test_one_that_is_refused_does_not_hold_up_the_others(opened: OpenRun) -> None:
    delivery = opened.delivery
    for record in (loss(0), REFUSED, loss(1)):
        opened.outbox.put(record)
    deliver_all(delivery)
    assert opened.losses() == [(0, 0.5), (1, 0.5)]
    (reason,) = delivery.refusals
    assert "lr" in reason
    assert "\n" not in reason
    assert (delivery.n_delivered, delivery.n_waiting, delivery.n_left) == (2, 0, 1)
    assert [one.record for one in opened.outbox.pending()] == [REFUSED]


def test_one_whose_file_is_gone_does_not_hold_up_the_others(opened: OpenRun) -> None:
    delivery = opened.delivery
    lost = opened.kept("settings.json", "{}")
    opened.outbox.kept(lost.sha256).unlink()
    for record in (lost, loss(0)):
        opened.outbox.put(record)
    deliver_all(delivery)
    assert delivery.refusals == ["the file for settings.json is gone"]
    assert opened.losses() == [(0, 0.5)]


def test_no_password_is_in_a_refusal(
    opened: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ps3cret")
    delivery = opened.delivery
    opened.outbox.put(Params(values={"lr": "t0ps3cret"}))
    deliver_all(delivery)
    assert "t0ps3cret" not in delivery.refusals[0]
    assert "***" in delivery.refusals[0]


def test_while_the_store_is_away_everything_waits(opened: OpenRun) -> None:
    delivery = opened.delivery
    opened.outbox.put(loss(0))
    with opened.without_store(), pytest.raises(StoreError):
        delivery.deliver_next()
    assert (delivery.n_waiting, delivery.n_delivered) == (1, 0)
    deliver_all(delivery)
    assert opened.losses() == [(0, 0.5)]


def test_of_what_may_have_arrived_the_store_is_asked_first(opened: OpenRun) -> None:
    """A process died between the store's answer and writing that down.

    The run is deleted since, so that the store would refuse whatever is sent.
    """
    opened.outbox.put(loss(0))
    opened.store_writer.deliver([loss(0), loss(1)], look=False)
    opened.store.client.delete_run(opened.run_id)
    next_process = opened.delivery
    next_process.deliver_next()
    assert (next_process.n_delivered, next_process.refusals) == (1, [])
    # One that is written down only now is sent without the price of a question.
    opened.outbox.put(loss(1))
    deliver_all(next_process)
    assert len(next_process.refusals) == 1


def test_what_the_store_has_lost_is_sent_again_at_the_end(opened: OpenRun) -> None:
    delivery = opened.delivery
    opened.outbox.put(loss(0))
    deliver_all(delivery)
    opened.copy_store()
    for step in (1, 2):
        opened.outbox.put(loss(step))
    deliver_all(delivery)
    opened.restore_store()
    assert opened.losses() == [(0, 0.5)]
    assert not delivery.is_busy
    delivery.conclude()
    deliver_all(delivery)
    assert opened.losses() == [(0, 0.5), (1, 0.5), (2, 0.5)]
    assert delivery.n_left == 0


def test_a_store_that_never_keeps_it_is_given_up_after_three_times(
    opened: OpenRun,
) -> None:
    delivery = opened.delivery
    opened.copy_store()
    opened.outbox.put(loss(0))
    delivery.conclude()
    n_sent = 0
    while delivery.is_busy and n_sent < 10:
        delivery.deliver_next()
        n_sent += bool(opened.losses())
        opened.restore_store()
    assert n_sent == 3  # once, and twice again
    assert (delivery.n_unkept, delivery.n_left) == (1, 1)


def test_a_run_that_is_gone_is_made_anew_with_all_of_its_records(
    opened: OpenRun, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = opened.delivery
    opened.outbox.put(loss(0))
    deliver_all(delivery)
    opened.lose_run()
    opened.outbox.put(loss(1))
    with caplog.at_level(logging.WARNING):
        deliver_all(delivery)
    made = opened.outbox.progress.run_id
    assert made not in {None, opened.run_id}
    history = opened.store.client.get_metric_history(made, "loss")
    assert [point.step for point in history] == [0, 1]
    assert f"run {opened.run_id} is gone" in caplog.text
    assert f"made anew as {made}" in caplog.text
