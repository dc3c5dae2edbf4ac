"""What is logged can be read back as it was meant."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from mlflow.entities import Run

from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.training.datasets import Dataset


@pytest.fixture(params=["file", "server"])
def log(request: pytest.FixtureRequest) -> Iterator[RunLog]:
    name = {"file": "store", "server": "server_store"}[request.param]
    store = request.getfixturevalue(name)
    with open_run(
        store, name="a", kind="train", params={}, tags={}, description=""
    ) as opened:
        yield opened


def run_of(log: RunLog) -> Run:
    """The run as the store has it once it has got everything."""
    assert log.wait()
    return log.store.client.get_run(log.run_id)


def artifact(log: RunLog, path: str, folder: Path) -> bytes:
    assert log.wait()
    file = log.store.client.download_artifacts(log.run_id, path, str(folder))
    return Path(file).read_bytes()


def history(log: RunLog, key: str) -> list[tuple[int, float]]:
    assert log.wait()
    found = log.store.client.get_metric_history(log.run_id, key)
    return [(m.step, m.value) for m in found]


def test_metrics_keep_their_step(log: RunLog) -> None:
    log.metrics({"train/loss": 0.7, "val/loss": 0.6}, step=0)
    log.metrics({"train/loss": 0.5, "val/loss": 0.4}, step=1)
    assert history(log, "train/loss") == [(0, 0.7), (1, 0.5)]
    assert history(log, "val/loss") == [(0, 0.6), (1, 0.4)]


def test_the_name_of_a_combined_variant_can_be_in_a_metric(log: RunLog) -> None:
    log.metrics({"accuracy/no_position+noisy_labels_0.2": 0.5})
    key = "accuracy/no_position:noisy_labels_0.2"
    assert history(log, key) == [(0, 0.5)]


def test_a_long_series_arrives_whole(log: RunLog) -> None:
    rows = [(step, {"loss": 1 / (step + 1), "accuracy": 0.5}) for step in range(1100)]
    log.metric_series(rows)
    found = history(log, "loss")
    assert found == [(step, values["loss"]) for step, values in rows]
    assert len(history(log, "accuracy")) == 1100


def test_what_is_not_finite_is_named_not_disguised(log: RunLog) -> None:
    log.metrics({"a": math.inf, "b": math.nan, "c": 1.0}, step=2)
    log.metrics({"a": -math.inf}, step=3)
    data = run_of(log).data
    assert data.metrics == {"c": 1.0}
    assert data.tags["non_finite_metrics"] == (
        "a=inf at step 2; b=nan at step 2; a=-inf at step 3"
    )


def test_more_params_and_tags_than_fit_into_one_request(log: RunLog) -> None:
    log.params({f"param{i}": i for i in range(250)} | {"absent": None})
    log.tags({f"tag{i}": i for i in range(250)})
    data = run_of(log).data
    assert data.params == {f"param{i}": str(i) for i in range(250)}
    assert all(data.tags[f"tag{i}"] == str(i) for i in range(250))


def test_the_episodes_appear_as_a_dataset(log: RunLog) -> None:
    used = Dataset(name="episodes-A", digest="d1", profile={"tau": 3.0}, context="test")
    log.dataset(used)
    (entry,) = run_of(log).inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == used.key
    assert json.loads(entry.dataset.profile) == {"tau": 3.0}
    tags = {tag.key: tag.value for tag in entry.tags}
    assert tags == {"mlflow.data.context": "test"}


def test_another_run_is_told_its_metrics_and_keeps_its_own(log: RunLog) -> None:
    client = log.store.client
    other = client.create_run(log.store.experiment_id).info.run_id
    client.set_terminated(other)
    log.metrics({"test/loss": 0.5}, step=2)
    log.metrics_of(other, {"test/loss": 0.25, "test/risk": math.nan}, step=2)
    assert run_of(log).data.metrics == {"test/loss": 0.5}
    found = client.get_run(other)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"test/loss": 0.25})


def test_a_description_that_is_too_long_ends_with_a_whole_line(log: RunLog) -> None:
    rows = [f"| variant {i} | {'x' * 90} |" for i in range(200)]
    log.description("\n".join(rows))
    told = run_of(log).data.tags["mlflow.note.content"].splitlines()
    assert told[-1] == "..."
    # MLflow shows cells without room between them: each but the first has some.
    shown = [row.replace(" |", "&emsp; |") for row in rows]
    assert told[:-2] == shown[: len(told) - 2]
    assert len(told) > 60


def test_files_are_where_readers_look(log: RunLog, tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [0, 1])
    table = pd.DataFrame({"seed": [0, 1], "loss": [0.1, 0.30000000000000004]})
    log.figure("curves", figure)
    log.table("final", table)
    log.json("settings.json", {"lr": 0.0003})
    log.text("notes/read_me.txt", "çà et là\n")

    png = artifact(log, "figures/curves.png", tmp_path)
    width, height = png[16:20], png[20:24]
    assert (int.from_bytes(width), int.from_bytes(height)) == (300, 150)  # 150 dpi
    csv = artifact(log, "tables/final.csv", tmp_path)
    assert csv == b"seed,loss\n0,0.1\n1,0.30000000000000004\n"
    assert json.loads(artifact(log, "settings.json", tmp_path)) == {"lr": 0.0003}
    text = artifact(log, "notes/read_me.txt", tmp_path).decode()
    assert text == "çà et là\n"
