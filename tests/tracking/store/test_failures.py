"""A failed request is told in words of the one who made it, and what to do about it."""

import pytest
import requests

from icl_mlflow.tracking.store.failures import meaning, refusal

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
