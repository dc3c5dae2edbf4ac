"""Every kind of record is read as it was written; what is none of them is refused."""

import json
from typing import Any

import pytest

from icl_mlflow.tracking.outbox.records import (
    Artifact,
    CheckpointModel,
    DatasetInput,
    Metrics,
    ModelVersion,
    Params,
    Record,
    Status,
    Tags,
    from_json,
    to_json,
)

SHA256 = "0a" * 32

RECORDS: list[Record] = [
    Metrics(points=(("train/loss", 0.1, 1_700_000_000_000, 0), ("a", -0.0, 0, -3))),
    Metrics(points=(("test/accuracy", 1.0, 7, 20),), of_model=True),
    Metrics(
        points=(("test/accuracy", 1.0, 7, 20),),
        of_model=True,
        dataset=("episodes-A-test", "0a1b"),
    ),
    Metrics(points=(("test/accuracy", 1.0, 7, 20),), run_id="0a1b2c"),
    Params(values={"lr": "0.0003", "note": "ein Häuschen\nam Meer"}),
    Tags(values={"kind": "train"}),
    Tags(values={"kind": "resume"}, run_id="0a1b2c"),
    DatasetInput(name="A", digest="d", source="{}", profile="{}", context="training"),
    Artifact(path="figures/curves.png", sha256=SHA256),
    ModelVersion(
        name="icl-A-baseline",
        sha256=SHA256,
        files={"MLmodel": SHA256, "data/model.safetensors": SHA256},
        params={"dim": "3"},
        facts={"task": "A"},
        results={"val/excess_risk": "0.1"},
        card="**How good?**",
        about="A transformer.",
    ),
    CheckpointModel(
        name="A-baseline-seed0-epoch3",
        step=3,
        sha256=SHA256,
        files={"MLmodel": SHA256},
        params={"dim": "3"},
        facts={"checkpoint_epoch": "3"},
        points=(("val/loss", 0.5, 7, 3),),
    ),
    Status(status="FINISHED", time=1_700_000_000_000),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_every_kind_comes_back_from_json(record: Record) -> None:
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


def test_a_model_of_an_earlier_release_has_no_card() -> None:
    content = to_json(RECORDS[-3])
    old = {k: v for k, v in content.items() if k not in {"card", "about"}}
    record = from_json(old)
    assert isinstance(record, ModelVersion)
    assert (record.card, record.about) == ("", "")


def test_metrics_of_an_earlier_version_name_neither_data_set_nor_run() -> None:
    written = {"kind": "metrics", "points": [["a", 0.5, 7, 0]], "of_model": True}
    expected = Metrics(points=(("a", 0.5, 7, 0),), of_model=True)
    assert from_json(written) == expected


METRICS = {"kind": "metrics", "of_model": False}
ARTIFACT = {"kind": "artifact", "path": "a.txt", "sha256": SHA256}
MODEL = to_json(RECORDS[-3])
CHECKPOINT = to_json(RECORDS[-2])


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "order", "values": {}},
        {"kind": ["metrics"], "points": []},
        {"kind": "params"},
        {"kind": "params", "values": {"lr": 0.0003}},
        {"kind": "params", "values": ["lr"]},
        {"kind": "params", "values": {}, "unheard_of": 1},
        {"kind": "tags", "values": {"a": None}},
        {"kind": "tags", "values": {}, "run_id": 7},
        {**METRICS, "points": [["loss", 0.5, 7]]},
        {**METRICS, "points": [["loss", "0.5", 7, 0]]},
        {**METRICS, "points": [["loss", True, 7, 0]]},
        {**METRICS, "points": [["loss", float("inf"), 7, 0]]},
        {**METRICS, "points": [["loss", 0.5, 7, 2**63]]},
        {**METRICS, "points": [["loss", 0.5, 7, 0]], "of_model": 1},
        {**METRICS, "points": [["loss", 0.5, 7, 0]], "dataset": ["a"]},
        {**METRICS, "points": [["loss", 0.5, 7, 0]], "dataset": ["a", 7]},
        {**METRICS, "points": [["loss", 0.5, 7, 0]], "run_id": 7},
        {**ARTIFACT, "path": "../a.txt"},
        {**ARTIFACT, "path": "/etc/a.txt"},
        {**ARTIFACT, "path": "a\\b.txt"},
        {**ARTIFACT, "path": "a\n.txt"},
        {**ARTIFACT, "sha256": "../../a"},
        {**ARTIFACT, "sha256": SHA256.upper()},
        {**MODEL, "files": {"../MLmodel": SHA256}},
        {**MODEL, "facts": {"seed": 0}},
        {**MODEL, "card": 7},
        {**CHECKPOINT, "step": -1},
        {**CHECKPOINT, "step": "3"},
        {**CHECKPOINT, "points": [["loss", "0.5", 7, 0]]},
        {**CHECKPOINT, "files": {"../MLmodel": SHA256}},
        {"kind": "status", "status": "SCHEDULED", "time": 7},
        {"kind": "status", "status": "FINISHED", "time": -1},
    ],
    ids=str,
)
def test_what_no_version_has_written_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"record of|no path|no SHA-256"):
        from_json(content)
