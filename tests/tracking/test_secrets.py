"""No secret of the environment is kept or shown, in whatever form it comes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.suite.member import train_member
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.uri import redacted
from icl_mlflow.training.settings import TrainSettings
from tests.cli.conftest import icl

__all__ = ["icl"]


@pytest.mark.parametrize(
    ("name", "value", "text", "left"),
    [
        ("MY_API_TOKEN", "t0ps3cret", "Bearer t0ps3cret", "Bearer ***"),
        ("my_api_token", "t0ps3cret", "Bearer t0ps3cret", "Bearer ***"),
        ("DbPassword", "hunter22", "pw hunter22", "pw ***"),
        ("AWS_SECRET_ACCESS_KEY", "a/b+c/d=", "?key=a%2Fb%2Bc%2Fd%3D", "?key=***"),
        ("SIGNING_KEY", "line\n", "a line", "a line"),  # too short to hide anything
        ("SIGNING_KEY", "t0ps3cret\n", "t0ps3cret", "***"),
        ("DATABASE_URL", "mysql://ann:hunter22@db/x", "pw hunter22", "pw ***"),
        ("PROXY", "http://ann:p%40ssword@proxy", "pw p@ssword", "pw ***"),
        ("X", "", "git clone https://ann:pa@55@host/x", "git clone https://***@host/x"),
        ("X", "", "https://t0ken@host, http://b@c", "https://***@host, http://***@c"),
    ],
)
def test_every_form_of_a_secret_is_hidden(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str, left: str
) -> None:
    monkeypatch.setenv(name, value)
    assert redacted(text) == left


def test_of_a_secret_within_another_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_TOKEN", "abcdef")
    monkeypatch.setenv("B_TOKEN", "12abcdef34")
    assert redacted("12abcdef34") == "***"


def test_an_error_takes_no_secret_into_the_log_of_a_run(
    store: Store, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "t0ps3cret")

    def fail(_: object) -> None:
        raise ConnectionError("GET https://ann:pa55word@host/?token=t0ps3cret")

    few = {"train_episodes": 128, "val_episodes": 32, "test_episodes": 32}
    chosen = TrainSettings.preset("smoke", **few, warmup=0.9, threads=1)
    with pytest.raises(ConnectionError):
        train_member(store, chosen, on_epoch=fail)
    (log,) = new_folder.glob("mlruns/**/train.log")
    assert "ended by ConnectionError: GET https://***@host/?token=***" in (
        log.read_text()
    )
    for file in new_folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"t0ps3cret" not in content, file
            assert b"pa55word" not in content, file


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:hunter22@",
        "http://ann:hunter22@127.0.0.1:9",
        "postgresql://ann:hunter22@127.0.0.1:9/runs",
        "file://ann:hunter22@host/runs",
        "gopher://ann:hunter22@host",
    ],
)
def test_no_line_of_a_command_shows_the_password_of_the_store(
    new_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    icl: Callable[..., Any],
    uri: str,
) -> None:
    del new_folder
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    ended = icl("reap")
    assert ended.code == 2
    assert ended.err.startswith("Error: ")
    assert "hunter22" not in ended.out + ended.err
