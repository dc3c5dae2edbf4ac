"""A token goes to the host of MLFLOW_TRACKING_URI, whatever others have written."""

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from icl_mlflow.tracking.models.lookup import ModelError, load_model, models_of_run
from icl_mlflow.tracking.outbox.sync import sync
from icl_mlflow.tracking.runs.results import read_member
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.tracking.store.uri import StoreError

WORD = "a-token-of-mine"


class Thief:
    """A server that nobody has asked for.

    Attributes:
        host: where it listens.
        heard: of every request, what it said of who asks.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.heard: list[str] = []


@pytest.fixture
def thief(monkeypatch: pytest.MonkeyPatch) -> Iterator[Thief]:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", WORD)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.heard.append(str(self.headers.get("Authorization")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as service:
        made = Thief(f"127.0.0.1:{service.server_port}")
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield made
        service.shutdown()
        thread.join()


def journal_for(place: str, folder: Path) -> str:
    """Records that say that they are for some place; the id of their run."""
    run_id = "0123456789abcdef0123456789abcdef"
    journal = folder / ".icl_mlflow" / "runs" / run_id / "journal"
    journal.mkdir(parents=True)
    about = {"run_id": run_id, "name": "a", "experiment_id": "0", "place": place}
    (journal / "about.json").write_text(json.dumps(about))
    (journal / "records").touch()
    (journal / "delivered").touch()
    return run_id


@pytest.mark.parametrize("ours", ["a database", "a server"])
def test_sync_sends_no_token_to_the_server_that_a_folder_names(
    *,
    thief: Thief,
    store: Store,
    new_folder: Path,
    ours: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del store
    if ours == "a server":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("server_uri"))
        monkeypatch.setenv("ICL_MLFLOW_STATE", str(new_folder / ".icl_mlflow"))
    done = sync(journal_for(f"http://{thief.host}", new_folder))
    assert done is not None
    assert f"its records are for http://{thief.host}" in done.problem
    assert "MLFLOW_TRACKING_URI" in done.problem
    assert thief.heard == []


def test_sync_sends_no_password_to_the_database_that_a_folder_names(
    store: Store, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del store
    monkeypatch.setenv("PGPASSWORD", WORD)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        place = f"postgresql://127.0.0.1:{listening.getsockname()[1]}/runs"
        done = sync(journal_for(place, new_folder))
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert done is not None
    assert place in done.problem


def test_sync_goes_to_the_server_of_the_user(
    server_store: Store, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICL_MLFLOW_STATE", str(new_folder / ".icl_mlflow"))
    done = sync(journal_for(server_store.place, new_folder))
    assert done is not None
    assert "passwords" not in done.problem


def locations(thief: Thief) -> list[str]:
    return [f"http://{thief.host}/files", f"mlflow-artifacts://{thief.host}/files"]


@pytest.fixture(params=[0, 1], ids=["http", "mlflow-artifacts"])
def elsewhere(
    request: pytest.FixtureRequest,
    thief: Thief,
    store: Store,
) -> str:
    """An experiment that keeps its files elsewhere; its name.

    A server refuses such a place; a database that several people share does not.
    """
    name = f"elsewhere-{request.param}-{thief.host}"
    store.client.create_experiment(name, locations(thief)[request.param])
    return name


def test_an_experiment_with_files_elsewhere_gets_no_run(
    thief: Thief, elsewhere: str
) -> None:
    with pytest.raises(StoreError, match=f"another server, .*//{thief.host}"):
        connect(elsewhere)
    assert thief.heard == []


@pytest.mark.parametrize(
    "read",
    [
        read_member,
        lambda store, run_id: models_of_run(store.client, run_id),
    ],
    ids=["member", "models"],
)
def test_files_of_a_run_elsewhere_are_not_fetched(
    thief: Thief,
    store: Store,
    elsewhere: str,
    read: Callable[[Store, str], object],
) -> None:
    client = store.client
    experiment = client.get_experiment_by_name(elsewhere)
    run_id = client.create_run(experiment.experiment_id).info.run_id
    client.set_terminated(run_id)
    with pytest.raises(StoreError, match="MLFLOW_TRACKING_URI"):
        read(store, run_id)
    assert thief.heard == []


@pytest.mark.parametrize("kind", [0, 1], ids=["http", "mlflow-artifacts"])
def test_a_model_elsewhere_is_not_fetched(
    thief: Thief, store: Store, kind: int
) -> None:
    run_id = store.client.create_run(store.experiment_id).info.run_id
    store.client.create_registered_model("theirs")
    store.client.create_model_version("theirs", locations(thief)[kind], run_id)
    with pytest.raises(ModelError, match="MLFLOW_TRACKING_URI"):
        load_model("models:/theirs/1")
    assert thief.heard == []
