"""Each kind of record is one kind of request, and as many as fit are one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.outbox.outbox import DamagedFileError
from icl_mlflow.tracking.outbox.records import (
    DatasetInput,
    Metrics,
    Params,
    Record,
    Status,
    Tags,
)
from icl_mlflow.tracking.outbox.store_writes import batch_of
from icl_mlflow.tracking.store.connection import StoreError
from icl_mlflow.training.settings import TrainSettings
from tests.tracking.outbox.conftest import NOW, OpenRun, loss


def points(n: int) -> Metrics:
    return Metrics(points=tuple(("loss", 0.5, NOW, step) for step in range(n)))


def pairs(first: int, n: int) -> dict[str, str]:
    return {f"key{i}": "x" for i in range(first, first + n)}


OTHER = Tags(values={"kind": "resume"}, run_id="0a1b2c")


@pytest.mark.parametrize(
    ("waiting", "n"),
    [
        ([], 0),
        ([loss(0), Tags(values={"a": "b"}), Params(values={"c": "d"}), loss(1)], 4),
        ([points(600), points(400)], 2),
        ([points(600), points(401)], 1),
        ([Tags(values=pairs(0, 60)), Tags(values=pairs(0, 41))], 1),
        ([Params(values=pairs(0, 60)), Params(values=pairs(60, 40))], 2),
        ([Params(values=pairs(0, 60)), Params(values=pairs(60, 41))], 1),
        ([Params(values={"a": "1"}), Params(values={"a": "2"})], 1),  # which counts?
        ([loss(0), Status(status="FINISHED", time=NOW)], 1),
        ([Status(status="FINISHED", time=NOW), loss(0)], 1),
        ([OTHER, OTHER], 1),
        ([loss(0), OTHER], 1),
        ([loss(0), replace(loss(1), run_id="0a1b2c"), loss(2)], 1),
    ],
)
def test_as_many_as_one_request_takes_go_together(
    waiting: list[Record], n: int
) -> None:
    assert batch_of(waiting) == waiting[:n]


def test_metrics_params_and_tags_arrive_together(opened: OpenRun) -> None:
    opened.store_writer.deliver(
        [
            loss(3, 0.25),
            Params(values={"epochs": "20"}),
            Tags(values={"kind": "suite"}),
        ],
        look=False,
    )
    data = opened.seen().data
    assert opened.losses() == [(3, 0.25)]
    assert data.params == {"lr": "3e-4", "epochs": "20"}
    assert data.tags["kind"] == "suite"


def test_what_the_store_has_is_not_sent_when_it_is_looked_at(opened: OpenRun) -> None:
    writer = opened.store_writer
    writer.deliver([loss(0), loss(1)], look=False)
    opened.store.client.delete_run(opened.run_id)  # from now on it takes nothing
    writer.deliver([loss(0), loss(1)], look=True)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        writer.deliver([loss(0), loss(1)], look=False)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        writer.deliver([loss(1), loss(2)], look=True)


def test_tags_of_another_run_go_there(opened: OpenRun) -> None:
    client = opened.store.client
    other = client.create_run(opened.store.experiment_id).info.run_id
    record = Tags(values={"kind": "resume"}, run_id=other)
    opened.store_writer.deliver([record], look=False)
    assert client.get_run(other).data.tags["kind"] == "resume"


def test_metrics_of_another_run_go_there_once(opened: OpenRun) -> None:
    client = opened.store.client
    other = client.create_run(opened.store.experiment_id).info.run_id
    record = replace(loss(3, 0.25), run_id=other)
    for look in (False, True):
        opened.store_writer.deliver([record], look=look)
    found = client.get_metric_history(other, "loss")
    assert [(point.step, point.value) for point in found] == [(3, 0.25)]
    assert opened.losses() == []


def test_what_another_run_that_is_gone_is_told_holds_up_nothing(
    opened: OpenRun, caplog: pytest.LogCaptureFixture
) -> None:
    gone = "0" * 32
    opened.outbox.put(Tags(values={"kind": "resume"}, run_id=gone))
    opened.outbox.put(replace(loss(1), run_id=gone))
    opened.outbox.put(loss(0))
    delivery = opened.delivery
    while delivery.is_busy:
        delivery.deliver_next()
    assert (delivery.refusals, opened.losses()) == ([], [(0, 0.5)])
    assert f"run {gone} is gone" in caplog.text
    assert opened.seen().data.tags["kind"] == "train"


def test_episodes_are_a_dataset_of_the_run(opened: OpenRun) -> None:
    used = DatasetInput(
        name="episodes-A", digest="d", source="{}", profile="{}", context="training"
    )
    opened.store_writer.deliver([used], look=False)
    (entry,) = opened.seen().inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("episodes-A", "d")
    assert entry.dataset.source_type == "code"
    tags = {tag.key: tag.value for tag in entry.tags}
    assert tags == {"mlflow.data.context": "training"}


@pytest.mark.parametrize("path", ["settings.json", "tables/deep/final.csv"])
def test_a_file_has_its_own_name_and_folder(opened: OpenRun, path: str) -> None:
    opened.store_writer.deliver([opened.kept(path, '{"lr": 0.1}')], look=False)
    found = opened.store.client.download_artifacts(opened.run_id, path)
    assert json.loads(Path(found).read_text()) == {"lr": 0.1}


def test_a_file_that_is_gone_is_said(opened: OpenRun) -> None:
    record = opened.kept("settings.json", "{}")
    opened.outbox.kept(record.sha256).unlink()
    with pytest.raises(DamagedFileError, match=r"settings\.json is gone"):
        opened.store_writer.deliver([record], look=False)


def test_a_model_is_registered_and_gets_its_metrics(
    opened: OpenRun, model: Transformer, settings: TrainSettings
) -> None:
    writer, kept = opened.store_writer, opened.kept_model(model, settings)
    model_id = writer.deliver([kept], look=False)
    score = Metrics(
        points=(("test/accuracy", 0.75, NOW, 0),),
        of_model=True,
        dataset=("episodes-A-test", "d"),
    )
    assert writer.deliver([score], look=False) == model_id
    assert writer.registered is not None
    assert writer.registered.uri == "models:/icl-A-baseline/1"
    (metric,) = opened.store.client.get_logged_model(model_id).metrics
    assert (metric.key, metric.value) == ("test/accuracy", 0.75)
    assert (metric.dataset_name, metric.dataset_digest) == ("episodes-A-test", "d")
    assert opened.seen().data.metrics == {"test/accuracy": 0.75}


def test_a_run_ends_when_it_ended_not_when_that_was_told(opened: OpenRun) -> None:
    writer = opened.store_writer
    writer.deliver([Status(status="KILLED", time=NOW)], look=False)
    info = opened.seen().info
    assert (info.status, info.end_time) == ("KILLED", NOW)
    writer.deliver([Status(status="RUNNING", time=NOW + 1)], look=False)
    assert opened.seen().info.status == "RUNNING"


def test_a_database_that_is_away_is_not_made_anew(opened: OpenRun) -> None:
    with (
        opened.without_store(),
        pytest.raises(StoreError, match=r"mlflow\.db is not there"),
    ):
        opened.store_writer.deliver([loss(0)], look=False)
    assert opened.losses() == []
