"""Which recipes are tried on which tasks, and with how many episodes?"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.alternatives import (
    AVERAGED,
    NOISY_LABELS,
    PRE_NORM,
    SHORT_CONTEXTS,
    Alternative,
)
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.settings import PRESETS, TrainSettings

#: In bf16 whatever the machine, so that what was recorded counts on any other one.
_EFFICIENT = {**PRESETS["efficient"], "precision": "bf16"}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        changes: of the paper's settings.
        alternative: what the package itself does not offer, if anything.
    """

    changes: Mapping[str, Any]
    alternative: Alternative | None = None


def _efficient(alternative: Alternative | None = None, **changes: Any) -> Recipe:
    """The preset `efficient` with something changed."""
    return Recipe({**_EFFICIENT, **changes}, alternative)


RECIPES: Mapping[str, Recipe] = {
    "efficient": _efficient(),
    "batch 64": _efficient(batch_size=64),
    "batch 64, lr 0.0015": _efficient(batch_size=64, lr=1.5e-3),
    "batch 64, lr 0.0015, independent layers": _efficient(
        batch_size=64, lr=1.5e-3, layer_init="independent"
    ),
    "paper": Recipe({"precision": "bf16"}),
    "sampled labels": _efficient(target="labels"),
    "no curriculum": _efficient(curriculum="none"),
    "nuisance alone": _efficient(curriculum="nuisance"),
    "separation alone": _efficient(curriculum="separation"),
    "short contexts first": _efficient(SHORT_CONTEXTS),
    "noisy labels first": _efficient(NOISY_LABELS),
    "one cycle": _efficient(schedule="one_cycle", warmup=0.3),
    "lr 0.002": _efficient(lr=2e-3),
    "beta2 0.999": _efficient(beta2=0.999),
    "no clipping": _efficient(clip_norm=1e9),
    "independent layers": _efficient(layer_init="independent"),
    "averaged weights": _efficient(AVERAGED),
    "pre-norm": _efficient(PRE_NORM),
}
#: With how many episodes every recipe is tried.
COMPARED = 50_000
#: Which recipes are tried with how many episodes: all with few, the best with more.
PLAN: Mapping[int, Collection[str]] = {
    25_000: ("efficient",),
    COMPARED: tuple(RECIPES),
    100_000: (
        "efficient",
        "batch 64, lr 0.0015",
        "batch 64, lr 0.0015, independent layers",
    ),
    1_000_000: ("batch 64",),
}
#: The validations of a run, whatever its length, as in the preset.
_EPOCHS, _VALIDATION = _EFFICIENT["epochs"], _EFFICIENT["val_episodes"]


@dataclass(frozen=True)
class Trial:
    """One training run to be made."""

    recipe: str
    task: str
    seed: int
    budget: int

    def settings(self) -> TrainSettings:
        """What is trained; the test set is the same for all."""
        length = {"epochs": _EPOCHS, "train_episodes": self.budget // _EPOCHS}
        fixed = {"val_episodes": _VALIDATION, "threads": 1, "device": "cpu"}
        who = {"task": self.task, "seed": self.seed}
        changes = RECIPES[self.recipe].changes
        return TrainSettings(**{**changes, **length, **fixed, **who})


def trials(
    seeds: Collection[int], budgets: Collection[int], recipes: Collection[str]
) -> Iterator[Trial]:
    """What is planned of these; a seed of everything before the next seed."""
    for budget in budgets:
        for seed in seeds:
            for task in TASKS:
                for recipe in PLAN[budget]:
                    if recipe in recipes and _differs(recipe, task):
                        yield Trial(recipe, task, seed, budget)


def _differs(recipe: str, task: str) -> bool:
    """Whether it is another training than the efficient one, or is that one itself."""
    try:
        mine, plain = (
            Trial(name, task, 0, min(PLAN)).settings().identity
            for name in (recipe, "efficient")
        )
    except ValueError:  # a curriculum that this task does not offer
        return False
    is_other = mine != plain or RECIPES[recipe].alternative is not None
    return recipe == "efficient" or is_other
