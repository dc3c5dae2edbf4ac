"""Contracts that every analysis keeps, including the one that is added next."""

import io
import math
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from icl_mlflow.analysis import ANALYSES, curves
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.report.answer import Measurement, answers
from icl_mlflow.tables import csv, read_csv
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import knows_corrupted_labels, parameters
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import applicable_tasks

SubjectOf = Callable[..., Subject]

#: Every pair of an analysis and a task, of an analysis and a variant, and of a variant
#: and a task of its own: all triples would be too many.
MEMBERS = [
    *(("baseline", task) for task in applicable_tasks("baseline")),
    *(
        (variant, applicable_tasks(variant)[place % len(applicable_tasks(variant))])
        for place, variant in enumerate(VARIANTS)
        if variant != "baseline"
    ),
]
CASES = [(name, task, variant) for variant, task in MEMBERS for name in ANALYSES]
#: What cannot be asked, and a word of the reason.
REFUSED = {
    ("ov_alignment", "no_labels"): "labels",
    ("alignment_vs_impact", "no_labels"): "labels",
    ("qk_circuits", "no_labels"): "labels",
    ("label_noise", "no_labels"): "labels",
    ("label_noise", "shuffled_labels"): "labels",
}
#: Where chance might enter: variants that draw at evaluation, and the plainest.
REPEATED = ("baseline", "shuffled_labels", "shuffled_context")
#: What only a transformer can be asked.
INTERNAL = (
    *("logit_lens", "logit_attribution", "ov_alignment", "component_ablation"),
    *("alignment_vs_impact", "activation_patching", "attribution_patching"),
    *("path_patching", "qk_circuits", "attention_by_role"),
    *("probes", "tuned_lens"),
)


def word_of_the_reason(name: str, task: str, variant: str) -> str | None:
    """A word of why an analysis cannot be asked; None where it can be."""
    if name == "label_noise" and not knows_corrupted_labels(TASKS[task]):
        return REFUSED.get((name, variant), "flipped labels")
    other = VARIANTS[variant]
    if name in INTERNAL and other.family != "transformer":
        return "is not a transformer"
    if name in INTERNAL and (other.norm, other.attention) != ("post", "softmax"):
        return "its blocks are not the post-LN ones"
    return REFUSED.get((name, variant))


def table_of(name: str, *subjects: Subject) -> pd.DataFrame:
    analysis = ANALYSES[name]
    tables = [analysis.measure(one).assign(model=one.name) for one in subjects]
    return pd.concat(tables, ignore_index=True)


