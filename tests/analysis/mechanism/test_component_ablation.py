"""Taking out a part does what cutting it out of the weights does, and no more."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism import internals
from icl_mlflow.analysis.mechanism.alignment_vs_impact import ALIGNMENT_VS_IMPACT
from icl_mlflow.analysis.mechanism.component_ablation import (
    COMPONENT_ABLATION,
    heads,
)
from icl_mlflow.evaluation import (
    evaluation_set,
    excess_risk,
    expected_accuracy,
    predict,
)
from icl_mlflow.models import Site, Trace, Transformer
from icl_mlflow.statistics import holm, t_interval
from tests.analysis.concluded import concluded

SubjectOf = Callable[..., Subject]


def ablated(subject: Subject, way: str) -> pd.DataFrame:
    frame = heads(COMPONENT_ABLATION.measure(subject))
    return frame[frame["way"] == way].set_index(["layer", "head"])


def others(subject: Subject, way: str) -> pd.DataFrame:
    frame = COMPONENT_ABLATION.measure(subject)
    chosen = (frame["way"] == way) & (frame["component"] != "head")
    return frame[chosen].set_index(["component", "layer"])


def test_zero_is_the_same_as_cutting_the_output_projection(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(n_heads=4, n_layers=3)
    bayes_B = subject.truth.bayes_B
    found = ablated(subject, "zero")
    assert len(found) == 12
    for layer, head in [(1, 2), (2, 4), (3, 1)]:
        cut = subject_of(n_heads=4, n_layers=3).transformer
        assert cut is not None
        name = f"transformer.layers.{layer - 1}.self_attn.out_proj.weight"
        with torch.no_grad():
            cut.get_parameter(name)[:, 4 * (head - 1) : 4 * head] = 0
        logit_B = predict(cut, subject.truth.seen)
        increase_B = excess_risk(logit_B, bayes_B)
        increase_B = increase_B - excess_risk(subject.logit_B, bayes_B)
        drop_B = expected_accuracy(subject.logit_B, bayes_B)
        drop_B = drop_B - expected_accuracy(logit_B, bayes_B)
        row = found.loc[(layer, head)]
        for metric, value_B in (
            ("excess_risk_increase", increase_B),
            ("accuracy_drop", drop_B),
        ):
            exact = t_interval(value_B.numpy())
            ends = (row[f"{metric}_low"], row[metric], row[f"{metric}_high"])
            assert ends == pytest.approx((exact.low, exact.mean, exact.high), abs=1e-5)


@pytest.mark.parametrize("component", ["MLP", "layer"])
def test_zero_is_the_same_as_cutting_what_an_mlp_or_a_layer_writes(
    component: str, subject_of: SubjectOf
) -> None:
    subject = subject_of(n_layers=3)
    bayes_B = subject.truth.bayes_B
    found = others(subject, "zero")
    assert len(found) == 6
    written = {"MLP": ("linear2",), "layer": ("linear2", "self_attn.out_proj")}
    for layer in (1, 2, 3):
        cut = subject_of(n_layers=3).transformer
        assert cut is not None
        with torch.no_grad():
            for name in written[component]:
                for kind in ("weight", "bias"):
                    place = f"transformer.layers.{layer - 1}.{name}.{kind}"
                    cut.get_parameter(place).zero_()
        increase_B = excess_risk(predict(cut, subject.truth.seen), bayes_B)
        increase_B = increase_B - excess_risk(subject.logit_B, bayes_B)
        exact, row = t_interval(increase_B.numpy()), found.loc[(component, layer)]
        ends = [row[f"excess_risk_increase{end}"] for end in ("_low", "", "_high")]
        assert ends == pytest.approx([exact.low, exact.mean, exact.high], abs=1e-5)


@pytest.mark.parametrize("way", ["mean", "resample"])
def test_an_mlp_is_replaced_by_what_it_says_on_all_episodes(
    way: str, subject_of: SubjectOf
) -> None:
    subject = subject_of()
    transformer, seen = subject.transformer, subject.truth.seen
    assert transformer is not None
    site = Site("mlp_output", 0)

    def exchanged(here: Site, value: Tensor) -> Tensor:
        if here != site:
            return value
        other = value.mean(0, keepdim=True) if way == "mean" else value.roll(1, 0)
        return other.expand_as(value)

    episodes = (seen.context_x_BND, seen.context_y_BN, seen.query_x_BD)
    with torch.no_grad():
        logit_B = transformer.trace(*episodes, exchanged).logit_B.double()
    risk_B = excess_risk(logit_B, subject.truth.bayes_B)
    risk_B = risk_B - excess_risk(subject.logit_B, subject.truth.bayes_B)
    row = others(subject, way).loc[("MLP", 1)]
    assert row["excess_risk_increase"] == pytest.approx(float(risk_B.mean()), abs=1e-5)


def test_an_mlp_that_writes_the_same_always_is_missed_only_at_zero(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of()
    assert subject.transformer is not None
    with torch.no_grad():
        name = "transformer.layers.0.linear2.weight"
        subject.transformer.get_parameter(name).zero_()
    for way in ("mean", "resample"):
        assert abs(others(subject, way).loc[("MLP", 1), "excess_risk_increase"]) < 1e-6
    assert abs(others(subject, "zero").loc[("MLP", 1), "excess_risk_increase"]) > 1e-6


def test_a_head_without_output_is_not_missed(subject_of: SubjectOf) -> None:
    subject = subject_of(n_heads=4)
    assert subject.transformer is not None
    name = "transformer.layers.1.self_attn.out_proj.weight"
    with torch.no_grad():
        subject.transformer.get_parameter(name)[:, 8:12] = 0
    for way in ("zero", "mean", "resample"):
        found = ablated(subject, way)
        assert found.loc[(2, 3), "excess_risk_increase"] == 0
        assert found.loc[(2, 3), "accuracy_drop"] == 0
        assert found.loc[(2, 2), "excess_risk_increase"] != 0


def test_what_a_head_always_says_is_missed_only_at_zero(subject_of: SubjectOf) -> None:
    """All episodes are the same one: mean and resample replace nothing."""
    subject = subject_of(n_heads=4)
    first = subject.truth.episodes.rows(0, 1)
    same = replace(
        first,
        **{
            name: getattr(first, name).repeat_interleave(8, dim=0)
            for name in ("context_x_BND", "context_y_BN", "query_x_BD", "query_y_B")
        },
        latents={k: v.repeat_interleave(8, dim=0) for k, v in first.latents.items()},
    )
    subject = replace(subject, truth=evaluation_set(subject.task, same))
    for way in ("mean", "resample"):
        found = ablated(subject, way)["excess_risk_increase"]
        assert found.abs().max() < 1e-6
    assert ablated(subject, "zero")["excess_risk_increase"].abs().min() > 1e-6


def test_mean_and_resample_are_over_all_episodes(subject_of: SubjectOf) -> None:
    """As when the model computes everything with the head's outputs exchanged."""
    subject = subject_of(n_heads=4)
    transformer, seen = subject.transformer, subject.truth.seen
    assert transformer is not None
    episodes = (seen.context_x_BND, seen.context_y_BN, seen.query_x_BD)
    for way in ("mean", "resample"):
        found = ablated(subject, way)
        for layer, head in [(1, 2), (2, 3)]:

            def exchanged(
                site: Site,
                value: Tensor,
                way: str = way,
                at: int = layer,
                h: int = head,
            ) -> Tensor:
                if site != Site("head_output", at - 1):
                    return value
                value = value.clone()
                said = value[:, h - 1]
                other = said.mean(0) if way == "mean" else said.roll(1, dims=0)
                value[:, h - 1] = other
                return value

            with torch.no_grad():
                logit_B = transformer.trace(*episodes, exchanged).logit_B.double()
            risk_B = excess_risk(logit_B, subject.truth.bayes_B)
            risk_B = risk_B - excess_risk(subject.logit_B, subject.truth.bayes_B)
            row = found.loc[(layer, head)]
            assert row["excess_risk_increase"] == pytest.approx(
                float(risk_B.mean()), abs=1e-5
            )


