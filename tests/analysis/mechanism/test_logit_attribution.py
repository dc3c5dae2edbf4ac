"""The ledger sums to the answer; what is lost without a part is computed anew."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.logit_attribution import LOGIT_ATTRIBUTION
from icl_mlflow.models import Site
from icl_mlflow.models.interventions import averaged
from tests.analysis.concluded import concluded

SubjectOf = Callable[..., Subject]


@pytest.mark.parametrize("variant", ["baseline", "interleaved", "no_labels"])
def test_the_evidence_of_all_parts_is_the_evidence_of_the_answer(
    variant: str, subject_of: SubjectOf
) -> None:
    subject = subject_of(variant=variant, episodes=400)
    frame = LOGIT_ATTRIBUTION.measure(subject)
    sign_B, logit_B = subject.truth.bayes_B.sign(), subject.logit_B
    evidence = float((sign_B * (logit_B - logit_B.mean())).mean())
    assert frame["evidence"].sum() == pytest.approx(evidence, abs=1e-5)


def test_an_effect_is_that_of_the_model_with_the_mean_in_place(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(n_layers=2, episodes=200)
    frame = LOGIT_ATTRIBUTION.measure(subject).set_index("part")
    seen, model = subject.truth.seen, subject.transformer
    assert model is not None
    asked = seen.context_x_BND, seen.context_y_BN, seen.query_x_BD
    places = {
        "layer 1 head 2": (Site("head_output", 0), (slice(None), 1, -1)),
        "layer 2 MLP": (Site("mlp_output", 1), (slice(None), -1)),
    }
    for part, place in places.items():
        with torch.no_grad():
            without_B = model.trace(*asked, edit=averaged(*place)).logit_B.double()
        lost_B = subject.truth.bayes_B.sign() * (subject.logit_B - without_B)
        assert frame.loc[part, "effect"] == pytest.approx(
            float(lost_B.mean()), abs=1e-5
        )


def test_a_part_that_writes_nothing_has_no_evidence_and_is_not_missed(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(episodes=100, seed=3)
    assert subject.transformer is not None
    with torch.no_grad():
        name = "transformer.layers.0.linear2.weight"
        subject.transformer.get_parameter(name).zero_()
    frame = LOGIT_ATTRIBUTION.measure(subject).set_index("part")
    assert frame.loc["layer 1 MLP", "evidence"] == pytest.approx(0, abs=1e-9)
    assert frame.loc["layer 1 MLP", "effect"] == pytest.approx(0, abs=1e-6)
    assert abs(frame.loc["layer 2 MLP", "effect"]) > 1e-6


def planted(effects: list[float]) -> pd.DataFrame:
    parts = [f"layer {layer} head {head}" for layer in (1, 2) for head in (1, 2, 3, 4)]
    parts += ["layer 1 MLP", "layer 2 MLP", "read-out bias"]
    evidence = [*np.linspace(0.1, 1, 10), 0.0]
    columns = {"part": parts, "evidence": evidence, "effect": [*effects, np.nan]}
    ends = {
        f"{name}_{end}": np.array(columns[name]) for name in ("evidence", "effect")
        for end in ("low", "high")
    }  # fmt: skip
    return pd.DataFrame({**columns, **ends})


def test_the_verdict_is_whether_the_ledger_tells_what_is_missed() -> None:
    told = planted(list(np.linspace(0.1, 1, 10) + 0.01 * np.sin(range(10))))
    said = concluded(LOGIT_ATTRIBUTION, told)
    assert said.startswith("Yes: ")
    assert "layer 2 MLP writes most (1.000 nats)" in said
    assert "heads write 65% of all, MLPs 35%" in said
    crossed = planted(list(np.linspace(1, 0.1, 10)))
    said = concluded(LOGIT_ATTRIBUTION, crossed)
    assert said.startswith("No: ")
    assert "layer 1 head 1 is missed most" in said


def test_every_seed_of_a_suite_is_drawn_with_what_can_be_missed() -> None:
    parts = {"layer 1 head 1": 0.4, "layer 1 MLP": 0.1, "embedding": math.nan}
    frame = pd.DataFrame(
        [
            {"model": model, "part": part, "evidence": 1.0 + seed, "effect": effect}
            for seed, model in enumerate(("A-x-seed0", "A-x-seed1", "A-y-seed0"))
            for part, effect in parts.items()
        ]
    )
    assert LOGIT_ATTRIBUTION.beside is not None
    x, _ = LOGIT_ATTRIBUTION.beside(frame).axes
    assert [text.get_text() for text in x.get_yticklabels()] == list(parts)[:2]
    evidence, effect = (line for line in x.lines if line.get_marker() == "o")
    assert sorted(evidence.get_xdata()) == [1, 1, 2, 2]
    assert sorted(effect.get_xdata()) == [0.1, 0.1, 0.4, 0.4]
