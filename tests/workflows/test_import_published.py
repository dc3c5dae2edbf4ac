"""Published models become runs and registered models that answer as they always did."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from icl_mlflow import analyze, load_model
from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.published.settings import ImportSettings
from icl_mlflow.tracking.runs.results import finished_runs
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.import_published import (
    PublishedImport,
    import_published,
    published_files,
)
from tests.notebook import NOTEBOOK, needs_notebook

N_CONTEXT = 5
#: The notebook's classes by the experiments that they were published in.
EXPERIMENTS = {
    "task_A_regular": "ICLTransformer",
    "task_A_OOD": "ICLTransformer",
    "task_A_ablation_interleaved": "ICLTransformerInterleavedEmbeddings",
    "task_A_ablation_no_labels": "ICLTransformerNoLabels",
    "task_A_ablation_shuffled_labels": "ICLTransformerShuffledLabels",
    "task_A_ablation_shuffled_context": "ICLTransformerShuffledContext",
    "task_A_ablation_frozen_attention": "ICLTransformerFrozenAttention",
    "task_A_ablation_frozen_qk": "ICLTransformerFrozenQK",
    "task_A_ablation_frozen_pos": "ICLTransformerFrozenPos",
    "task_A_ablation_no_pos": "ICLTransformerNoPos",
    "task_B_ablation_noisy_labels_p0.2": "ICLTransformerNoisyLabels",
}

# In a process of its own: the notebook sets styles and seeds for all who share one.
_PUBLISH = """
import importlib.util, pathlib, torch
spec = importlib.util.spec_from_file_location("baseline", {notebook!r})
baseline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(baseline)
notebook = baseline.load()
torch.manual_seed(0)
batch = torch.randn(50, 5, 3), torch.randint(2, (50, 5)), torch.randn(50, 3)
answers = {{}}
for experiment, name in {experiments!r}.items():
    kwargs = {{"d_in": 3, "n_ctx": 5, "d_model": 16, "n_layers": 2, "n_heads": 2}}
    model = notebook[name](**kwargs).eval()
    shown = batch
    if "Shuffled" in name:  # it shuffles within the model; here the data are shuffled
        shown = tuple(part[:, [0] * 5] if part.dim() > 1 and part.shape[1] == 5
                      else part for part in batch)
    folder = pathlib.Path("checkpoints", experiment)
    folder.mkdir(parents=True)
    torch.save({{"model_class": name, "model_kwargs": kwargs, "seed": 1,
                "best_state_dict": model.state_dict()}}, folder / (name + "_seed1.pt"))
    with torch.no_grad():
        single = model(*shown)[:, 0]
        x, y, query = shown
        # It makes tensors of torch's default type, and calls float() on the labels.
        torch.set_default_dtype(torch.float64)
        kept, torch.Tensor.float = torch.Tensor.float, torch.Tensor.double
        double = model.double()(x.double(), y, query.double())[:, 0]
        torch.Tensor.float = kept
        torch.set_default_dtype(torch.float32)
    answers[experiment] = (*shown, single, double)
