"""A registered model asked by `mlflow models serve` and `predict`, by its URI.

Right numbers of real episodes, or HTTP 400 and why.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
import requests
import torch

from icl_mlflow.models import Transformer
from icl_mlflow.tasks import TASKS
from icl_mlflow.tracking.models.packaging import packaged
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from tests.conftest import forget_environment

SETTINGS = TrainSettings(dim=3, n_context=4, d_model=8, n_heads=2)

MODEL = "models:/icl-A-baseline@best"

EPISODE: dict[str, Any] = {
    "context_x": [[[0.5, -1.0, 2.0], [1.0, 0.0, -0.5], [0.1, 0.2, 0.3]]],
    "context_y": [[0, 1, 1]],
    "query_x": [[0.3, -0.2, 1.1]],
}

#: What is changed, and what the answer has to name.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"context_y": [[-1, 1, 1]]}, "context_y must hold 0 or 1 for each point, not -1"),
    ({"context_y": [[0.7, 1, 1]]}, "must hold 0 or 1 for each point, not 0.7"),
    ({"context_y": [[None, 1, 1]]}, "must hold 0 or 1 for each point, not nan"),
    ({"context_y": [["a", 1, 1]]}, "context_y must hold numbers"),
    ({"context_y": [[0, 1], [1]]}, "context_y must hold numbers, in rows of equal"),
    ({"context_y": [[0, 1]]}, "give one label for each point"),
    ({"context_x": [[[float("nan")] * 3] * 3]}, "context_x must hold finite numbers"),
    ({"context_x": [[[None] * 3] * 3]}, "context_x must hold finite numbers"),
    ({"query_x": [[float("inf"), 0, 0]]}, "query_x must hold finite numbers"),
    (
        {"query_x": [[1e39, 0, 0]]},
        "query_x must hold finite numbers of at most 3.4e+38",
    ),
    ({"query_x": [[1e38, 0, 0]]}, "no finite answer to values as large as 1e+38"),
    ({"query_x": [[0, 0]]}, "(-1, 3)"),
    ({"context_x": [[[0, 0]] * 3]}, "(-1, -1, 3)"),
    ({"query_x": [[0, 0, 0]] * 2}, "give one query for each episode"),
    (
        {"context_x": [[[0, 0, 0]] * 5], "context_y": [[0] * 5]},
        "give fewer context points",
    ),
]


@pytest.fixture(scope="module")
def model() -> Transformer:
    return initial_model(SETTINGS).eval()


@pytest.fixture(scope="module")
def stored(model: Transformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as MLflow keeps it."""
    folder, _ = packaged(tmp_path_factory.mktemp("served"), "0" * 32, model, SETTINGS)
    return folder


@pytest.fixture(scope="module")
def registry(
    model: Transformer, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """The environment of a user whose store has the model as the best of its name."""
    folder = tmp_path_factory.mktemp("registry")
    database = shutil.copy(empty_database, folder)
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        opening: dict[str, Any] = {"kind": "train", "params": {}, "tags": {}}
        with open_run(connect(), name="served", description="", **opening) as log:
            assert log.model(model, SETTINGS, {"val/excess_risk": 0.1})
        scripts = str(Path(sys.executable).parent)  # where `uvicorn` is
        path = os.pathsep.join([scripts, os.environ["PATH"]])
        return {**os.environ, "PATH": path, "LOG": str(folder / "log")}


@pytest.fixture(scope="module")
def served(registry: Mapping[str, str]) -> Iterator[str]:
    """The address of a server of the model, a process group of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", MODEL]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    said = Path(registry["LOG"])
    with said.open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=registry
        )
    uri = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    try:
        while not _is_up(uri):
            assert server.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _is_up(uri: str) -> bool:
    try:
        return requests.get(f"{uri}/ping", timeout=1).ok
    except requests.RequestException:
        return False


def ask(uri: str, episode: dict[str, Any]) -> requests.Response:
    return requests.post(
        f"{uri}/invocations",
        data=json.dumps({"inputs": episode}),
        headers={"Content-Type": "application/json"},
        timeout=30,
    )


def test_it_answers_with_the_log_odds_of_the_model(
    served: str, model: Transformer
) -> None:
    for labels in (EPISODE["context_y"], [[0.0, 1.0, 1.0]], [[False, True, True]]):
        answer = ask(served, {**EPISODE, "context_y": labels})
        assert answer.status_code == 200, answer.text
        with torch.no_grad():
            expected = model(*map(torch.tensor, EPISODE.values()))
        np.testing.assert_allclose(answer.json()["predictions"], expected, rtol=1e-5)


def real_episodes() -> tuple[dict[str, Any], torch.Tensor]:
    """Episodes of the task as JSON has them, and what the model answers."""
    drawn = replace(TASKS["A"], dim=3).sample(5, n_context=4, stream="test")
    asked = {
        "context_x": drawn.context_x_BND,
        "context_y": drawn.context_y_BN,
        "query_x": drawn.query_x_BD,
    }
    with torch.no_grad():
        answered = initial_model(SETTINGS).eval()(*asked.values())
    return {name: value.tolist() for name, value in asked.items()}, answered


def test_real_episodes_are_served(served: str) -> None:
    episodes, expected = real_episodes()
    answer = ask(served, episodes)
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(answer.json()["predictions"], expected, rtol=1e-5)


def test_real_episodes_are_predicted_from_a_file(
    registry: Mapping[str, str], tmp_path: Path
) -> None:
    episodes, expected = real_episodes()
    asked, answered = tmp_path / "episodes.json", tmp_path / "answers.json"
    asked.write_text(json.dumps({"inputs": episodes}))
    command = [sys.executable, "-m", "mlflow", "models", "predict", "-m", MODEL]
    command += ["--env-manager", "local", "-i", str(asked), "-o", str(answered)]
    done = subprocess.run(
        command, env=registry, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(answered.read_text())["predictions"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_it_refuses_what_makes_no_sense_with_400_and_what_is_right(
    served: str,
) -> None:
    wrong = {}
    for change, said in REFUSED:
        answer = ask(served, {**EPISODE, **change})
        if answer.status_code != 400 or said not in answer.json()["message"]:
            wrong[str(change)] = (answer.status_code, answer.text[:500])
    assert wrong == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context_y": [[-1, 1, 1]]}, "context_y must hold 0 or 1 for each point"),
        ({"context_x": [[[np.nan] * 3] * 3]}, "context_x must hold finite numbers"),
        ({"context_y": [[0, 1]]}, "give one label for each point"),
    ],
)
def test_pyfunc_and_the_model_itself_refuse_with_the_same_sentence(
    stored: Path, model: Transformer, change: dict[str, Any], said: str
) -> None:
    episode = {**EPISODE, **change}
    arrays = {
        name: np.asarray(value, dtype=None if name == "context_y" else np.float32)
        for name, value in episode.items()
    }
    sentences = []
    for call in (
        lambda: mlflow.pyfunc.load_model(str(stored)).predict(arrays),
        lambda: model(*map(torch.as_tensor, arrays.values())),
    ):
        with pytest.raises(ValueError, match=said) as refused:
            call()
        sentences.append(str(refused.value))
    assert sentences[0] == sentences[1]
