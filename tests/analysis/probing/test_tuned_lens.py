"""The tuned lens is the read-out at the last depth, and tells what can be told."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.internals import transformer_of
from icl_mlflow.analysis.probing.places import Place, streams
from icl_mlflow.analysis.probing.tuned_lens import TUNED_LENS, fitted
from tests.analysis.concluded import concluded

SubjectOf = Callable[..., Subject]


@pytest.fixture(scope="module")
def table(two_layers: Subject) -> pd.DataFrame:
    return TUNED_LENS.measure(two_layers).set_index(["stage", "lens"])


def test_at_the_last_depth_nothing_is_missing(
    table: pd.DataFrame, subject_of: SubjectOf
) -> None:
    trained = TUNED_LENS.measure(subject_of(episodes=200)).set_index(["stage", "lens"])
    for frame in (table, trained):
        last = frame.loc["layer 2"]
        assert (last["kl"] < 1e-5).all()
        assert last.loc["tuned lens", "told"] == pytest.approx(1, abs=1e-3)


def test_before_a_product_is_made_nothing_linear_tells_it(table: pd.DataFrame) -> None:
    for stage in ("embedding", "layer 1"):
        row = table.loc[stage, "tuned lens"]
        assert row["told"] == pytest.approx(0, abs=0.15)
        assert row["excess_risk"] > 0.1


def test_it_is_at_least_as_near_as_the_logit_lens(subject_of: SubjectOf) -> None:
    subject = subject_of(episodes=400, seed=1)
    frame = TUNED_LENS.measure(subject).set_index(["stage", "lens"])["kl"]
    for stage in ("embedding", "layer 1"):
        assert frame[stage, "tuned lens"] < frame[stage, "logit lens"]


def test_its_last_read_out_is_the_models_own(subject_of: SubjectOf) -> None:
    subject = subject_of(episodes=100)
    readout = fitted(subject, 300)[Place(2, "query")]
    seen = subject.truth.seen
    stream = streams(transformer_of(subject), seen)[Place(2, "query")].numpy()
    found_B = torch.from_numpy(readout.logit(stream))
    assert torch.allclose(found_B, subject.logit_B, atol=1e-2)


def planted(told: float) -> pd.DataFrame:
    rows = []
    for stage, share in {"embedding": 0.1, "layer 1": told, "layer 2": 1.0}.items():
        for lens in ("tuned lens", "logit lens"):
            row: dict[str, object] = {"stage": stage, "lens": lens}
            for name, value in {"kl": 1 - share, "told": share}.items():
                row |= {name: value, f"{name}_low": value, f"{name}_high": value}
            rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("told", "answer"), [(0.99, "Yes"), (0.6, "No")])
def test_the_verdict_is_whether_it_is_there_before_the_last_layer(
    told: float, answer: str
) -> None:
    said = concluded(TUNED_LENS, planted(told))
    assert said.startswith(f"{answer}: ")
    assert f"{told:.2f}" in said
    assert "at layer 1" in said
