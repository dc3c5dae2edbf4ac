"""A failed request is told in words of the one who made it, and what to do about it."""

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from icl_mlflow.tracking.store.failures import is_denied, meaning, refusal

URI = "http://127.0.0.1:5000"
USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


@pytest.fixture(autouse=True)
def _without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


def answer(code: int, text: str = "") -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = code, text.encode()
    return made


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (
            403,
            "Invalid Host header",
            "does not accept this host name; start it with --allowed-hosts",
        ),
        (500, "", "is in trouble: it answers HTTP 500"),
        (503, "<h1>busy</h1>", "is in trouble: it answers HTTP 503"),
        (
            404,
            "",
            "is not an MLflow tracking server (it answers HTTP 404 to a listing)",
        ),
    ],
)
def test_an_answer_that_is_no_listing_is_explained(
    code: int, text: str, said: str
) -> None:
    assert refusal(URI, answer(code, text)) == said


@pytest.mark.parametrize(
    ("sent", "uri", "said"),
    [
        (
            {},
            URI,
            f"wants a password; set {USER} and {PASSWORD}, or MLFLOW_TRACKING_TOKEN",
        ),
        ({"USERNAME": "ann"}, URI, "wants a password; set MLFLOW_TRACKING_PASSWORD"),
        (
            {"USERNAME": "ann", "PASSWORD": "pw"},
            URI,
            f"does not accept the user and password; look at {USER}, {PASSWORD}",
        ),
        ({}, "http://ann:pw@127.0.0.1:5000", "does not accept the user and password"),
        ({"TOKEN": "t0ken"}, URI, "does not accept the token of MLFLOW_TRACKING_TOKEN"),
    ],
)
def test_what_is_wrong_with_the_credentials_is_what_was_sent(
    monkeypatch: pytest.MonkeyPatch, sent: dict[str, str], uri: str, said: str
) -> None:
    for name, value in sent.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    for code in (401, 403):
        found = refusal(uri, answer(code))
        assert found.startswith(f"does not let us in (HTTP {code}): it {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[Errno 111] Connection refused", "is the server running?"),
        ("Read timed out. (read timeout=5)", "does not answer in time"),
        ("Failed to resolve 'mlflow.example.org'", "cannot be resolved"),
        ("[Errno -2] Name or service not known", "cannot be resolved"),
        ("Unable to connect to proxy; timed out", "behind a proxy"),
        ("certificate verify failed", "MLFLOW_TRACKING_SERVER_CERT_PATH"),
        ("(sqlite3.OperationalError) database is locked", "locked by another program"),
        ("something else", ""),
    ],
)
def test_a_failure_is_told_by_what_its_libraries_say(text: str, said: str) -> None:
    found = meaning(RuntimeError(text))
    assert said in found
    assert bool(found) == bool(said)


def test_the_reason_may_be_any_of_the_errors_behind_it() -> None:
    inner, middle = OSError("Connection refused"), ValueError("no answer")
    middle.__context__ = inner
    outer = RuntimeError("API request failed")
    outer.__cause__ = middle
    assert "connection refused" in meaning(outer)


def denied(path: str) -> MlflowException:
    """What MLflow's client says of an answer 403 of its basic-auth."""
    return MlflowException(
        f"API request to endpoint /api/2.0/mlflow/{path} failed with error code "
        "403 != 200. Response body: 'Permission denied'",
        PERMISSION_DENIED,
    )


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (denied("runs/create"), "EDIT on the experiment (runs/create)"),
        (denied("runs/log-batch"), "EDIT on the experiment (runs/log-batch)"),
        (denied("runs/get"), "READ on the experiment (runs/get)"),
        (
            denied("experiments/get-by-name"),
            "READ on the experiment (experiments/get-by-name)",
        ),
        (
            denied("model-versions/create"),
            "EDIT on the registered model (model-versions/create)",
        ),
        (
            denied("registered-models/alias"),
            "READ on the registered model (registered-models/alias)",
        ),
        (
            requests.HTTPError(
                "403 Client Error: FORBIDDEN for url: "
                f"{URI}/api/2.0/mlflow-artifacts/artifacts/1/ab/artifacts/x.csv"
            ),
            "EDIT on the experiment (artifacts)",
        ),
    ],
)
def test_what_is_denied_is_said_with_the_permission_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, error: Exception, wanted: str
) -> None:
    said = f"does not permit this to us; ask the owner for the permission {wanted}"
    assert meaning(error, URI) == said
    monkeypatch.setenv(USER, "bob")
    assert meaning(error, URI) == said.replace("to us", "to user 'bob'")
    of_uri = URI.replace("//", "//a%40b:pw@")
    assert meaning(error, of_uri) == said.replace("to us", "to user 'a@b'")
    outer = RuntimeError("failed")
    outer.__cause__ = error
    assert is_denied(outer)


def test_a_file_that_may_not_be_written_is_no_matter_of_the_server() -> None:
    error = PermissionError(13, "Permission denied", "/srv/x")
    assert not is_denied(error)
    assert meaning(error) == ""
