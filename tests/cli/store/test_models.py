"""`icl-mlflow models` lists what is registered, and shows the card of one model."""

from typing import Any

import pytest

from icl_mlflow.tracking.store.connection import Store

Icl = Any  # the fixture in conftest.py


@pytest.mark.usefixtures("trained_store")
def test_models_are_listed_with_their_risks(icl: Icl) -> None:
    ended = icl("models", "--task", "A", "--variant", "baseline")
    assert ended.code == 0, ended.err
    titles, best, *others = ended.out.splitlines()
    assert titles.split("  ")[0] == "model"
    assert "best" in best.split()
    assert all("icl-A-baseline/" in line for line in (best, *others))
    assert not any("best" in line.split() for line in others)


@pytest.mark.usefixtures("trained_store")
def test_a_bar_that_none_passes_is_no_failure(icl: Icl) -> None:
    ended = icl("models", "--task", "A", "--bar", "-1")
    assert ended.code == 0
    said = "no registered model of A has an excess risk of at most -1 nats"
    assert ended.out.strip() == said


def test_a_card_is_shown(icl: Icl, trained_store: Store) -> None:
    version = trained_store.client.get_model_version_by_alias("icl-A-baseline", "best")
    ended = icl("models", "icl-A-baseline@best")
    assert ended.code == 0, ended.err
    assert "**Why this version is `best`:**" in ended.out
    uri = f"models:/icl-A-baseline/{version.version}"
    assert f'icl.load_model("{uri}")' in ended.out
    assert "| exact Bayes, the same test episodes |" in ended.out


@pytest.mark.usefixtures("trained_store")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "Z"], "unknown task of a registered model 'Z'; choose one of: A"),
        (["--bar", "nan"], "bar must be a number of nats, not nan"),
        (["--bar", "low"], "'low' is not a valid float"),
        (["icl-Z"], "there is no registered model 'icl-Z'"),
        (["icl-A-baseline", "--task", "A"], "give a model to show, or task to list"),
    ],
)
def test_bad_input_is_one_line(icl: Icl, arguments: list[str], said: str) -> None:
    ended = icl("models", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1