def through_csv(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    file = folder / "table.csv"
    file.write_text(csv(frame))
    return read_csv(file)


def picture(figure: Figure) -> bytes:
    kept = io.BytesIO()
    figure.savefig(kept, format="png", dpi=40)
    return kept.getvalue()


def verdict_of(analysis: Analysis, subject: Subject, frame: pd.DataFrame) -> str:
    measured = Measurement(
        model=subject.name,
        group=subject.settings.variant,
        frame=frame,
        numbers=analysis.summarise(frame),
        episodes=analysis.episodes_of(len(subject.truth)),
    )
    (answer,) = answers("planted", analysis, [measured])
    return answer.verdict


@pytest.mark.parametrize(("name", "task", "variant"), CASES)
def test_it_answers_or_says_why_not(
    name: str, task: str, variant: str, subject_of: SubjectOf
) -> None:
    subject, analysis = subject_of(task=task, variant=variant), ANALYSES[name]
    reason = analysis.refuses(subject)
    word = word_of_the_reason(name, task, variant)
    if word is not None:
        assert reason is not None
        assert subject.name in reason
        assert word in reason
        assert "\n" not in reason
        return
    assert reason is None
    assert subject.model is not None
    before = {k: v.clone() for k, v in subject.model.state_dict().items()}
    state = torch.get_rng_state()

    frame = analysis.measure(subject)

    assert torch.equal(torch.get_rng_state(), state), "drew from the global generator"
    for parameter, value in subject.model.state_dict().items():
        assert torch.equal(value, before[parameter]), f"{parameter} was changed"
    assert not subject.model.training
    assert all(value.grad is None for value in subject.model.parameters())
    if variant in REPEATED:
        again = analysis.measure(subject_of(task=task, variant=variant))
        pd.testing.assert_frame_equal(frame, again, check_exact=True)
    assert len(frame) > 0
    assert "model" not in frame

    numbers = analysis.summarise(frame)
    assert numbers
    for key, value in numbers.items():
        assert type(value) is float, key
        ends = {f"{key}/low", f"{key}/high"} & numbers.keys()
        assert len(ends) in (0, 2), key
    pooled = analysis.pool(frame).keys()
    assert not pooled & numbers.keys()
    assert not analysis.headline or analysis.headline in {*numbers, *pooled}
    said = verdict_of(analysis, subject, frame)
    assert said.startswith(("Yes: ", "No: ", "Cannot be told: "))
    assert said.endswith(".")
    assert not said.endswith("..")
    assert "\n" not in said
    assert "nan" not in said.split()
    assert re.search(r"\d", said), "no number"
    assert re.search(r"episodes|heads", said), "no n"


@pytest.mark.parametrize(
    "name", [name for name, one in ANALYSES.working().items() if one.beside is not None]
)
def test_variants_stand_side_by_side_in_its_figure_of_a_suite(
    name: str, subject_of: SubjectOf
) -> None:
    asked = [("baseline", 0), ("baseline", 1), ("no_position", 0)]
    frame = table_of(name, *(subject_of(task="A", variant=v, seed=s) for v, s in asked))
    before, beside = frame.copy(), ANALYSES[name].beside
    assert beside is not None
    drawn = beside(frame)
    pd.testing.assert_frame_equal(frame, before)
    drawn.savefig(io.BytesIO(), format="png", dpi=40)
    texts = [
        text.get_text()
        for axes in drawn.axes
        for text in (axes.title, *axes.get_yticklabels(), *axes.get_xticklabels())
    ]
    for variant in ("baseline", "no_position"):
        assert any(text.startswith(variant) for text in texts)


@pytest.mark.parametrize(
    ("name", "task"), [*((name, "A") for name in ANALYSES), ("parameter_sweep", "B")]
)
def test_its_figure_says_what_it_shows_and_comes_out_of_its_csv(
    name: str, task: str, subject_of: SubjectOf, tmp_path: Path
) -> None:
    models = [subject_of(task=task, seed=seed) for seed in (0, 1)]
    frame = table_of(name, *models)
    before = frame.copy()
    drawn = ANALYSES[name].draw(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert isinstance(drawn, Figure)
    for axes in drawn.axes:
        is_colour_bar = axes.get_label() == "<colorbar>"
        assert axes.get_ylabel()
        assert axes.get_xlabel() or is_colour_bar
    again = ANALYSES[name].draw(through_csv(frame, tmp_path))
    assert picture(again) == picture(drawn), "its CSV draws another figure"
    texts = {
        text.get_text()
        for axes in drawn.axes
        for text in (
            axes.title,
            *axes.get_yticklabels(),
            *(axes.get_legend().get_texts() if axes.get_legend() else ()),
            *(text for legend in drawn.legends for text in legend.get_texts()),
        )
    }
    for model in models:
        group = curves.group_of(model.name)
        assert any(model.name in text or group in text for text in texts), texts


@pytest.mark.parametrize("name", ANALYSES)
def test_it_asks_a_question(name: str) -> None:
    question = ANALYSES[name].question
    assert question.endswith("?")
    assert "\n" not in question
    if not ANALYSES.is_plugin(name):
        assert ANALYSES[name].topic is not Topic.FURTHER, "say where in the report"


@pytest.mark.parametrize("name", INTERNAL)
def test_a_stand_in_cannot_be_looked_into(
    name: str, stand_in_of: Callable[..., Subject]
) -> None:
    stand_in = stand_in_of(lambda task, seen: task.bayes_logit(seen))
    reason = ANALYSES[name].refuses(stand_in)
    assert reason is not None
    assert "stand-in is not a transformer" in reason
    with pytest.raises(ValueError, match="stand-in is not a transformer"):
        ANALYSES[name].measure(stand_in)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", [name for name in ANALYSES if name not in INTERNAL])
def test_bayes_in_the_place_of_the_model_is_found_perfect(
    name: str, task: str, stand_in_of: Callable[..., Subject]
) -> None:
    bayes = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), task=task, episodes=400
    )
    analysis = ANALYSES[name]
    if word_of_the_reason(name, task, "baseline"):
        return
    assert analysis.refuses(bayes) is None
    numbers = analysis.summarise(analysis.measure(bayes))
    perfect = {
        "scoreboard": {"excess_risk": 0.0},
        "calibration": {"ece_model": numbers.get("ece_bayes", 0.0)},
        "llr_regression": {"bayes_slope": 1.0, "bayes_pearson": 1.0},
        "kernel_regression": {
            "kernel_rbf_pearson": numbers.get("kernel_rbf_bayes_pearson", 0.0)
        },
        "context_length": {f"excess_risk_at_{n}": 0.0 for n in range(3)},
        "parameter_sweep": {
            f"{swept}_excess_risk_at_{parameters(TASKS[task])[swept]:g}": 0.0
            for swept in TASKS[task].sweeps
        },
        "named_shifts": {"as_trained_excess_risk": 0.0},
        "label_noise": {"excess_risk_at_0": 0.0},
        "class_imbalance": {"excess_risk_at_0.5": 0.0},
        "entropy_error": {"trained_entropy_mae_bits": 0.0},
        "risk_decomposition": {"own": 0.0, "own_at_1": 0.0},
    }.get(name)
    found = perfect.keys() & numbers.keys() if perfect else set()
    assert found or perfect is None
    for key in found:
        assert perfect is not None
        assert numbers[key] == pytest.approx(perfect[key], abs=1e-12), key
    assert all(math.isfinite(value) for value in numbers.values())


@pytest.mark.parametrize("task", TASKS)
def test_bayes_is_calibrated_on_many_episodes(
    task: str, stand_in_of: Callable[..., Subject]
) -> None:
    """At the paper's size; the sums of chance shrink with the number of episodes."""
    bayes = stand_in_of(
        lambda task, seen: task.bayes_logit(seen),
        task=task,
        episodes=40_000,
        dim=16,
        n_context=32,
    )
    reliability = ANALYSES["calibration"]
    numbers = reliability.summarise(reliability.measure(bayes))
    assert numbers["ece_model"] <= 0.01
    regression = ANALYSES["llr_regression"]
    numbers = regression.summarise(regression.measure(bayes))
    assert numbers["bayes_slope"] == pytest.approx(1.0, abs=1e-12)
