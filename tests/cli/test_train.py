"""`icl-mlflow train` in a shell: what it prints, how it ends, what it leaves behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.entities import Run

from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.store.connection import Store
from tests.tiny import OPTIONS

Icl = Callable[..., Any]


def runs(store: Store, query: str = "") -> list[Run]:
    """All runs of the store that match the query, in whatever experiment."""
    experiments = [e.experiment_id for e in store.client.search_experiments()]
    return list(store.client.search_runs(experiments, query))


def test_a_training_prints_where_everything_is(store: Store, icl: Icl) -> None:
    result = icl("train", *OPTIONS, "--seed", "3", "--n-context", "6")
    assert result.code == 0, result.err
    lines = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    run_id, name = lines["run"].split()
    assert name == "A-baseline-seed3"
    assert lines["model"] == "models:/icl-A-baseline/1"
    assert "excess risk" in lines["test"]
    assert run_id in lines["see"]
    logged = store.client.get_run(run_id)
    assert logged.info.status == "FINISHED"
    assert logged.data.params["n_context"] == "6"
    shown = f"excess risk {logged.data.metrics['test/excess_risk']:.4f} nats"
    assert shown in lines["test"]
    assert load_model(run_id).settings.seed == 3


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    store: Store, icl: Icl
) -> None:
    result = icl("train", *OPTIONS, "--seeds", "0-2", "--dry_run")
    assert result.code == 0, result.err
    names = ", ".join(f"A-baseline-seed{seed}" for seed in range(3))
    assert f"members      {names}" in result.out
    assert '"d_model": 32' in result.out
    assert "no run was created" in result.out
    assert runs(store) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "Z"], "unknown task 'Z'; choose one of: A, B"),
        (["--variant", "no_lables"], "did you mean no_labels"),
        (["--n_heads", "3"], "n_heads=3 does not divide d_model=128"),
        (["--epochs", "-1"], "epochs must be at least 0, not -1"),
        (["--engine", "stacked"], "engine is for several models: give seeds"),
        (["--lr", "nan"], "lr must be finite, not nan"),
        (["--sigma_min", "1"], "task A has no sigma_min"),
        (["--task", "B", "--variant", "no_nuisance"], "task B"),
        (["--seeds", "0,x"], "seeds must be like 0,1,2 or 0-9"),
        (["--seeds", ""], "seeds must be like 0,1,2 or 0-9"),
        (
            ["--preset", "huge"],
            "unknown preset 'huge'; choose one of: paper, efficient, smoke",
        ),
        (["--nonsense", "1"], "No such option"),
        (["--device", "tpu"], "choose one of: auto, cpu, cuda, mps"),
    ],
)
def test_bad_input_is_one_line_with_the_right_choices(
    new_folder: Path, icl: Icl, arguments: list[str], message: str
) -> None:
    result = icl("train", *arguments)
    assert result.code == 2
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert list(new_folder.iterdir()) == []


def test_an_unreachable_server_is_one_line_within_seconds(
    new_folder: Path, icl: Icl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    result = icl("train", *OPTIONS)
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert line.startswith("Error: http://127.0.0.1:9 ")
    assert list(new_folder.iterdir()) == []


def test_several_seeds_give_one_parent_with_means_and_intervals(
    store: Store, icl: Icl, tmp_path: Path
) -> None:
    result = icl("train", *OPTIONS, "--seeds", "0,1")
    assert result.code == 0, result.err
    (parent_id,) = [
        line.split()[1] for line in result.out.splitlines() if line.startswith("parent")
    ]
    children = runs(store, f"tags.`mlflow.parentRunId` = '{parent_id}'")
    assert {child.data.tags["seed"] for child in children} == {"0", "1"}
    parent = store.client.get_run(parent_id)
    assert parent.info.status == "FINISHED"
    for name in ("val/loss", "test/accuracy"):
        values = [child.data.metrics[name] for child in children]
        assert parent.data.metrics[name] == pytest.approx(sum(values) / 2, abs=1e-12)
    assert parent.data.metrics.keys() == children[0].data.metrics.keys()
    file = store.client.download_artifacts(parent_id, "tables/means.csv", str(tmp_path))
    means = pd.read_csv(file).set_index("metric")
    row = means.loc["test/accuracy"]  # `values`, of two seeds: their range
    assert [row["low"], row["high"]] == sorted(values)
    assert list(means.loc["val/loss", "epoch"]) == [0, 1]
    history = store.client.get_metric_history(parent_id, "val/loss")
    assert [point.step for point in history] == [0, 1]


def test_a_diverging_training_ends_with_exit_code_3_and_keeps_weights(
    store: Store, icl: Icl
) -> None:
    result = icl("train", *OPTIONS, "--lr", "1e30", "--clip_norm", "1e30")
    assert result.code == 3
    *_, line = result.err.splitlines()
    assert line.startswith("Error: the loss is not finite at epoch")
    (logged,) = runs(store)
    assert logged.info.status == "FAILED"
    assert "not finite" in logged.data.tags["failure"]
    kept = {file.path for file in store.client.list_artifacts(logged.info.run_id)}
    assert "last_good.safetensors" in kept


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_the_run_killed(
    store: Store, sent: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "icl_mlflow.cli.main", "train", *OPTIONS]
    long = ["--epochs", "1000000"]
    with subprocess.Popen(
        [*command, *long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            started = runs(store)
            if started and started[0].data.metrics:
                break
            time.sleep(0.2)
        sent_at = time.monotonic()
        process.send_signal(sent)
        _, errors = process.communicate(timeout=30)
        assert time.monotonic() - sent_at < 2
    assert process.returncode == code
    assert "Traceback" not in errors
    (logged,) = runs(store)
    assert logged.info.status == "KILLED"
