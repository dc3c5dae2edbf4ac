"""Settings are the paper's unless told otherwise, and refuse what cannot be."""

from dataclasses import replace
from typing import Any

import pytest

from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.tasks.variance import Variance
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import PRESETS, TrainSettings


def test_the_defaults_are_the_papers() -> None:
    settings = TrainSettings()
    assert (settings.epochs, settings.train_episodes, settings.batch_size) == (
        20,
        50_000,
        64,
    )
    assert (settings.lr, settings.weight_decay, settings.warmup) == (3e-4, 1e-4, 0.3)
    assert settings.steps_per_epoch == 781
    assert settings.run_name == "A-baseline-seed0"
    chosen = problem(settings)
    assert chosen.task == ShiftedMean(dim=16, tau=3.0)
    assert problem(TrainSettings(task="B")).task == Variance(16, 0.5, 3.0)
    assert chosen.architecture.positions == 33
    assert chosen.n_context == 32


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"task": "Z"}, r"unknown task 'Z'; choose one of: A, B"),
        ({"task": ""}, r"unknown task ''; choose one of: A, B"),
        ({"variant": "baselin"}, r"'baselin'; did you mean baseline\?"),
        ({"precision": "fp16"}, r"unknown precision 'fp16'; .*fp32, bf16"),
        ({"schedule": "cosine"}, r"unknown schedule .*one_cycle, linear"),
        ({"beta2": 1.0}, r"beta2 must be at most 0\.99999, not 1\.0"),
        ({"layer_init": "other"}, r"unknown layer_init .*copied, independent"),
        ({"device": "tpu"}, r"unknown device 'tpu'; .*: auto, cpu, cuda, mps"),
        ({"epochs": -1}, r"epochs must be at least 0, not -1"),
        ({"lr": 0.0}, r"lr must be above 0, not 0\.0"),
        ({"lr": float("nan")}, r"lr must be finite, not nan"),
        ({"warmup": 1.0}, r"warmup must be at most 0\.99, not 1\.0"),
        ({"n_context": 0}, r"n_context must be at least 1, not 0"),
        ({"seed": -1}, r"seed must be at least 0, not -1"),
        ({"tau": -1.0}, r"tau must be at least 0, not -1\.0"),
        ({"train_episodes": 63}, r"train_episodes=63 is less than one batch of .*64"),
        (
            {"epochs": 1, "train_episodes": 128},
            r"2 steps are too few for warmup=0\.3; raise epochs",
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        TrainSettings(**wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sigma_min": 1.0}, "task A has no sigma_min; its parameters are: dim, sep"),
        ({"task": "B", "tau": 1.0}, "task B has no tau; its parameters are: dim, sig"),
        ({"task": "B", "sigma_min": 4.0}, "sigma_min=4.0 must be below sigma_max=3.0"),
        ({"tau": 1e9}, "tau must be at most 100000.0, not 1000000000.0"),
        ({"curriculum": "easy"}, "no curriculum 'easy'; choose one of: none, all, nui"),
        ({"task": "B", "curriculum": "nuisance"}, "choose one of: none, all, or sev"),
        ({"also_evaluate": "ood"}, "no shift 'ood'; choose one of: none, all, out_of"),
        ({"n_heads": 5}, "n_heads=5 does not divide d_model=128; choose one of: 1, 2"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        problem(TrainSettings(**wrong))


def test_without_training_nothing_is_asked_of_the_schedule() -> None:
    assert TrainSettings(epochs=0, train_episodes=1).total_steps == 0


def test_a_preset_is_a_start_that_options_override() -> None:
    assert TrainSettings.preset("paper") == TrainSettings()
    smoke = TrainSettings.preset("smoke", epochs=3)
    assert (smoke.epochs, smoke.d_model) == (3, PRESETS["smoke"]["d_model"])
    with pytest.raises(ValueError, match="unknown preset 'fast'; choose one of: paper"):
        TrainSettings.preset("fast")


def test_the_identity_is_what_decides_the_result() -> None:
    settings = TrainSettings()
    assert replace(settings, threads=7).identity == settings.identity
    assert TrainSettings(lr=0.0003).identity == TrainSettings(lr=3e-4).identity
    spelled_out = replace(settings, tau=3.0, data_seed=settings.seed, device="cpu")
    assert spelled_out.identity == settings.identity
    # Where nothing is eased, it does not matter for how long; nor what it is called.
    assert replace(settings, curriculum_share=0.5).identity == settings.identity
    by_name, all_there_are = (
        replace(settings, curriculum=name).identity
        for name in ("separation+nuisance", "all")
    )
    assert by_name == all_there_are
    task_b = TrainSettings(task="B")
    assert replace(task_b, curriculum="all").identity == task_b.identity
    changes: list[dict[str, Any]] = [
        {"seed": 1},
        {"eval_seed": 1},
        {"data_seed": 7},
        {"task": "B"},
        {"variant": "no_position"},
        {"tau": 9.0},
        {"lr": 1e-3},
        {"precision": "bf16"},
        {"epochs": 21},
        {"layer_init": "independent"},
        {"target": "bayes"},
        {"beta2": 0.95},
        {"schedule": "linear"},
        {"curriculum": "nuisance"},
        {"curriculum": "all"},
        {"curriculum": "all", "curriculum_share": 0.5},
        {"separation": 2.0},
        {"test_episodes": 20_001},
    ]
    identities = {replace(settings, **change).identity for change in changes}
    assert len(identities | {settings.identity}) == len(changes) + 1
