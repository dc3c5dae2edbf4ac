"""Models are asked by results, ids and names alike."""

import icl_mlflow as icl
from icl_mlflow.tracking.store.connection import Store
from tests.conftest import TrainedRuns


def test_analyze_and_compare_take_results_ids_and_models(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    del trained_store
    one, other = trained_runs.baseline_seeds
    by_id = icl.analyze(one, ["calibration"], episodes=100, quiet=True)
    by_text = icl.analyze(icl.AnalyzeSettings(run_id=one, episodes=100), "calibration")
    assert by_id.numbers == by_text.numbers
    assert list(by_id.verdicts) == ["learning_curves", "calibration"]
    assert (
        repr(by_id)
        == f"AnalysisResult({', '.join(by_id.verdicts)}; run {by_id.run_id})"
    )

    named = icl.analyze("models:/icl-A-baseline/1", ["calibration"], episodes=100)
    assert named.numbers == by_id.numbers
    compared = icl.compare(one, other, episodes=100)
    assert compared.run_id in repr(compared)
    assert "excess_risk" in compared._repr_html_()
