"""The notebook's own analyses and these find the same in the same weights.

Its functions run as they stand and only plot what they found, so what they hand to the
plotting library is caught. Needs the notebook, see `tests/notebook.py`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism import kernel_regression, logit_lens, ov_alignment
from icl_mlflow.analysis.performance import llr_regression
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import EvaluationSet, evaluation_set
from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from tests.notebook import load, needs_notebook, undone

pytestmark = needs_notebook

TOLERANCE = 1e-5
N_EPISODES = 192


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return load()


@pytest.fixture(scope="module")
def truth() -> EvaluationSet:
    episodes = TASKS["A"].sample(N_EPISODES, stream="test")
    return evaluation_set(TASKS["A"], episodes)


@pytest.fixture(scope="module", params=["random", "briefly trained"])
def theirs(request: pytest.FixtureRequest, notebook: dict[str, Any]) -> torch.nn.Module:
    """The notebook's model."""
    with undone():
        torch.manual_seed(3)
        model: torch.nn.Module = notebook["ICLTransformer"](16, 32)
        if request.param == "random":
            with torch.no_grad():  # from where layers are alike and biases zero
                for value in model.parameters():
                    value.add_(0.05 * torch.randn_like(value))
        else:
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
            for step in range(20):
                batch = in_its_form(TASKS["B"].sample(64, step=step))
                notebook["train_step"](
                    model, batch, optimizer, binary_cross_entropy_with_logits
                )
    return model.eval()


@pytest.fixture(scope="module")
def subject(theirs: torch.nn.Module, truth: EvaluationSet) -> Subject:
    """Our model with the same weights."""
    model = Transformer(Architecture())
    model.load_state_dict(theirs.state_dict(), strict=True)
    settings = TrainSettings()
    return Subject(
        name="same weights",
        predictor=model.eval(),
        transformer=model,
        settings=settings,
        problem=problem(settings),
        task=TASKS["A"],
        truth=truth,
        seed=0,
    )


def in_its_form(episodes: Episodes) -> dict[str, Any]:
    latents = dict(episodes.latents)
    return {
        "context_x": episodes.context_x_BND,
        "context_y": episodes.context_y_BN,
        "query_x": episodes.query_x_BD,
        "query_y": episodes.query_y_B.float(),
        "task_params": {"mu": latents.get("mu"), "k": latents.get("shift")},
    }


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder that it may litter."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "analysis_out").mkdir()
    mpl.use("Agg")
    with undone():
        yield


def test_logits_and_llr(
    theirs: torch.nn.Module, subject: Subject, notebook: dict[str, Any]
) -> None:
    with undone():
        found = notebook["extract_logits_and_llr"](
            theirs, [in_its_form(subject.truth.episodes)], notebook["task_A_llr"]
        )
    ours = llr_regression.measure(subject.logit_B, subject.truth)
    for mine, its in (("logit", "model_logit"), ("llr", "bayes_llr")):
        np.testing.assert_allclose(ours[mine], found[its], rtol=0, atol=TOLERANCE)
    assert (ours["label"] == found["true_label"]).all()


@pytest.mark.usefixtures("in_tmp")
def test_logit_lens(
    theirs: torch.nn.Module,
    subject: Subject,
    notebook: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plotted: list[Any] = []
    read: list[np.ndarray] = []
    pearson = notebook["pearsonr"]

    def remember(llr: np.ndarray, logit: np.ndarray) -> Any:
        read.append(logit)
        return pearson(llr, logit)

    monkeypatch.setitem(notebook, "pearsonr", remember)
    monkeypatch.setattr(
        notebook["sns"], "barplot", lambda data, **_: plotted.append(data)
    )
    batch = in_its_form(subject.truth.episodes)
    notebook["run_logit_lens"](theirs, [batch], "A", num_batches=1)
    notebook["plt"].close("all")

    assert subject.transformer is not None
    lens = logit_lens.lens(subject.transformer, subject.truth.seen)
    stages = ("embedding", "layer 1", "layer 2")
    assert_same_lens(lens, dict(zip(stages, read, strict=True)))
    (table,) = plotted
    its_r = table[table["Metric"] == "Pearson"]["Value"].to_numpy()
    ours = logit_lens.measure(subject)
    oracle = ours[ours["statistic"] == "oracle"].set_index("stage")
    np.testing.assert_allclose(
        oracle.loc[list(stages), "pearson"], its_r, rtol=0, atol=TOLERANCE
    )


@pytest.mark.usefixtures("in_tmp")
def test_kernel_regression(
    theirs: torch.nn.Module,
    subject: Subject,
    notebook: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plotted: list[Any] = []
    monkeypatch.setattr(
        notebook["plt"], "scatter", lambda x, y, **_: plotted.append((x, y))
    )
    batch = in_its_form(subject.truth.episodes)
    notebook["extract_kernel_regression_comparison"](theirs, [batch], num_batches=1)
    notebook["plt"].close("all")

    ((its_vote, its_logit),) = plotted
    ours = kernel_regression.measure(subject)
    np.testing.assert_allclose(ours["kernel_dot"], its_vote, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(ours["logit"], its_logit, rtol=0, atol=TOLERANCE)


@pytest.mark.usefixtures("in_tmp")
def test_ov_alignment(
    theirs: torch.nn.Module,
    subject: Subject,
    notebook: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plotted: list[Any] = []
    monkeypatch.setattr(
        notebook["sns"], "heatmap", lambda table, **_: plotted.append(table)
    )
    notebook["analyze_ov_circuit_alignment"](theirs, "A")
    notebook["plt"].close("all")

    (its,) = plotted
    ours = ov_alignment.measure(subject)
    ours = ours.pivot_table(values="alignment", index="layer", columns="head")
    np.testing.assert_allclose(ours, its, rtol=0, atol=TOLERANCE)


@pytest.mark.usefixtures("in_tmp")
def test_logit_lens_without_labels(
    subject: Subject, notebook: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    theirs = notebook["ICLTransformerNoLabels"](16, 32).eval()
    model = Transformer(Architecture(embedding="x_only"))
    model.load_state_dict(theirs.state_dict(), strict=True)
    read: list[np.ndarray] = []
    monkeypatch.setitem(
        notebook, "pearsonr", lambda _, logit: (read.append(logit), (0.0, 1.0))[1]
    )
    monkeypatch.setattr(notebook["sns"], "barplot", lambda **_: None)
    batch = in_its_form(subject.truth.episodes)
    notebook["run_logit_lens"](theirs, [batch], "A", num_batches=1)
    notebook["plt"].close("all")

    blind = replace(subject, transformer=model)
    assert blind.transformer is not None
    lens = logit_lens.lens(blind.transformer, blind.truth.seen)
    stages = ("embedding", "layer 1", "layer 2")
    assert_same_lens(lens, dict(zip(stages, read, strict=True)))


def assert_same_lens(ours: dict[str, torch.Tensor], its: dict[str, np.ndarray]) -> None:
    """Its layer 0 lacks the position, which adds the same to every episode."""
    for stage, read in its.items():
        gap = ours[stage].numpy() - read
        if stage == "embedding":
            gap -= gap.mean()
        np.testing.assert_allclose(gap, 0, rtol=0, atol=TOLERANCE)
