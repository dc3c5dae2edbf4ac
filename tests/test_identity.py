"""Equal identities for equal results, today and in every later version."""

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from icl_mlflow.cli.options import declarations
from icl_mlflow.identity import RECIPE
from icl_mlflow.settings import setting, value_type
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.parameters import takes_task_parameters
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.training.settings import PRESETS, TrainSettings

#: Identities that stores hold. None of them may change while RECIPE stays as it is: a
#: row that fails says that trainings of earlier versions are no longer found.
GOLDEN: tuple[tuple[str, str], ...] = (
    ("aabf77bbca8056ed", ""),
    ("723b8b6306a98d33", "seed=3"),
    ("74086c1f18eeae3b", "task=B"),
    ("b117f72bcdc5bfc0", "task=A tau=9.0"),
    ("c84a630c99692dec", "task=A separation=2.0 seed=1"),
    ("13fa3e7046f9a46b", "task=B sigma_min=1.0 sigma_max=2.0"),
    ("f13adc97a0fd5595", "variant=no_position"),
    ("766cdaaf8f5c199e", "variant=no_position+frozen_query_key"),
    ("5d169adc83af9097", "variant=noisy_labels_0.10"),
    ("d14a101aa83ec42b", "target=bayes curriculum=all"),
    ("dacd005c5d77f9ea", "curriculum=nuisance curriculum_share=0.5"),
    ("f1d9c47635edecfa", "precision=bf16 batch_size=32"),
    ("9171a7a191cd0564", "epochs=0"),
    ("9971edcc74e8e37a", "data_seed=7 eval_seed=2"),
    ("7bbc2063b7686860", "task=C"),
    ("ef3e72095c5a2bc0", "task=D"),
    ("34b093e8bac2690d", "task=E"),
    ("66e953637301b139", "task=F"),
)

#: The first default of every setting that decides a result. A default may change; what
#: an identity leaves out may not: then `setting(..., frozen=...)` keeps the value here.
FIRST_DEFAULTS: dict[str, Any] = {
    "task": "A",
    "variant": "baseline",
    "dim": 16,
    "n_context": 32,
    "d_model": 128,
    "n_layers": 2,
    "n_heads": 4,
    "layer_init": "copied",
    "target": "labels",
    "curriculum": "none",
    "curriculum_share": 0.4,
    "epochs": 20,
    "train_episodes": 50_000,
    "batch_size": 64,
    "lr": 3e-4,
    "beta2": 0.999,
    "schedule": "one_cycle",
    "weight_decay": 1e-4,
    "warmup": 0.3,
    "clip_norm": 1.0,
    "precision": "fp32",
    "val_episodes": 5_000,
    "test_episodes": 20_000,
    "seed": 0,
    "data_seed": None,
    "eval_seed": 0,
}
FIRST_TASK_DEFAULTS: dict[str, dict[str, Any]] = {
    "A": {"dim": 16, "tau": 3.0, "separation": 1.0},
    "B": {"dim": 16, "sigma_min": 0.5, "sigma_max": 3.0},
    "C": {"dim": 16, "rho_max": 0.9},
    "D": {"dim": 16, "sigma_min": 0.5, "sigma_max": 3.0},
    "E": {"dim": 16, "nonzero": 2, "tau": 3.0, "separation": 1.0},
    "F": {"dim": 16, "slope": 1.0, "sigma": 0.5},
}


def given_by(written: str) -> dict[str, Any]:
    """The settings as they are written in a row."""
    (declared,) = declarations([TrainSettings])
    kinds = {field.name: value_type(field) for field in declared}
    pairs = (each.split("=") for each in written.split())
    return {name: kinds[name](value) for name, value in pairs}


@pytest.mark.parametrize(("identity", "written"), GOLDEN)
def test_an_identity_never_changes(identity: str, written: str) -> None:
    assert RECIPE == 4
    assert TrainSettings(**given_by(written)).identity == identity


def test_what_an_identity_leaves_out_never_changes() -> None:
    frozen = {f.name: f.metadata.get("frozen") for f in fields(TrainSettings)}
    assert frozen | FIRST_DEFAULTS == frozen
    for name, defaults in FIRST_TASK_DEFAULTS.items():
        frozen = {f.name: f.metadata["frozen"] for f in fields(TASKS[name])}
        assert frozen | defaults == frozen


@takes_task_parameters
@dataclass(frozen=True, kw_only=True)
class LaterSettings(TrainSettings):
    """The settings of a later version: one more field, and another default."""

    dropout: float = setting(0.0, "Share of activations set to zero.", minimum=0)
    lr: float = setting(1e-3, "Peak learning rate of AdamW.", above=0, frozen=3e-4)


@dataclass(frozen=True)
class LaterTask(ShiftedMean):
    """Task A of a later version, with one more parameter."""

    gap: float = setting(0.0, "Points nearer to the plane are left out.", minimum=0)


LATER_TASK = LaterTask()


@pytest.fixture
def _later_task(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {**TASKS._places, "A": f"{__name__}:LATER_TASK"}
    monkeypatch.setattr(TASKS, "_places", places)


@pytest.mark.parametrize(("identity", "written"), GOLDEN)
@pytest.mark.usefixtures("_later_task")
def test_a_new_setting_and_a_new_parameter_change_no_identity(
    identity: str, written: str
) -> None:
    given = given_by(written)
    assert TASKS["A"] is LATER_TASK
    assert TrainSettings(**given).identity == identity
    later = LaterSettings(**{"lr": 3e-4, **given})
    assert later.identity == identity
    # They count where they are given.
    assert replace(later, dropout=0.1).identity != identity
    assert replace(later, lr=2e-3).identity != identity


def test_what_does_not_act_does_not_count() -> None:
    one_block = TrainSettings(n_layers=1)
    assert replace(one_block, layer_init="independent").identity == one_block.identity
    untrained = TrainSettings(epochs=0)
    unused = {**PRESETS["efficient"], "weight_decay": 0.1, "clip_norm": 9.0}
    unused |= {"data_seed": 7, "curriculum_share": 0.9, "epochs": 0}
    del unused["val_episodes"]
    assert replace(untrained, **unused).identity == untrained.identity
    assert replace(untrained, layer_init="independent").identity != untrained.identity
    assert TrainSettings(seed=3, data_seed=3).identity == TrainSettings(seed=3).identity


def test_a_first_default_counts_when_the_default_has_changed() -> None:
    assert LaterSettings().identity == TrainSettings(lr=1e-3).identity
    assert LaterSettings(lr=3e-4).identity == TrainSettings().identity


def test_a_precision_that_suits_the_machine_is_the_one_that_it_is() -> None:
    chosen = TrainSettings(precision="auto")
    assert chosen.identity == TrainSettings(precision=chosen.precision).identity
