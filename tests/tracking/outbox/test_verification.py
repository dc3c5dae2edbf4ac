"""What the store lacks is named; what came in its place, from whomever, is not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.outbox.records import (
    DatasetInput,
    Metrics,
    Params,
    Record,
    Status,
    Tags,
)
from icl_mlflow.tracking.outbox.verification import lacking
from icl_mlflow.training.settings import TrainSettings
from tests.tracking.outbox.conftest import NOW, OpenRun, loss

RECORDS: dict[str, Callable[[OpenRun], Record]] = {
    "metric": lambda _: loss(0),
    "param": lambda _: Params(values={"epochs": "20"}),
    "new tag": lambda _: Tags(values={"note": "new"}),
    "changed tag": lambda _: Tags(values={"kind": "suite"}),  # "train" before
    "dataset": lambda _: DatasetInput(
        name="episodes-A", digest="d", source="{}", profile="{}", context="training"
    ),
    "file": lambda opened: opened.kept("settings.json", "{}"),
    "file in a folder": lambda opened: opened.kept("tables/final.csv", "seed\n"),
    "status": lambda _: Status(status="FINISHED", time=NOW),
}


def write(opened: OpenRun, *records: Record) -> None:
    """Put records into the outbox and have the store get them."""
    delivery = opened.delivery
    for record in records:
        opened.outbox.put(record)
    while delivery.is_busy:
        delivery.deliver_next()


def lost(opened: OpenRun) -> list[Record]:
    found = lacking(opened.store, opened.run_id, opened.outbox, opened.destination.tags)
    return [one.record for one in found]


@pytest.mark.parametrize("make", RECORDS.values(), ids=RECORDS)
def test_a_record_is_lacking_in_an_older_copy_alone(
    opened: OpenRun, make: Callable[[OpenRun], Record]
) -> None:
    opened.copy_store()
    record = make(opened)
    write(opened, record)
    assert lost(opened) == []
    opened.restore_store()
    assert lost(opened) == [record]


def test_of_one_metric_the_missing_rows_are_named_in_order(opened: OpenRun) -> None:
    write(opened, loss(0), loss(2))
    opened.copy_store()
    write(opened, loss(1), loss(3))
    opened.restore_store()
    assert lost(opened) == [loss(1), loss(3)]


def test_another_value_in_the_place_of_ours_is_not_ours(opened: OpenRun) -> None:
    opened.outbox.put(loss(0, 0.5))
    opened.store.client.log_metric(opened.run_id, "loss", 0.25, NOW + 7, 0)
    assert lost(opened) == [loss(0, 0.5)]


def test_a_tag_that_somebody_has_changed_is_theirs(opened: OpenRun) -> None:
    write(opened, Tags(values={"note": "first"}), Tags(values={"note": "second"}))
    client = opened.store.client
    client.set_tag(opened.run_id, "note", "my own words")
    assert lost(opened) == []
    client.set_tag(opened.run_id, "note", "first")  # an older value of ours is stale
    assert lost(opened) == [Tags(values={"note": "second"})]


def test_a_file_that_was_written_over_counts_in_its_last_form(opened: OpenRun) -> None:
    first = opened.kept("note.txt", "first")
    second = opened.kept("note.txt", "second, and longer")
    write(opened, first, second)
    assert lost(opened) == []
    opened.store.client.log_text(opened.run_id, "cut", "note.txt")
    assert lost(opened) == [second]


def test_a_run_that_goes_on_again_need_not_have_ended(opened: OpenRun) -> None:
    write(opened, Status(status="KILLED", time=NOW))
    assert lost(opened) == []
    write(opened, Status(status="RUNNING", time=NOW + 1))
    assert lost(opened) == []


def test_what_the_store_has_refused_is_not_asked_for(opened: OpenRun) -> None:
    write(opened, Params(values={"lr": "another value"}))
    assert opened.outbox.progress.refused
    assert lost(opened) == []


def test_a_model_that_is_stored_anew_gets_its_metrics_anew(
    opened: OpenRun, model: Transformer, settings: TrainSettings
) -> None:
    kept = opened.kept_model(model, settings)
    score = Metrics(points=(("test/accuracy", 0.75, NOW, 0),), of_model=True)
    write(opened, loss(0), kept, score)
    assert lost(opened) == []
    opened.store.client.delete_model_version(kept.name, "1")
    assert lost(opened) == [kept, score]


def test_metrics_of_another_run_are_asked_for_there(opened: OpenRun) -> None:
    client = opened.store.client
    first, second = (
        client.create_run(opened.store.experiment_id).info.run_id for _ in range(2)
    )
    told, lost_one = (replace(loss(2), run_id=run_id) for run_id in (first, second))
    write(opened, told)
    opened.outbox.put(lost_one)
    client.log_metric(first, "loss", 0.25, NOW + 99, 2)  # later, by somebody else
    assert lost(opened) == [lost_one]
    client.delete_run(second)
    assert lost(opened) == []


def test_tags_of_another_run_that_is_gone_are_not_missed(opened: OpenRun) -> None:
    client = opened.store.client
    other = client.create_run(opened.store.experiment_id).info.run_id
    record = Tags(values={"kind": "resume"}, run_id=other)
    write(opened, record)
    client.set_tag(other, "kind", "train")
    assert lost(opened) == []  # somebody else's word
    client.delete_tag(other, "kind")
    assert lost(opened) == [record]
    client.delete_run(other)
    assert lost(opened) == []


def test_tags_of_another_users_run_are_not_missed(opened: OpenRun) -> None:
    client = opened.store.client
    other = client.create_run(opened.store.experiment_id).info.run_id
    write(opened, Tags(values={"kind": "resume"}, run_id=other))
    client.delete_tag(other, "kind")
    first_tags = opened.destination.tags
    found = lacking(opened.store, opened.run_id, opened.outbox, first_tags, {other})
    assert found == []
