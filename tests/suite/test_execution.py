"""How a suite is carried out is checked before anything is."""

from typing import Any

import pytest

from icl_mlflow.suite.execution import Execution


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": "threads"}, "choose one of: auto, processes, stacked, ray"),
        ({"jobs": -1}, "jobs must be at least 0, not -1"),
        ({"ray_address": "10.0.0.1:6379"}, "ray_address is for engine=ray; give both"),
        ({"resume": "../x"}, "resume must be auto, never or the id of a run"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Execution(**given)


def test_an_engine_is_for_several_models() -> None:
    Execution(resume="0a1b2c", jobs=2).check_one()
    with pytest.raises(ValueError, match="give seeds, such as 0-9"):
        Execution(engine="processes").check_one()


def test_one_run_to_go_on_with_is_for_one_model() -> None:
    for resume in ("auto", "never"):
        Execution(resume=resume, engine="processes").check_several()
    with pytest.raises(ValueError, match="resume=0a1b2c names one run, but many are"):
        Execution(resume="0a1b2c").check_several()
