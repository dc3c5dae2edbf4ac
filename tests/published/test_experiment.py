"""The name of a published folder tells task, variant and how the epoch was chosen."""

from pathlib import Path

import pytest

from icl_mlflow.published.experiment import experiment, experiment_of


@pytest.mark.parametrize(
    ("name", "task", "variant"),
    [
        ("task_A_regular", "A", "baseline"),
        ("task_B_regular", "B", "baseline"),
        ("task_A_ablation_no_pos", "A", "no_position"),
        ("task_A_ablation_frozen_pos", "A", "frozen_position"),
        ("task_A_ablation_context_increase", "A", "wide_position_table"),
        ("task_A_ablation_noisy_labels_p0.1", "A", "noisy_labels_0.1"),
        ("task_B_ablation_interleaved", "B", "interleaved"),
    ],
)
def test_a_name_tells_task_and_variant(name: str, task: str, variant: str) -> None:
    found = experiment(name)
    assert (found.task, found.variant) == (task, variant)
    assert not found.is_selected_on_shift


def test_the_leak_is_known_by_its_name() -> None:
    found = experiment("task_A_OOD")
    assert (found.task, found.variant) == ("A", "baseline")
    assert found.is_selected_on_shift


def test_a_file_belongs_to_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "task_A_OOD" / "model.pt"
    assert experiment_of(file).name == "task_A_OOD"


@pytest.mark.parametrize(
    "name", ["downloads", "task_Z_regular", "task_A_ablation_", "task_A_regular.old"]
)
def test_another_name_is_refused_with_the_right_ones(name: str) -> None:
    with pytest.raises(ValueError, match="task_A_regular, task_A_OOD"):
        experiment(name)


def test_a_misspelt_ablation_is_refused_with_the_right_one() -> None:
    with pytest.raises(ValueError, match="no_pos"):
        experiment("task_A_ablation_no_poss")
