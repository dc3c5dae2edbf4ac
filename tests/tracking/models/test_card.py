"""The card of a model says what it is, how good, how it is loaded, where it ends."""

from icl_mlflow.models import Transformer
from icl_mlflow.tables import unspaced
from icl_mlflow.tracking.models.card import (
    LONGEST,
    about_models,
    loading,
    version_card,
)
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS

METRICS = {
    "val/accuracy": 0.781234,
    "val/loss": 0.45678,
    "val/excess_risk": 0.0123456,
    "test/accuracy": 0.782345,
    "test/loss": 0.456789,
    "test/excess_risk": 0.0125,
    "test/auc": 0.86543,
}


def test_a_card_tells_what_the_model_is_and_how_good(
    model: Transformer, settings: TrainSettings
) -> None:
    card = unspaced(version_card(settings, model, METRICS, bayes_accuracy=0.789312))
    n_parameters = sum(value.numel() for value in model.parameters())
    assert VARIANTS["baseline"].question in card
    assert f"a transformer of {n_parameters:,} parameters" in card
    assert "shown 4 labelled points" in card
    assert "| test, 20,000 episodes | 0.7823 | 0.4568 | 0.0125 |" in card
    # Exact Bayes has the loss that is left once the excess risk is taken off.
    assert "| exact Bayes, the same test episodes | 0.7893 | 0.4443 | 0 |" in card
    assert "AUC 0.8654" in card
    assert "`dim=3`" in card
    assert "Points have 3 dimensions" in card


def test_a_card_without_figures_has_no_table(
    model: Transformer, settings: TrainSettings
) -> None:
    card = version_card(settings, model, {})
    assert "| accuracy" not in card
    assert "**Limits.**" in card


def test_the_longest_card_fits_into_a_description() -> None:
    settings = TrainSettings.preset("efficient", seed=123456, model_prefix="x" * 64)
    metrics = {**METRICS, "test/brier": 0.1, "test/ece": 0.1}
    card = version_card(settings, initial_model(settings), metrics, 0.5)
    assert len(card) + len(loading("models:/" + "x" * 200 + "/1000")) < LONGEST
    assert len(about_models(settings, metrics, 0.5)) < LONGEST / 2


def test_what_versions_share_names_exact_bayes_settings_and_limits(
    settings: TrainSettings,
) -> None:
    about = about_models(settings, METRICS, bayes_accuracy=0.789312)
    assert VARIANTS["baseline"].question in about
    assert "Exact Bayes reaches accuracy 0.7893 and log-loss 0.4443" in about
    assert "`dim=3`" in about
    assert "**Limits of the newest version.** Points have 3 dimensions" in about
    assert "Exact Bayes reaches" not in about_models(settings, {})
