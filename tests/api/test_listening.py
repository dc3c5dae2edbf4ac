"""Who hears of epochs: the progress that is shown, and others."""

import pytest

from icl_mlflow.api.listening import heard_epochs, nothing
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import several_seeds
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings

EPOCH = Epoch(
    epoch=0,
    metrics={
        "train/loss": 0.5,
        "val/loss": 0.5,
        "val/excess_risk": 0.1,
        "episodes_per_second": 1e6,
    },
)


def test_whoever_is_quiet_hears_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = TrainSettings.preset("smoke")
    request = several_seeds(settings, [0, 1], Execution())
    heard: list[str] = []
    for quiet in (True, False):
        with heard_epochs(
            request,
            request.members,
            "2 seeds",
            lambda name, _epoch: heard.append(name),
            quiet=quiet,
        ) as hear:
            hear(
                "A-baseline-seed0",
                EPOCH,
            )
        assert bool(capsys.readouterr().err) != quiet
    assert heard == ["A-baseline-seed0"] * 2
    nothing("A-baseline-seed0", EPOCH)
