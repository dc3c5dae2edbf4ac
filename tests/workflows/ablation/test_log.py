"""An ablation in the store: few metrics, a verdict on each member, a report."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities import Run

from icl_mlflow import AnalyzeSettings, analyze
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import several_variants
from icl_mlflow.tracking.runs.history import DIFFERENCE
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.training.datasets import evaluation_dataset
from icl_mlflow.training.metrics import MOST_METRICS
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.ablate import Ablation, ablate, plan_suite
from icl_mlflow.workflows.analyze import AnalysisResult
from tests.conftest import forget_environment
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)

#: Bytes of a report that a browser shows at once.
LARGEST_REPORT = 3_000_000


@dataclass(frozen=True, kw_only=True)
class Done:
    """A suite of two variants with two seeds, and every question put to it.

    Attributes:
        store: that holds both.
        suite, analysis: their results.
    """

    store: Store
    suite: Ablation
    analysis: AnalysisResult

    def members(self, variant: str) -> list[Run]:
        """The runs of one variant, by seed."""
        client, where = self.store.client, [self.store.experiment_id]
        query = f"tags.kind = 'train' AND tags.variant = '{variant}'"
        found = client.search_runs(where, query)
        return sorted(found, key=lambda run: run.data.tags["seed"])

    def read(self, run_id: str, path: str) -> Path:
        """An artifact of a run."""
        return Path(self.store.client.download_artifacts(run_id, path))


@pytest.fixture(scope="module")
def done(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Done]:
    database = shutil.copy(empty_database, tmp_path_factory.mktemp("ablated"))
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        store = connect("ablated")
        request = several_variants(SETTINGS, "no_labels", (0, 1), Execution(jobs=1))
        suite = ablate(store, plan_suite(store, request))
        asked = AnalyzeSettings(run_id=suite.run_id, episodes=100, device="cpu")
        yield Done(store=store, suite=suite, analysis=analyze(asked))


def test_no_run_has_more_metrics_than_its_page_can_show(done: Done) -> None:
    runs = done.store.client.search_runs([done.store.experiment_id])
    counts = {run.info.run_name: len(run.data.metrics) for run in runs}
    assert len(counts) == 4 + 2
    assert all(0 < count <= MOST_METRICS for count in counts.values()), counts


def test_parent_and_members_have_headlines_of_the_same_names(done: Done) -> None:
    client = done.store.client
    parent = client.get_run(done.suite.run_id).data.metrics
    baseline = done.members("baseline")
    for name in (
        "val/excess_risk",
        "val/accuracy",
        "test/excess_risk",
        "test/accuracy",
    ):
        values = [run.data.metrics[name] for run in baseline]
        assert parent[name] == pytest.approx(sum(values) / 2)
    history = client.get_metric_history(done.suite.run_id, "val/excess_risk")
    assert [point.step for point in history] == list(range(SETTINGS.epochs))
    assert not [name for name in parent if name.count("/") > 1]


def test_each_member_has_its_difference_and_its_verdict(done: Done) -> None:
    table = done.suite.table.set_index("variant")
    for variant in ("baseline", "no_labels"):
        runs = done.members(variant)
        found = [run.data.metrics[DIFFERENCE] for run in runs]
        if variant == "baseline":
            assert found == [0.0, 0.0]
        else:
            each = str(table.loc[variant, "each_difference"]).split()
            assert [f"{value:+.4f}" for value in found] == each
        tags = [run.data.tags for run in runs]
        assert [t["verdict"] for t in tags] == [table.loc[variant, "verdict"]] * 2
        assert [t["compared_in"] for t in tags] == [done.suite.run_id] * 2


def test_a_second_suite_tells_a_difference_that_is_known_not_again(done: Done) -> None:
    request = several_variants(SETTINGS, "no_labels", (0, 1), Execution(jobs=1))
    again = ablate(done.store, plan_suite(done.store, request))
    for run in done.members("no_labels"):
        told = done.store.client.get_metric_history(run.info.run_id, DIFFERENCE)
        assert len(told) == 1
        assert run.data.tags["compared_in"] == again.run_id


def test_the_description_answers_and_leads_on(done: Done) -> None:
    parent = done.store.client.get_run(done.suite.run_id)
    told = parent.data.tags["mlflow.note.content"]
    assert told.startswith("**Which parts does the test of task A need?**")
    assert "**Answer.** Of 1 variants beside the baseline: 1 " in told
    row = done.suite.table.set_index("variant").loc["no_labels"]
    cells = told.replace("&emsp;", "")
    assert f"| no_labels | {row['verdict']} | {row['excess_risk']:.4f} (" in cells
    assert f"({done.suite.comparison_link})" in told
    assert f"({done.suite.report_link})" in told


def test_the_reports_of_suite_and_analysis_load_at_once(done: Done) -> None:
    for result in (done.suite, done.analysis):
        report = done.read(result.run_id, "report.html").read_text()
        assert len(report.encode()) < LARGEST_REPORT
        assert f"runs/{result.run_id}?workflowType" in report
    assert "no_labels" in report


def test_a_suite_is_analyzed_in_one_figure_a_question(done: Done) -> None:
    files = done.store.client.list_artifacts(done.analysis.run_id, "figures")
    figures = {Path(file.path).stem for file in files}
    questions = {name.partition("-")[0] for name in done.analysis.verdicts}
    assert figures == questions
    assert len(questions) >= 15
    numbers = pd.read_csv(done.read(done.analysis.run_id, "tables/numbers.csv"))
    assert set(numbers["group"]) == {"baseline", "no_labels"}
    metrics = done.store.client.get_run(done.analysis.run_id).data.metrics
    found = numbers.set_index(["group", "analysis", "number"])["mean"]
    for key, value in metrics.items():
        assert found["baseline", *key.split("/")] == pytest.approx(value)


def test_the_store_says_which_model_is_best_on_the_test_set(done: Done) -> None:
    name, digest = evaluation_dataset(SETTINGS, "test").key
    ranked = done.store.client.search_logged_models(
        [done.store.experiment_id],
        datasets=[{"dataset_name": name, "dataset_digest": digest}],
        order_by=[
            {
                "field_name": "metrics.test/excess_risk",
                "dataset_name": name,
                "dataset_digest": digest,
                "ascending": True,
            }
        ],
    )
    runs = [*done.members("baseline"), *done.members("no_labels")]
    risks = {run.info.run_name: run.data.metrics["test/excess_risk"] for run in runs}
    by_risk = sorted(risks, key=risks.__getitem__)
    assert [model.name for model in ranked] == by_risk
    nowhere = [{"dataset_name": name, "dataset_digest": "another"}]
    where = [done.store.experiment_id]
    assert not done.store.client.search_logged_models(where, datasets=nowhere)
