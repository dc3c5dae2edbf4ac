"""A server is asked with the credentials that MLflow's own requests would carry."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from icl_mlflow.tracking.store.server import ask

VARIABLES = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)


class Listening:
    """A server that notes who asks.

    Attributes:
        port: on this machine.
        asked: method, path and authorization of every request.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(
                    (self.command, self.path, self.headers.get("Authorization"))
                )
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.service.server_port


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    found = Listening()
    thread = threading.Thread(target=found.service.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.service.shutdown()
    thread.join()
    found.service.server_close()


@pytest.fixture
def credentials_file(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """MLflow's file in the home folder, where it is wanted."""
    if request.param:
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(
            "[mlflow]\nmlflow_tracking_username = eve\nmlflow_tracking_password = f1le"
        )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {VARIABLES[0]: "ann", VARIABLES[1]: "s3cret"},
        {VARIABLES[0]: "ann", VARIABLES[1]: "pässword:@/"},
        {VARIABLES[2]: "t0ken"},
        {VARIABLES[0]: "ann", VARIABLES[1]: "s3cret", VARIABLES[2]: "t0ken"},
        {VARIABLES[0]: "ann"},
    ],
    ids=["nobody", "user", "accents", "token", "user and token", "no password"],
)
@pytest.mark.parametrize("user_in_uri", ["", "bob:other@"])
@pytest.mark.parametrize("credentials_file", [False, True], indirect=True)
@pytest.mark.usefixtures("credentials_file")
def test_the_credentials_are_those_of_mlflow(
    given: dict[str, str],
    user_in_uri: str,
    listening: Listening,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    uri = f"http://{user_in_uri}127.0.0.1:{listening.port}"
    assert ask(uri, "/api/some", timeout=5).ok
    http_request(get_default_host_creds(uri), "/api/some", "GET", max_retries=0)
    ours, mlflows = listening.asked
    assert ours == mlflows


def test_a_body_is_posted(listening: Listening) -> None:
    ask(f"http://127.0.0.1:{listening.port}/", "/api/some", {"a": 1}, timeout=5)
    assert listening.asked == [("POST", "/api/some", None)]
