"""A published checkpoint becomes a run, and a version that is never called the best."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from icl_mlflow.published.settings import ImportSettings
from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.given.published import Source, log_model, read_source
from tests.published.test_checkpoint import N_CONTEXT, checkpoint


def published(folder: Path, experiment: str) -> Path:
    """A checkpoint in the folder of its experiment."""
    file = folder / experiment / "model.pt"
    file.parent.mkdir()
    torch.save(checkpoint(), file)
    return file


def source(folder: Path, experiment: str, named: str | None = None) -> Source:
    file = published(folder, experiment)
    settings = ImportSettings(
        path=str(file), n_context=N_CONTEXT, published_experiment=named
    )
    return read_source(file, settings)


def test_a_checkpoint_tells_its_settings(tmp_path: Path) -> None:
    found = source(tmp_path, "task_B_regular")
    settings = found.settings
    assert (settings.task, settings.variant, settings.seed) == ("B", "baseline", 2)
    assert (settings.dim, settings.n_context, settings.d_model) == (3, N_CONTEXT, 16)
    assert found.key == ("task_B_regular", "ICLTransformer", 2)
    assert found.registered_name == "icl-B-baseline"


def test_what_was_chosen_on_shifted_episodes_has_a_name_apart(tmp_path: Path) -> None:
    found = source(tmp_path, "task_A_OOD")
    assert found.registered_name == "icl-A-baseline-selected_on_shift"


def test_a_file_of_another_experiment_is_refused(tmp_path: Path) -> None:
    said = (
        "holds a model of variant baseline, but task_A_ablation_no_pos has variant "
        "no_position"
    )
    with pytest.raises(ValueError, match=said):
        source(tmp_path, "task_A_ablation_no_pos")
    found = source(tmp_path, "downloads", named="task_A_regular")
    assert found.experiment.name == "task_A_regular"


def test_it_is_tested_logged_and_registered_as_what_it_is(
    store: Store, tmp_path: Path
) -> None:
    read = source(tmp_path, "task_A_regular")
    client = store.client
    parent = client.create_run(store.experiment_id).info.run_id
    logged = log_model(store, read, None, parent)
    assert logged.is_new
    assert logged.model_uri == "models:/icl-A-baseline/1"
    run = client.get_run(logged.run_id)
    assert run.info.run_name == "published-task_A_regular-seed2"
    tags = run.data.tags
    assert tags["source"] == "published"
    assert tags["imported_sha256"] == read.sha256
    assert tags["mlflow.parentRunId"] == parent
    assert tags["settings_hash"] != read.settings.identity
    assert "not trained here" in tags["mlflow.note.content"]
    assert run.data.metrics == pytest.approx(logged.test)
    assert not client.get_registered_model("icl-A-baseline").aliases
    loaded = load_model(logged.model_uri, client)
    assert loaded.settings == replace(read.settings)
    for name, value in read.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)
