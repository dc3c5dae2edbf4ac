"""A circuit becomes a run like a trained model's, and is analyzed like one."""

import json
from pathlib import Path

import pytest

from icl_mlflow import analyze, load_model
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.settings import CompileSettings
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.given.compile import compile_circuit, truth_of


def test_it_is_registered_with_its_truth_and_only_once(
    store: Store, tmp_path: Path
) -> None:
    asked = CompileSettings(circuit="kernel_vote")
    done = compile_circuit(store, asked)
    assert done.new is not None
    assert done.new.model_uri == "models:/icl-A-kernel_vote/1"
    run = store.client.get_run(done.run_id)
    assert (run.info.run_name, run.info.status) == ("compiled-kernel_vote", "FINISHED")
    assert run.data.tags["source"] == "compiled"
    assert run.data.params["tau"] == "0.0"
    assert "weighted by similarity" in run.data.tags["mlflow.note.content"]
    drawn = with_parameters(TASKS["A"], {"tau": 0.0}).sample(5_000, 32, stream="vote")
    right_B = (CIRCUITS["kernel_vote"].answer(drawn) > 0) == (drawn.query_y_B == 1)
    known = pytest.approx(float(right_B.double().mean()), abs=0.02)
    assert run.data.metrics["test/accuracy"] == known
    assert "best" not in store.client.get_registered_model("icl-A-kernel_vote").aliases

    place = store.client.download_artifacts(done.run_id, "truth.json", str(tmp_path))
    truth = json.loads(Path(place).read_text())
    assert truth == truth_of(CIRCUITS["kernel_vote"])
    assert truth["matters"] == ["layer 1 head 1"]

    again = compile_circuit(store, asked)
    assert (again.run_id, again.new) == (done.run_id, None)

    loaded = load_model(done.new.model_uri, store.client)
    assert loaded.settings == CIRCUITS["kernel_vote"].settings
    answers = analyze(run_id=done.run_id, episodes=200, analyses="component_ablation")
    assert "layer.head 1.1" in answers.verdicts["component_ablation"]
