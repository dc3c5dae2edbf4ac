"""A run's description: the question, what came out, the numbers, the links."""

from icl_mlflow.suite.description import answered, answered_by_seeds, asked
from icl_mlflow.training.fit import fit
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import TRAINING

SETTINGS = TrainSettings(**TRAINING, variant="no_position")


def test_a_training_is_answered_with_rounded_numbers_and_links() -> None:
    fitted = fit(SETTINGS)
    told = answered(fitted, {"the suite": "http://x/#/runs/1"})
    question, answer, *_ = told.split("\n\n")
    assert question == asked(SETTINGS).split("\n\n")[0]
    assert question == "**Does a model that reads the context as a set find the test?**"
    accuracy, risk = fitted.test["test/accuracy"], fitted.test["test/excess_risk"]
    assert f"{accuracy:.4f} accuracy on 500 test episodes" in answer
    assert f"{risk:.4f} nats of excess risk" in answer
    assert f"| excess risk (nats) | {risk:.4f} |" in told
    assert f"best epoch ({fitted.best_epoch})" in told
    assert told.endswith("[the suite](http://x/#/runs/1)")
    assert str(risk) not in told


def test_a_model_without_training_has_a_test_and_no_best_epoch() -> None:
    told = answered(fit(TrainSettings(**{**TRAINING, "epochs": 0})), {})
    assert "| accuracy |" in told
    assert "best epoch" not in told


def test_seeds_are_answered_with_their_range_and_each_number() -> None:
    tests = {
        seed: {
            "test/accuracy": 0.7 + seed / 100,
            "test/excess_risk": 0.01,
            "test/loss": 1,
        }
        for seed in range(12)
    }
    told = answered_by_seeds(SETTINGS, tests, 0.79, {"Compare": "http://x"})
    assert "0.7550 accuracy (median of 12 seeds: " in told
    assert "where exact Bayes expects 0.7900" in told
    assert "seed 9" in told
    assert "seed 10" not in told
    assert "2 more seeds stand in `tables/seeds.csv`" in told
