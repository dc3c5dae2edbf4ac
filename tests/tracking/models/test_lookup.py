"""Stored models are found by every name, in order, or refused in one line."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pytest
from mlflow import MlflowClient

from icl_mlflow.tracking.models.lookup import (
    ModelError,
    StoredModel,
    find_model,
    load_model,
    load_stored,
    models_of_run,
)
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store, StoreError
from icl_mlflow.training.settings import TrainSettings

Keep = Any  # the fixture in conftest.py


def finished(store: Store, **opening: Any) -> RunLog:
    """A finished run that kept nothing."""
    plain = {"name": "a", "kind": "train", "params": {}, "tags": {}, "description": ""}
    with open_run(store, **{**plain, **opening}) as log:
        return log


def refusal(load: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as refused:
        load()
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("where", ["store", "server_store"])
def test_a_run_has_its_model(
    request: pytest.FixtureRequest, where: str, keep: Keep
) -> None:
    store = request.getfixturevalue(where)
    run_id, registered = keep(store, TrainSettings(dim=3, d_model=8, n_heads=2, seed=7))
    (stored,) = models_of_run(store.client, run_id)
    assert stored.reference == registered.uri
    assert stored.run_id == run_id
    assert stored.tags["sha256"] == registered.sha256
    assert load_stored(store.client, stored).settings.seed == 7
    assert find_model(store.client, f"runs:/{run_id}/model") == stored
    assert find_model(store.client, registered.uri) == stored


def test_every_name_that_mlflow_has_for_a_model_will_do(trained_store: Store) -> None:
    client = trained_store.client
    newest = client.get_registered_model("icl-A-baseline").latest_versions[0]
    with pytest.warns(FutureWarning):
        client.transition_model_version_stage(newest.name, newest.version, "Staging")
    wanted = find_model(client, f"models:/{newest.name}/{newest.version}")
    for reference in ("latest", "Latest", "Staging", "staging"):
        assert find_model(client, f"models:/{newest.name}/{reference}") == wanted
    (output,) = client.get_run(newest.run_id).outputs.model_outputs
    by_id = load_model(f"models:/{output.model_id}")
    assert by_id.sha256 == wanted.tags["sha256"]
    for reference in ("models:/m-unknown", "models:/unknown/latest"):
        assert reference in refusal(lambda name=reference: find_model(client, name))


def test_a_parent_has_the_models_of_its_children_in_seed_order(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    parent = finished(store)
    for seed in (10, 2, 0):
        keep(store, replace(settings, seed=seed), parent_run_id=parent.run_id)
    finished(store, parent_run_id=parent.run_id)  # one that failed, say
    keep(store)  # a stranger
    found = models_of_run(store.client, parent.run_id)
    assert [model.tags["seed"] for model in found] == ["0", "2", "10"]
    message = refusal(lambda: load_model(parent.run_id))
    assert "has 3 models" in message
    assert all(model.reference in message for model in found)


def test_a_model_that_was_logged_but_not_registered_is_found(
    store: Store, keep: Keep
) -> None:
    run_id, registered = keep(store)
    store.client.delete_model_version(registered.name, registered.version)
    assert load_model(run_id).sha256 == registered.sha256


def test_a_run_that_failed_after_keeping_its_model_still_gives_it(
    store: Store, keep: Keep
) -> None:
    run_id, _ = keep(store)
    store.client.set_terminated(run_id, "FAILED")
    assert load_model(run_id).settings.task == "A"


@pytest.mark.parametrize(
    "reference",
    [
        "f" * 32,
        f"runs:/{'f' * 32}",
        "not/a run",
        "",
        "models:/icl-A-baseline/1",
        "models:/icl-A-baseline@best",
        "models:/icl-A-baseline@no such alias",
        "models:/icl-A-baseline",
        "models:/icl-A-baseline/latest",
    ],
)
def test_what_does_not_exist_is_named(store: Store, reference: str) -> None:
    message = refusal(lambda: find_model(store.client, reference))
    assert reference.removeprefix("runs:/") in message


def test_a_deleted_run_says_how_to_restore_it(store: Store, keep: Keep) -> None:
    run_id, _ = keep(store)
    store.client.delete_run(run_id)
    message = refusal(lambda: load_model(run_id))
    assert f"mlflow runs restore --run-id {run_id}" in message


def test_a_run_that_goes_on_is_waited_for(store: Store) -> None:
    run_id = store.client.create_run(store.experiment_id).info.run_id
    assert "still running" in refusal(lambda: load_model(run_id))


def test_a_run_without_a_model_says_so(store: Store) -> None:
    assert "has no model" in refusal(lambda: load_model(finished(store).run_id))


class Foreign(mlflow.pyfunc.PythonModel):
    """Somebody else's model, pickled; loading it would run its code."""

    def predict(
        self, context: object, model_input: list[str], params: object = None
    ) -> list[str]:
        del context, params
        return model_input

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return pytest.fail, ("a foreign model was unpickled",)