torch.save(answers, "answers.bin")
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints as the notebook writes them, and of its results."""
    folder = tmp_path_factory.mktemp("published")
    program = _PUBLISH.format(notebook=str(NOTEBOOK), experiments=EXPERIMENTS)
    subprocess.run([sys.executable, "-c", program], check=True, cwd=folder)
    for experiment, name in EXPERIMENTS.items():
        results = folder / "results" / experiment / f"{name}_results.csv"
        results.parent.mkdir(parents=True)
        history(experiment, name).to_csv(results, index=False)
    return folder


def history(experiment: str, name: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "epoch": epoch,
                "train_loss": 0.7,
                "train_acc": 0.5,
                "val_loss": 0.69,
                "val_acc": 0.5 + epoch / 10,
                "seed": 1,
                "model": name,
                "experiment": experiment,
            }
            for epoch in range(3)
        ]
    )


def imported(store: Store, path: Path, **settings: Any) -> PublishedImport:
    wanted = ImportSettings(path=str(path), n_context=N_CONTEXT, **settings)
    return import_published(store, wanted)


@needs_notebook
def test_every_class_answers_from_the_registry_as_in_the_notebook(
    published: Path, store: Store
) -> None:
    done = imported(store, published)
    assert done.run_id is not None
    assert done.refused == done.left_over == ()
    assert len(done.models) == len(EXPERIMENTS) == 11
    answers = torch.load(published / "answers.bin", weights_only=True)
    for model in done.models:
        assert model.model_uri is not None
        x, y, query, single, double = answers[model.source.experiment.name]
        loaded = load_model(model.model_uri, store.client).model
        with torch.no_grad():
            assert torch.allclose(loaded(x, y, query), single, rtol=0, atol=5e-5)
            precise = loaded.double()(x.double(), y, query.double())
            assert torch.allclose(precise, double, rtol=0, atol=1e-8)

    interleaved = load_model("models:/icl-A-interleaved/1", store.client)
    assert interleaved.settings.positions == 512

    # Nothing of it is taken for a training of ours, or for the best of anything.
    for model in done.models:
        run = store.client.get_run(model.run_id)
        assert run.data.tags["source"] == "published"
        assert run.data.metrics["val/accuracy"] == pytest.approx(0.7)
        assert finished_runs(store, [model.source.settings.identity]) == {}
        name = model.source.registered_name
        assert "best" not in store.client.get_registered_model(name).aliases
    assert done.models[0].source.registered_name == "icl-A-baseline-selected_on_shift"

    again = imported(store, published)
    assert again.run_id is None
    assert [m.is_new for m in again.models] == [False] * len(EXPERIMENTS)
    assert [m.run_id for m in again.models] == [m.run_id for m in done.models]
    assert len(store.client.search_model_versions("name='icl-A-baseline'")) == 1


@needs_notebook
def test_an_imported_model_is_analyzed_like_any_other(
    published: Path, store: Store, tmp_path: Path
) -> None:
    name = "task_A_ablation_interleaved"
    shutil.copytree(published / "checkpoints" / name, tmp_path / name)
    (model,) = imported(store, tmp_path / name).models
    # Its learning curves come later.
    shutil.copytree(published / "results" / name, tmp_path / "results" / name)
    assert [m.is_new for m in imported(store, tmp_path).models] == [False]
    curve = store.client.get_metric_history(model.run_id, "val/accuracy")
    assert [(p.step, p.value) for p in curve] == [(0, 0.5), (1, 0.6), (2, 0.7)]

    answers = analyze(
        AnalyzeSettings(
            run_id=model.run_id, episodes=200, analyses="scoreboard,logit_lens"
        )
    )
    assert answers.numbers["scoreboard/accuracy"] > 0
    artifacts = store.client.list_artifacts(answers.run_id)
    assert "report.html" in {artifact.path for artifact in artifacts}


@needs_notebook
def test_bad_files_are_refused_and_the_rest_goes_on(
    published: Path, store: Store, tmp_path: Path
) -> None:
    good = published / "checkpoints/task_A_regular/ICLTransformer_seed1.pt"
    content = good.read_bytes()
    for folder in ("task_A_regular", "task_A_ablation_no_pos", "downloads"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.pt").write_bytes(content)
    (tmp_path / "task_A_regular" / "cut.pt").write_bytes(content[:1_000])
    (tmp_path / "task_A_regular" / "other.csv").write_text("a,b\n1,2\n")
    done = imported(store, tmp_path)
    assert [m.source.experiment.name for m in done.models] == ["task_A_regular"]
    reasons = {str(r.file.relative_to(tmp_path)): r.reason for r in done.refused}
    assert "is not the name of a published" in reasons["downloads/a.pt"]
    assert (
        "holds a model of variant baseline, but task_A_ablation_no_pos has variant "
        "no_position"
    ) in reasons["task_A_ablation_no_pos/a.pt"]
    assert "damaged" in reasons["task_A_regular/cut.pt"]
    assert "no column experiment" in reasons["task_A_regular/other.csv"]
    assert all("\n" not in reason for reason in reasons.values())
    registered = {m.name for m in store.client.search_registered_models()}
    assert registered == {"icl-A-baseline"}


@needs_notebook
def test_a_file_without_its_folder_is_told_what_it_belongs_to(
    published: Path, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(
        (published / "checkpoints/task_A_OOD/ICLTransformer_seed1.pt").read_bytes()
    )
    assert len(imported(store, file).refused) == 1
    (model,) = imported(store, file, published_experiment="task_A_OOD").models
    assert model.source.experiment.is_selected_on_shift


def test_a_path_may_be_a_file_a_folder_or_a_pattern(tmp_path: Path) -> None:
    for name in ("a/one.pt", "a/two.csv", "b/three.pt", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def found(path: str) -> list[str]:
        return [f.name for f in published_files(str(tmp_path / path))]

    assert found("") == ["one.pt", "two.csv", "three.pt"]
    assert found("b/three.pt") == ["three.pt"]
    assert found("*/*.pt") == ["one.pt", "three.pt"]
    with pytest.raises(ValueError, match="there is no file or folder"):
        found("c")
    with pytest.raises(ValueError, match=r"there is no file or folder aaa"):
        published_files("a" * 10_000)
    with pytest.raises(ValueError, match=r"/ holds more than 20,000 files"):
        published_files("/")
    (tmp_path / "b/three.pt").unlink()
    with pytest.raises(ValueError, match=r"no file that ends in \.pt or \.csv"):
        found("b")
