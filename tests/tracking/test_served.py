"""A model that `mlflow models serve` serves: right numbers, or HTTP 400 and why."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
import requests
import torch

from icl_mlflow.models import Transformer
from icl_mlflow.tracking.models.packaging import packaged
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings(dim=3, n_context=4, d_model=8, n_heads=2)

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
def served(stored: Path) -> Iterator[str]:
    """The address of a server of the model, a process group of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(stored)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    scripts = str(Path(sys.executable).parent)  # it starts `uvicorn`
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    with (stored.parent / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": path},
        )
    uri = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    try:
        while not _is_up(uri):
            assert server.poll() is None, (stored.parent / "log").read_text()
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
