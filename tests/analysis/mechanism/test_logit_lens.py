"""The lens reads what lies in the stream, where it lies."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.logit_lens import LOGIT_LENS, lens
from icl_mlflow.models import Transformer
from tests.analysis.concluded import concluded

SubjectOf = Callable[..., Subject]


def transformer(subject: Subject) -> Transformer:
    assert subject.transformer is not None
    return subject.transformer


@pytest.mark.parametrize("variant", ["baseline", "interleaved", "no_labels"])
@pytest.mark.parametrize("n_layers", [1, 3])
def test_the_last_stage_is_the_answer(
    variant: str, n_layers: int, subject_of: SubjectOf
) -> None:
    subject = subject_of(variant=variant, n_layers=n_layers, episodes=300)
    read = lens(transformer(subject), subject.truth.seen)
    stages = ["embedding", *(f"layer {i + 1}" for i in range(n_layers))]
    assert list(read) == stages
    torch.testing.assert_close(read[stages[-1]], subject.logit_B, rtol=1e-4, atol=1e-5)


def test_an_answer_planted_at_one_depth_is_found_there(subject_of: SubjectOf) -> None:
    """The read-out of the query's embedding is the statistic; blocks spoil it."""
    subject = subject_of(n_layers=2, episodes=200)
    model = transformer(subject)
    with torch.no_grad():
        weight_M = model.get_parameter("head.weight")[0]
        direction_D = weight_M @ model.get_parameter("query_proj.weight")
        planted_B = (subject.truth.seen.query_x_BD @ direction_D).double()
    truth = replace(subject.truth, bayes_B=planted_B)
    frame = LOGIT_LENS.measure(replace(subject, truth=truth))
    bayes = frame[frame["statistic"] == "Bayes"].set_index("stage")
    assert bayes.loc["embedding", "pearson"] == pytest.approx(1, abs=1e-6)
    assert bayes.loc["embedding", "slope"] == pytest.approx(1, abs=1e-5)
    assert bayes.loc["layer 2", "pearson"] < 0.999
    numbers = LOGIT_LENS.summarise(frame)
    assert numbers["embedding_bayes_spearman"] == pytest.approx(1, abs=1e-6)
    said = concluded(LOGIT_LENS, frame)
    assert said.startswith("Yes: read by the head")
    assert "at embedding" in said


def test_the_label_is_a_statistic_too(subject_of: SubjectOf) -> None:
    subject = subject_of(task="B", episodes=200)
    frame = LOGIT_LENS.measure(subject)
    row = frame[frame["statistic"] == "label"].set_index("stage").loc["layer 2"]
    label = subject.truth.label_B.numpy()
    r = float(np.corrcoef(label, subject.logit_B.numpy())[0, 1])
    assert row["pearson"] == pytest.approx(r, abs=1e-5)


def test_before_the_first_block_nothing_of_the_context_is_known(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(episodes=2_000)
    frame = LOGIT_LENS.measure(subject)
    is_known = (frame["stage"] == "embedding") & (frame["statistic"] != "label")
    first = frame[is_known]
    assert (first["pearson_low"] < 0).all()
    assert (first["pearson_high"] > 0).all()
