"""Other architectures train, alone and stacked, are kept as models, and are asked."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.mechanism.internals import no_internals
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.tracking import pyfunc
from icl_mlflow.tracking.models.format import read_package, write_package
from icl_mlflow.training.fit import FittedModel, fit
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.results import TrainedModel
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.fit import fit_stacked
from icl_mlflow.variants import VARIANTS
from tests.models.small import draw, inputs
from tests.tiny import MODEL, TRAINING

ARCHITECTURES = ("pre_norm", "linear_attention", "mlp", "lstm")
every = pytest.mark.parametrize("variant", ARCHITECTURES)


@every
@pytest.mark.parametrize("queries", [1, 4])
def test_all_of_it_trains_and_a_stack_of_it_trains_the_same(
    variant: str, queries: int
) -> None:
    settings = TrainSettings(
        **TRAINING, variant=variant, queries=queries, target="bayes"
    )
    other = TrainSettings(
        **TRAINING, variant=variant, queries=queries, target="bayes", seed=1
    )
    alone = fit(settings)
    before = dict(initial_model(settings).named_parameters())
    for name, value in alone.model.named_parameters():
        assert not torch.equal(value, before[name]), name
    stacked, _ = fit_stacked([settings, other])
    assert isinstance(stacked, FittedModel)
    torch.testing.assert_close(
        stacked.test_logit_B, alone.test_logit_B, rtol=0, atol=1e-3
    )


@every
def test_a_step_in_bf16_is_a_step(variant: str) -> None:
    shorter = {**TRAINING, "epochs": 1, "precision": "bf16"}
    fitted = fit(TrainSettings(**shorter, variant=variant))
    assert np.isfinite(fitted.history[0].metrics["train/loss"])


@every
def test_it_is_kept_and_served_bit_for_bit(variant: str, tmp_path: Path) -> None:
    settings = TrainSettings(**{**MODEL, "dim": 4, "n_context": 12}, variant=variant)
    model = initial_model(settings)
    folder = tmp_path / pyfunc.PACKAGE_NAME
    write_package(folder, model, settings)
    x_BND, y_BN, query_x_BD = inputs(draw())
    expected_B = model(x_BND, y_BN, query_x_BD)
    again = read_package(folder).model
    assert type(again) is type(model)
    assert torch.equal(again(x_BND, y_BN, query_x_BD), expected_B)
    pyfunc.save(tmp_path / "served", folder, model, mlflow.models.Model())
    served = mlflow.pyfunc.load_model(str(tmp_path / "served"))
    points = {"context_x": x_BND, "context_y": y_BN, "query_x": query_x_BD}
    answers = served.predict({name: value.numpy() for name, value in points.items()})
    np.testing.assert_array_equal(answers, expected_B.detach().numpy())


@every
def test_it_is_asked_how_good_it_is_and_not_how_its_attention_works(
    variant: str,
) -> None:
    settings = TrainSettings(**MODEL, variant=variant)
    trained = TrainedModel(
        name=settings.run_name, model=initial_model(settings).eval(), settings=settings
    )
    asked = EvaluationRequest(episodes=40, seed=0, shifts={}, device="cpu")
    (subject,) = subjects([trained], asked)
    assert len(ANALYSES["entropy_error"].measure(subject)) == settings.n_context
    why = no_internals(subject)
    assert why is not None
    assert why.startswith(f"A-{variant}-seed0 ")
    assert ("is not a transformer" in why) == (variant in {"mlp", "lstm"})
    refused = {name for name in ANALYSES if ANALYSES[name].refuses(subject) == why}
    assert {"logit_lens", "probes", "ov_alignment", "activation_patching"} <= refused
    assert not refused & {"scoreboard", "calibration", "context_length", "symmetry"}


def test_one_architecture_combines_with_what_it_has() -> None:
    assert VARIANTS["mlp+noisy_labels_0.1"].family == "mlp"
    both = VARIANTS["linear_attention+pre_norm+no_position"]
    assert (both.norm, both.attention) == ("pre", "linear")
    for name in ("lstm+mlp", "mlp+no_position", "lstm+no_labels", "mlp+pre_norm"):
        with pytest.raises(ValueError, match="contradict each other"):
            VARIANTS[name]
