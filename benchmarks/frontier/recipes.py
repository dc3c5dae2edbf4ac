"""Which recipes are tried on which tasks, and with how many episodes?"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.frontier.alternatives import (
    ATTENTION_BY_LIKENESS,
    AVERAGED,
    MUON,
    NOISY_LABELS,
    OTHER_TASK_FIRST,
    PRE_NORM,
    PUBLISHED,
    SHORT_CONTEXTS,
    Alternative,
)
from icl_mlflow.training.settings import PRESETS, TrainSettings

#: In bf16 whatever the machine, so that what was recorded counts on any other one.
_EFFICIENT = {**PRESETS["efficient"], "precision": "bf16"}
#: What everything else was tried against: one query an episode, as evaluation has.
_ONE_QUERY = {**_EFFICIENT, "queries": 1, "batch_size": 32}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        changes: of the paper's settings.
        alternative: what the package itself does not offer, if anything.
    """

    changes: Mapping[str, Any]
    alternative: Alternative | None = None


def _changed(alternative: Alternative | None = None, **changes: Any) -> Recipe:
    """The recipe `one query` with something changed."""
    return Recipe({**_ONE_QUERY, **changes}, alternative)


RECIPES: Mapping[str, Recipe] = {
    "efficient": Recipe(_EFFICIENT),
    "one query": _changed(),
    "8 queries": _changed(queries=8),
    "8 queries, hidden for good": _changed(
        queries=8, queries_share=1.0, variant="hidden_query"
    ),
    "batch 64": _changed(batch_size=64),
    "batch 64, lr 0.0015": _changed(batch_size=64, lr=1.5e-3),
    "batch 64, lr 0.0015, independent layers": _changed(
        batch_size=64, lr=1.5e-3, layer_init="independent"
    ),
    "paper": Recipe({"precision": "bf16"}),
    "sampled labels": _changed(target="labels"),
    "no curriculum": _changed(curriculum="none"),
    "nuisance alone": _changed(curriculum="nuisance"),
    "separation alone": _changed(curriculum="separation"),
    "short contexts first": _changed(SHORT_CONTEXTS),
    "noisy labels first": _changed(NOISY_LABELS),
    "one cycle": _changed(schedule="one_cycle", warmup=0.3),
    "lr 0.002": _changed(lr=2e-3),
    "beta2 0.999": _changed(beta2=0.999),
    "no clipping": _changed(clip_norm=1e9),
    "independent layers": _changed(layer_init="independent"),
    "averaged weights": _changed(AVERAGED),
    "pre-norm": _changed(PRE_NORM),
    "other task first": _changed(OTHER_TASK_FIRST),
    "attention by likeness": _changed(ATTENTION_BY_LIKENESS),
    "Muon, lr 0.003": _changed(MUON),
}
#: With how many episodes every recipe is tried.
COMPARED = 50_000
#: Which recipes are tried with how many episodes: all with few, the best with more.
PLAN: Mapping[int, Collection[str]] = {
    25_000: ("one query",),
    40_000: ("efficient",),
    COMPARED: tuple(RECIPES),
    100_000: (
        "one query",
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
            for task in PUBLISHED:
                for recipe in PLAN[budget]:
                    if recipe in recipes and _differs(recipe, task):
                        yield Trial(recipe, task, seed, budget)


def _differs(recipe: str, task: str) -> bool:
    """Whether it is another training than `one query`, or is that one itself."""
    try:
        mine, plain = (
            Trial(name, task, 0, min(PLAN)).settings().identity
            for name in (recipe, "one query")
        )
    except ValueError:  # a curriculum that this task does not offer
        return False
    is_other = mine != plain or RECIPES[recipe].alternative is not None
    return recipe == "one query" or is_other
