"""What a result shows of itself, and what one can go on with."""

from icl_mlflow.suite.training_result import SeedsResult, TrainingResult
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings


def trained(seed: int) -> TrainingResult:
    epochs = tuple(
        Epoch(epoch=n, metrics={"val/loss": 0.75 - n / 4, "lr": 1e-3}) for n in range(3)
    )
    return TrainingResult(
        settings=TrainSettings.preset("smoke", task="B", sigma_max=5, seed=seed),
        run_id=f"4f2a{seed}",
        model_uri=None,
        epochs=epochs,
        best_epoch=2,
        test={"test/accuracy": 0.71, "test/excess_risk": 0.0123},
        bayes_accuracy=0.8,
        ui_link="http://127.0.0.1:5000/#/experiments/1/runs/4f2a",
    )


def test_the_history_is_a_table_of_epochs() -> None:
    history = trained(0).history
    assert history.index.name == "epoch"
    assert list(history["val/loss"]) == [0.75, 0.5, 0.25]
    several = SeedsResult(run_id="90", members=(trained(0), trained(7)), ui_link="")
    assert several.history.loc[(7, 2), "val/loss"] == 0.25
    assert several.test.loc[7, "test/excess_risk"] == 0.0123


def test_the_task_is_the_one_that_was_trained() -> None:
    task = trained(0).task
    assert task.dim == 4
    assert task.sigma_max == 5  # type: ignore[attr-defined]


def test_a_result_says_in_one_line_what_came_out() -> None:
    text = repr(trained(1))
    assert text == (
        "TrainingResult(B-baseline-seed1, run 4f2a1, "
        "accuracy 0.7100 (exact Bayes 0.8000), excess risk 0.0123 nats)"
    )
    html = trained(1)._repr_html_()
    assert 'href="http://127.0.0.1:5000/#/experiments/1/runs/4f2a"' in html
    assert "excess risk" in html
    several = SeedsResult(run_id="90", members=(trained(0), trained(7)), ui_link="")
    assert repr(several).startswith("SeedsResult(B-baseline-seed0, B-baseline-seed7")
