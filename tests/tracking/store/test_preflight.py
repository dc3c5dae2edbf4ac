"""A store that cannot be used is refused within 5 s, in one line, without secrets."""

import http.server
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from icl_mlflow.tracking.store.connection import StoreError, connect
from icl_mlflow.tracking.store.last_contact import heard_from
from icl_mlflow.tracking.store.preflight import LIMIT, check_store

Refusal = Callable[[str], str]


@pytest.fixture
def refusal(new_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Refusal:
    """What `connect` says of a URI, having taken under 5 s and created nothing."""

    def refuse(uri: str) -> str:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        before = sorted(new_folder.rglob("*"))
        started = time.monotonic()
        with pytest.raises(StoreError) as refused:
            connect("tests")
        assert time.monotonic() - started < 5
        assert sorted(new_folder.rglob("*")) == before
        message = str(refused.value)
        assert len(message.splitlines()) == 1
        return message

    return refuse


@contextmanager
def answering(
    status: int | Callable[[], int], body: str, seconds: float = 0
) -> Iterator[str]:
    """Another service on this machine, that answers every request alike."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(seconds)
            self.send_response(status() if callable(status) else status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{service.server_port}"
        finally:
            service.shutdown()
            thread.join()


def test_nobody_listens(refusal: Refusal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        message = refusal(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "connection refused" in message


def test_a_server_that_trickles(refusal: Refusal) -> None:
    """One byte at a time: every single read is fast enough, the whole never ends."""
    stop = threading.Event()

    def trickle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not stop.wait(0.5):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle, args=(listening,))
        thread.start()
        message = refusal(f"http://127.0.0.1:{listening.getsockname()[1]}")
        stop.set()
        thread.join()
    assert "does not answer within 5 seconds" in message


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "", "wants a password; set MLFLOW_TRACKING_USERNAME"),
        (403, "", "wants a password; set MLFLOW_TRACKING_USERNAME"),
        (403, "Invalid Host header", "--allowed-hosts"),
        (500, "", "HTTP 500"),
        (503, "<h1>busy</h1>", "HTTP 503"),
        (404, "", "not an MLflow tracking server"),
        (200, "<html>hello</html>", "not an MLflow tracking server"),
        (200, '["json"]', "not an MLflow tracking server"),
        (200, '{"status": "ok"}', "not an MLflow tracking server"),
    ],
)
def test_a_server_that_does_not_let_us_work(
    refusal: Refusal, status: int, body: str, said: str
) -> None:
    with answering(status, body) as uri:
        assert said in refusal(uri)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"USERNAME": "ann"}, "wants a password; set MLFLOW_TRACKING_PASSWORD"),
        ({"USERNAME": "ann", "PASSWORD": "wrong"}, "not accept the user and password"),
        ({"TOKEN": "wrong"}, "not accept the token of MLFLOW_TRACKING_TOKEN"),
    ],
)
def test_credentials_that_are_wrong_are_not_called_missing(
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
    sent: dict[str, str],
    said: str,
) -> None:
    for name, value in sent.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    with answering(401, "") as uri:
        assert said in refusal(uri)


def test_a_server_may_take_as_long_as_the_user_grants_a_request(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del new_folder
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    with answering(200, "{}", seconds=LIMIT + 1) as uri:
        check_store(uri)


def test_a_server_is_asked_as_often_as_the_user_says(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del new_folder
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    statuses = iter([503, 503, 200])
    with answering(lambda: next(statuses), "{}") as uri:
        check_store(uri)


@pytest.mark.parametrize("uri", ["http://no-such-host.invalid:5000", "https://h:1"])
def test_a_proxy_that_is_away_is_what_is_named(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        proxy = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        assert "behind a proxy that cannot be reached" in refusal(uri)


@pytest.mark.parametrize(
    "variable", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"]
)
def test_a_certificate_file_that_is_missing_is_what_is_named(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/no/such/authority.pem")
    message = refusal("https://127.0.0.1:1")
    assert variable in message
    assert "is missing" in message


def test_a_crowded_server_is_not_away(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request at a time, each soon done: the last of six waits for 7 s."""
    with answering(200, "{}", seconds=1.2) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        failures: list[Exception] = []

        def ask() -> None:
            try:
                check_store(uri)
            except StoreError as error:
                failures.append(error)

        crowd = [threading.Thread(target=ask) for _ in range(6)]
        began = time.monotonic()
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        assert failures == []
        assert time.monotonic() - began > LIMIT
    assert list(new_folder.iterdir()) == []


def test_a_server_that_others_have_heard_from_long_ago_is_away(
    refusal: Refusal,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        heard_from(uri)
        assert "does not answer within 5 seconds" in refusal(uri)


def test_a_host_that_does_not_exist(refusal: Refusal) -> None:
    assert "cannot be resolved" in refusal("http://no-such-host.invalid:5000")


def test_http_where_https_is_said(refusal: Refusal) -> None:
    with answering(200, "{}") as uri:
        assert "TLS" in refusal(uri.replace("http", "https"))


def test_no_secret_is_shown(refusal: Refusal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        message = refusal(f"http://ann:s3cret@127.0.0.1:{port}/base?token=t0ken")
    assert f"http://127.0.0.1:{port}/base" in message
    for secret in ("ann", "s3cret", "t0ken"):
        assert secret not in message


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://host/runs", "unknown scheme 'ftp'"),
        ("./mlruns", "sqlite:///FILE"),
        ("file:///data/mlruns", "sqlite:///FILE"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////no/such/folder/mlflow.db", "no folder /no/such/folder"),
        ("sqlite:////proc/mlflow.db", "cannot write in /proc"),
        ("http://", "names no host"),
    ],
)
def test_a_place_that_cannot_keep_runs(refusal: Refusal, uri: str, said: str) -> None:
    assert said in refusal(uri)


def test_a_file_that_is_no_database(refusal: Refusal, new_folder: Path) -> None:
    file = new_folder / "notes.db"
    file.write_text("These are my notes.\n" * 100)
    assert "not a sqlite database" in refusal(f"sqlite:///{file}")


def test_a_pipe_where_the_database_should_be(
    refusal: Refusal, new_folder: Path
) -> None:
    os.mkfifo(new_folder / "mlflow.db")
    assert "mlflow.db is not a sqlite database" in refusal("")


def test_a_damaged_database(
    refusal: Refusal, new_folder: Path, empty_database: Path
) -> None:
    file = new_folder / "mlflow.db"
    content = bytearray(empty_database.read_bytes())
    content[100:4000] = bytes(3900)  # the schema is on the first page
    file.write_bytes(content)
    assert "cannot be used" in refusal(f"sqlite:///{file}")


def test_a_file_where_the_artifacts_should_go(
    refusal: Refusal, new_folder: Path
) -> None:
    (new_folder / "mlruns").write_text("not a folder")
    assert "mlruns is not a folder" in refusal("")


def test_a_database_server_that_is_not_there(refusal: Refusal) -> None:
    message = refusal("postgresql://ann:s3cret@127.0.0.1:1/mlflow")
    assert "postgresql://127.0.0.1:1/mlflow" in message
    assert "s3cret" not in message
