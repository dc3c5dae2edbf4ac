"""`icl-mlflow analyze` in a shell: what it prints, and what it refuses."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.analysis.report.page import Refusal
from icl_mlflow.cli.questions.analyze import summary
from icl_mlflow.tracking.models.lookup import models_of_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.variants import VARIANTS
from icl_mlflow.workflows.analyze import AnalysisResult

Icl = Callable[..., Any]


def n_runs(store: Store) -> int:
    experiments = [e.experiment_id for e in store.client.search_experiments()]
    return len(store.client.search_runs(experiments))


def assert_refused(ended: Any, message: str) -> None:
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line


def test_every_question_has_a_line(
    icl: Icl, trained_store: Store, trained_runs: Any
) -> None:
    ended = icl(
        *["analyze", "--run_id", trained_runs.task_b, "--episodes", "100"],
        *["--analyses", "ov_alignment,calibration", "--sigma-max", "4"],
    )
    assert ended.code == 0, ended.err
    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert list(lines) == [
        *["learning_curves", "ov_alignment", "calibration", "run", "report", "see"]
    ]
    run = trained_store.client.get_run(lines["run"])
    assert run.data.tags["source_run_id"] == trained_runs.task_b
    assert run.data.tags["task"] == "B"
    assert lines["run"] in lines["see"]
    assert all(len(line) <= 100 for line in ended.out.splitlines()[:-2])  # but links


def test_a_suite_is_told_in_lines_that_fit_and_name_every_variant() -> None:
    variants = [name for name in VARIANTS if name != "shuffled_labels"]
    sentence = (
        "Yes: 0.0125 nats (95 %: 0.0103 to 0.0151, 5,000 episodes) " + "above " * 40
    )
    told = dict.fromkeys(variants, sentence) | {"shuffled_labels": "No: 1 nat."}
    lines = summary(
        AnalysisResult(
            run_id="0" * 32,
            numbers={},
            frames={},
            answers={"scoreboard": told, "lens": {"": sentence}},
            refusals=tuple(
                Refusal(analysis="lens", model=name, reason=f"{name} has no layers")
                for name in variants
            ),
            ui_link="",
            report_link="",
        )
    )
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(f"scoreboard  Yes: {variants[0]}, ")
    text = " ".join(" ".join(lines).split())
    assert f"{', '.join(variants)}; No: shuffled_labels" in text
    assert "lens Yes: 0.0125 nats above above" in text, "the interval is in the report"
    assert f"lens not asked of {', '.join(variants)}: has no layers" in text


def test_a_dry_run_says_what_it_would_ask_and_creates_nothing(
    icl: Icl, trained_store: Store, trained_runs: Any
) -> None:
    before = n_runs(trained_store)
    ended = icl(
        *["analyze", "--run_id", trained_runs.no_labels, "--episodes", "100"],
        *["--experiment", "new", "--tau", "9", "--dry_run"],
    )
    assert ended.code == 0, ended.err
    models, asked, *others = ended.out.splitlines()
    assert models.split(maxsplit=1)[1] == "A-no_labels-seed0, A-no_labels-seed1"
    assert {"calibration", "logit_lens"} <= set(asked.replace(",", "").split())
    assert "ov_alignment" not in asked
    assert sum(line.startswith("not asked    ov_alignment of") for line in others) == 2
    assert "episodes     100 of each model, seed 0, tau 9" in others
    assert "results      in experiment new" in others
    assert n_runs(trained_store) == before
    assert trained_store.client.get_experiment_by_name("new") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give exactly one of run_id"),
        (["--run_id", "x", "--model", "models:/m/1"], "give exactly one of run_id"),
        (["--run_id", "", "--model", ""], "model must be models:/NAME/VERSION"),
        (["--model", "icl-A-baseline"], "model must be models:/NAME/VERSION"),
        (
            ["--run_id", "x", "--analyses", "calibration,logit_lense"],
            "unknown analysis 'logit_lense'; did you mean logit_lens?",
        ),
        (["--run_id", "x", "--analyses", ""], "unknown analysis ''"),
        (["--run_id", "x", "--episodes", "10"], "episodes must be at least 100"),
        (["--run_id", "x", "--tau", "-1"], "tau must be at least 0"),
        (["--run_id", "x"], "there are no runs yet"),
    ],
)
def test_bad_input_needs_no_store(
    new_folder: Path, icl: Icl, arguments: list[str], message: str
) -> None:
    assert_refused(icl("analyze", *arguments), message)
    assert list(new_folder.iterdir()) == []


def test_what_cannot_be_analyzed_is_refused_before_anything_is_created(
    icl: Icl, trained_store: Store, trained_runs: Any
) -> None:
    client, experiment = trained_store.client, trained_store.experiment_id
    running = client.create_run(experiment).info.run_id
    empty = client.create_run(experiment).info.run_id
    client.set_terminated(empty)
    deleted = client.create_run(experiment).info.run_id
    client.delete_run(deleted)
    seed = trained_runs.no_labels_seeds[0]
    before = n_runs(trained_store)
    for arguments, message in (
        (["--run_id", "f00"], "there is no run 'f00'"),
        (["--run_id", deleted], f"run {deleted} is deleted"),
        (["--run_id", running], f"run {running} is still running"),
        (["--run_id", empty], f"run {empty} has no model"),
        (["--model", "models:/icl-A-baseline/99"], "there is no model"),
        (["--model", "models:/icl-A-baseline@worst"], "there is no model"),
        (["--run_id", trained_runs.task_b, "--tau", "9"], "task B has no tau"),
        (["--run_id", seed, "--device", "mps"], "no mps device"),
        (
            ["--run_id", seed, "--analyses", "ov_alignment"],
            "ov_alignment cannot be asked of A-no_labels-seed0",
        ),
    ):
        assert_refused(icl("analyze", *arguments), message)
    assert n_runs(trained_store) == before


def test_a_model_of_another_project_is_refused(
    icl: Icl, trained_store: Store, trained_runs: Any, tmp_path: Path
) -> None:
    client = trained_store.client
    foreign = tmp_path / "model.pkl"
    foreign.write_bytes(b"never opened")
    run_id = trained_runs.task_b
    client.log_artifact(run_id, str(foreign), "foreign")
    root = client.get_run(run_id).info.artifact_uri
    client.create_registered_model("foreign")
    client.create_model_version("foreign", f"{root}/foreign", run_id=run_id)
    assert_refused(
        icl("analyze", "--model", "models:/foreign/1"),
        "models:/foreign/1 is not a model of this project",
    )


@pytest.fixture
def damaged(trained_store: Store, trained_runs: Any) -> Iterator[str]:
    """A run whose weights have one bit flipped for as long as the test lasts."""
    run_id: str = trained_runs.task_b
    (found,) = models_of_run(trained_store.client, run_id)
    (weights,) = Path(found.location.removeprefix("file://")).rglob("*.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    yield run_id
    weights.write_bytes(whole)


def test_damaged_weights_are_named(
    icl: Icl, trained_store: Store, damaged: str
) -> None:
    before = n_runs(trained_store)
    ended = icl("analyze", "--run_id", damaged)
    assert_refused(ended, "models:/icl-B-baseline/1: model.safetensors is damaged")
    assert n_runs(trained_store) == before


def test_an_unreachable_server_is_one_line(
    new_folder: Path, icl: Icl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert_refused(icl("analyze", "--run_id", "x"), "http://127.0.0.1:9 ")
    assert list(new_folder.iterdir()) == []
