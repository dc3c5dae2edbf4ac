"""A tracking URI means one store, whatever the working folder, and shows no secret."""

import os
import threading
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.store.uri import (
    StoreError,
    anchored,
    artifact_folder,
    is_elsewhere,
    is_of_storage,
    redacted,
    scheme_of,
    shown,
    sqlite_file,
    sqlite_uri,
    tracking_uri,
    without_secrets,
)


@pytest.mark.parametrize("given", [None, "", " "])
def test_without_a_word_it_is_the_database_of_this_folder(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    if given is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert tracking_uri() == f"sqlite:///{new_folder}/mlflow.db"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sqlite:////data/my%20runs.db", "sqlite:////data/my runs.db"),
        ("https://mlflow.example.org/team/", "https://mlflow.example.org/team"),
        ("postgresql://ann:pw@db/runs", "postgresql://ann:pw@db/runs"),
    ],
)
def test_a_store_that_is_named_is_meant(
    monkeypatch: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert tracking_uri() == meant


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("./mlruns", "no longer keeps runs in folders such as './mlruns'; set"),
        ("file:///data/mlruns", "set MLFLOW_TRACKING_URI to sqlite:///FILE"),
        ("ftp://host/runs", "unknown scheme 'ftp'.* choose one of: http://HOST:PORT"),
        ("https://", "names no host"),
        ("sqlite://", "names no file, so nothing would be kept"),
        ("sqlite:///:memory:", "names no file, so nothing would be kept"),
    ],
)
def test_a_place_that_keeps_no_runs_is_refused_with_what_is_right(
    monkeypatch: pytest.MonkeyPatch, given: str, said: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    with pytest.raises(StoreError, match=said):
        tracking_uri()


def test_a_file_that_was_found_once_is_found_from_another_folder(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = Path("runs.db")
    (new_folder / name).touch()
    (new_folder / "elsewhere").mkdir()
    assert anchored(name) == new_folder / name
    monkeypatch.chdir("elsewhere")
    assert anchored(name) == new_folder / name
    Path(name).touch()  # one that is here is meant
    assert anchored(name) == new_folder / "elsewhere" / name


@pytest.mark.parametrize(
    ("location", "uri", "elsewhere"),
    [
        ("mlflow-artifacts:/0/ab", "https://a.org", False),
        ("mlflow-artifacts://a.org/0/ab", "https://a.org", False),
        ("mlflow-artifacts://b.org/0/ab", "https://a.org", True),
        ("https://a.org:443/files", "https://a.org", False),
        ("https://a.org:8443/files", "https://a.org", True),
        ("http://a.org/files", "https://a.org", True),
        ("http://a.org/files", "sqlite:////data/mlflow.db", True),
        ("s3://bucket/files", "https://a.org", False),
        ("/data/mlruns/0", "sqlite:////data/mlflow.db", False),
    ],
)
def test_files_are_elsewhere_at_any_server_but_that_of_the_store(
    location: str, uri: str, *, elsewhere: bool
) -> None:
    assert is_elsewhere(location, uri) is elsewhere


def test_a_file_and_its_uri_name_each_other() -> None:
    file = Path("/data/my runs.db")
    assert sqlite_file(sqlite_uri(file)) == file
    assert artifact_folder(sqlite_uri(file)) == Path("/data/mlruns")
    assert artifact_folder("https://a.org") is None
    assert scheme_of("postgresql+psycopg2://h/db") == "postgresql"


def test_people_see_no_user_password_or_query() -> None:
    assert (
        shown("https://ann:pw@a.org:5000/base?token=x#y") == "https://a.org:5000/base"
    )
    assert shown("sqlite:////data/mlflow.db?key=x") == "sqlite:////data/mlflow.db"


def test_of_a_message_the_first_line_is_left_without_secrets() -> None:
    uri = "postgresql://joe:p%40ss@db/runs"
    text = "\n  \ncannot connect to postgresql://joe:p%40ss@db/runs as joe with p@ss\nx"
    assert without_secrets(text, uri) == (
        "cannot connect to postgresql://***@db/runs as *** with ***"
    )
    assert without_secrets("\n", uri) == "no reason given"


def test_a_short_name_is_no_part_of_other_words() -> None:
    uri = "postgresql://ann:pw@db.example.org/runs"
    text = 'cannot log in: password "pw9" of user "ann" is wrong'
    assert without_secrets(text, uri) == (
        'cannot log in: password "***9" of user "***" is wrong'
    )


def test_what_a_store_or_a_disk_has_raised_is_told_from_our_own_faults() -> None:
    for error in (MlflowException("x"), StoreError("x"), FileNotFoundError("x")):
        assert is_of_storage(error)
    assert not is_of_storage(ValueError("x"))


def test_a_variable_that_goes_meanwhile_is_no_failure() -> None:
    """MLflow's telemetry sets and removes one in a thread of its own."""
    stopped = threading.Event()

    def change() -> None:
        while not stopped.is_set():
            os.environ["ICL_MLFLOW_TEST_PASSING"] = "1"
            os.environ.pop("ICL_MLFLOW_TEST_PASSING")

    other = threading.Thread(target=change)
    other.start()
    try:
        for _ in range(3_000):
            assert redacted("nothing to hide") == "nothing to hide"
    finally:
        stopped.set()
        other.join()
