"""`icl-mlflow reproduce`: what makes no sense is refused before a run exists."""

from collections.abc import Callable
from typing import Any

import pytest

import icl_mlflow
from icl_mlflow.tracking.store.connection import Store

Icl = Callable[..., Any]


def test_what_makes_no_sense_is_refused_before_a_run_exists(
    store: Store, icl: Icl
) -> None:
    for arguments, message in (
        (["--page_only"], "no training of these settings has finished in experiment"),
        (["--tau", "9"], "No such option"),
        (["--seeds", "0-"], "seeds must be like"),
        (["--resume", "0" * 32], "names one run, but many are trained"),
    ):
        ended = icl("reproduce", *arguments, "--experiment", "tests")
        assert ended.code == 2
        assert message in ended.err.splitlines()[-1]
    assert store.client.search_runs([store.experiment_id]) == []
    for wrong in ({"tau": 9}, {"task": "B"}, {"variant": "no_labels"}):
        with pytest.raises(ValueError, match="the paper's tasks and variants"):
            icl_mlflow.reproduce(**wrong)