def test_the_table_does_not_depend_on_what_fits_into_memory_at_once(
    subject_of: SubjectOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = COMPONENT_ABLATION.measure(subject_of(episodes=25))
    monkeypatch.setattr(internals, "_POINTS", 1)  # an episode at a time
    alone = COMPONENT_ABLATION.measure(subject_of(episodes=25))
    pd.testing.assert_frame_equal(alone, whole, rtol=0, atol=1e-5)


def test_no_block_is_computed_again_before_the_one_that_is_ablated(
    subject_of: SubjectOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice each episode whole; the relation to alignment needs no third time."""
    subject = subject_of(episodes=24)
    traced: list[int] = []
    whole = Transformer.trace

    def counted(*arguments: Tensor) -> Trace:
        found = whole(*arguments)
        traced.append(len(found.logit_B))
        return found

    monkeypatch.setattr(Transformer, "trace", counted)
    COMPONENT_ABLATION.measure(subject)
    ALIGNMENT_VS_IMPACT.measure(subject)
    assert sum(traced) == 2 * 24


def test_the_needed_heads_are_counted() -> None:
    frame = pd.DataFrame(
        {
            "way": ["mean"] * 2 + ["zero"] * 2,
            "component": ["head"] * 4,
            "layer": [1, 1, 1, 1],
            "head": [1, 2, 1, 2],
            "accuracy_drop": [0.2, 0.0, 0.3, 0.0],
            "accuracy_drop_low": [0.1, -0.1, 0.2, -0.1],
            "accuracy_drop_high": [0.3, 0.1, 0.4, 0.1],
            "excess_risk_increase": [0.5, 0.01, 0.6, 0.0],
            "excess_risk_increase_low": [0.4, -0.01, 0.5, -0.1],
            "excess_risk_increase_high": [0.6, 0.03, 0.7, 0.1],
            "p": [0.001, 0.3, 0.001, 1.0],
            "first_half": [0.52, 0.0, 0.62, 0.0],
            "second_half": [0.48, 0.02, 0.58, 0.0],
            "second_half_low": [0.4, -0.1, 0.5, -0.1],
            "second_half_high": [0.56, 0.1, 0.66, 0.1],
        }
    )
    others = frame.iloc[[0, 0, 2, 2]].assign(
        component=["MLP", "layer"] * 2, head=0, excess_risk_increase=[0.7, 0.9] * 2
    )
    frame = pd.concat([frame, others], ignore_index=True)
    numbers = COMPONENT_ABLATION.summarise(frame)
    assert numbers["mean_share_needed"] == 0.5
    assert (numbers["mean_layer_1_mlp"], numbers["mean_layer_1_whole"]) == (0.7, 0.9)
    assert numbers["mean_largest"] == 0.5
    assert numbers["mean_layer_1_head_2/high"] == 0.03
    # The head is chosen on one half and measured on the other.
    assert numbers["mean_costliest"] == 0.48
    said = concluded(COMPONENT_ABLATION, frame)
    told = "Yes: with its output replaced by its mean, 1 of 2 heads and 1 of 1 MLPs "
    assert said.startswith(told)
    assert "layer.head 1.1" in said
    assert "costs 0.4800 nats (95 %: 0.4000 to 0.5600, 1,000 episodes)" in said
    assert "the MLP of layer 1 0.700 nats (95 %: " in said
    assert "all of layer 1 0.900 nats (95 %: " in said


def test_heads_that_only_seem_missed_are_corrected_for() -> None:
    """Eight heads that do nothing: one of them is often missed by chance alone."""
    p = holm([0.02, *[0.5] * 7])
    assert min(p) > 0.05


def test_more_episodes_make_it_surer() -> None:
    assert [COMPONENT_ABLATION.episodes_of(n) for n in (500, 5_000, 20_000)] == [
        500,
        2_000,
        8_000,
    ]