def test_a_model_of_another_project_is_refused_unread(
    store: Store, new_folder: Path
) -> None:
    run = finished(store)
    folder = new_folder / "foreign"
    mlflow.pyfunc.save_model(
        folder, python_model=Foreign(), pip_requirements=["mlflow"]
    )
    logged = store.client.create_logged_model(
        store.experiment_id, name="model", source_run_id=run.run_id
    )
    store.client.log_model_artifacts(logged.model_id, str(folder))
    store.client.create_registered_model("foreign")
    store.client.create_model_version(
        "foreign", logged.artifact_location, run.run_id, model_id=logged.model_id
    )
    for reference in ("models:/foreign/1", run.run_id):
        message = refusal(lambda r=reference: load_model(r))
        assert "models:/foreign/1 is not a model of this project" in message


def test_a_version_whose_files_are_gone_is_refused(
    store: Store, keep: Keep, new_folder: Path
) -> None:
    run_id, registered = keep(store)
    (weights,) = new_folder.glob("mlruns/**/model.safetensors")
    weights.unlink()
    message = refusal(lambda: load_model(run_id))
    assert f"{registered.uri}: model.safetensors is missing" in message


def test_weights_that_were_exchanged_together_with_their_hash_are_refused(
    store: Store, keep: Keep, settings: TrainSettings, new_folder: Path
) -> None:
    """The files agree with each other, but not with the registry."""
    _, registered = keep(store)
    files = {f.name: f for f in new_folder.glob("mlruns/**/package/*")}
    keep(store, replace(settings, seed=1))
    for other in new_folder.glob("mlruns/**/package/*"):
        if other not in files.values():
            files[other.name].write_bytes(other.read_bytes())
    message = refusal(lambda: load_model(registered.uri))
    assert "model.safetensors is not the file that was registered" in message


def test_an_unreachable_server_is_named(
    monkeypatch: pytest.MonkeyPatch, new_folder: Path
) -> None:
    del new_folder
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:1 is not reachable"):
        load_model("f" * 32)


@pytest.fixture
def hostile(new_folder: Path) -> Iterator[str]:
    """A server whose listings name files outside of every folder."""
    del new_folder

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listing = [
                {"path": "model.json", "is_dir": True, "file_size": 0},
                {"path": "../../../escaped.txt", "is_dir": False, "file_size": 1},
            ]
            answer = json.dumps({"files": listing}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}"
        service.shutdown()
        thread.join()


def test_a_listing_cannot_lead_out_of_the_folder(
    hostile: str, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = new_folder / "a" / "b" / "c" / "d"
    downloads.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(downloads))
    location = f"{hostile}/api/2.0/mlflow-artifacts/artifacts/model"
    stored = StoredModel("models:/evil/1", "", location, {})
    message = refusal(lambda: load_stored(MlflowClient(tracking_uri=hostile), stored))
    assert "model.json cannot be read: it is a folder" in message
    assert [f for f in new_folder.rglob("*") if f.is_file()] == []
