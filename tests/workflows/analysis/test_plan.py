"""A plan names models, questions and what cannot be asked, and creates nothing."""

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.analysis.plan import plan_analysis
from tests.conftest import TrainedRuns


def test_models_that_are_asked_the_same_share_a_line(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    experiments = [trained_store.experiment_id]
    before = len(trained_store.client.search_runs(experiments))
    lines = plan_analysis(
        AnalyzeSettings(
            run_id=trained_runs.baseline,
            analyses="calibration,ov_alignment",
            episodes=1_200,
            tau=9,
            device="cpu",
        )
    ).splitlines()
    assert lines == [
        "models       A-baseline-seed0, A-baseline-seed1",
        "asked        calibration, ov_alignment",
        "episodes     1,200 of each model, seed 0, tau 9",
        "results      in experiment trained",
        "dry run: nothing was asked, no run was created",
    ]
    assert len(trained_store.client.search_runs(experiments)) == before


def test_of_all_questions_those_that_cannot_be_put_have_a_reason(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    del trained_store
    run_id = trained_runs.no_labels_seeds[0]
    lines = plan_analysis(
        AnalyzeSettings(run_id=run_id, episodes=100, device="cpu", experiment="mine")
    ).splitlines()
    (asked,) = [line for line in lines if line.startswith("asked")]
    refused = [line for line in lines if line.startswith("not asked")]
    assert "logit_lens" in asked
    assert "ov_alignment" not in asked
    start = "not asked    ov_alignment of A-no_labels-seed0: "
    assert any(line.startswith(start) for line in refused)
    assert "results      in experiment mine" in lines
    (left_out,) = [line for line in lines if line.startswith("by name only ")]
    names = left_out.removeprefix("by name only ").split(", ")
    assert names == [name for name in ANALYSES if not ANALYSES[name].by_default]
    assert not {*names} & {*asked.replace(",", "").split()}
