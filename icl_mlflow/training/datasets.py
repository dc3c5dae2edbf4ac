"""The data sets of a training: the episodes that it learns from and is judged on.

A data set is known by a hash of how its episodes are drawn. Drawing is a function of
that alone, so equal hashes are equal episodes, on whatever machine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from icl_mlflow.tasks.base import Task, parameters
from icl_mlflow.training.problem import data_digest, problem, resolved
from icl_mlflow.training.settings import TrainSettings

_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Episodes, as MLflow shows them with a run.

    Attributes:
        name: such as ``episodes-A-test``.
        digest: hash of how they are drawn.
        profile: how they are drawn, for readers.
        context: what for: ``training``, ``validation``, ``test`` or ``evaluation``.
    """

    name: str
    digest: str
    profile: Mapping[str, object]
    context: str

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart: name and digest."""
        return self.name, self.digest


def training_dataset(settings: TrainSettings) -> Dataset:
    """The episodes of all steps."""
    return Dataset(
        name=f"episodes-{settings.task}",
        digest=data_digest(settings),
        profile=resolved(settings),
        context="training",
    )


def evaluation_dataset(settings: TrainSettings, stream: str) -> Dataset:
    """The fixed episodes of ``validation`` or ``test``.

    They are the same for every seed, and for every variant that evaluation shows its
    episodes unchanged.
    """
    chosen = problem(settings)
    n_episodes = {"validation": settings.val_episodes, "test": settings.test_episodes}
    profile = episodes_profile(
        settings.task,
        chosen.task,
        n_context=chosen.n_context,
        shown=chosen.variant.on_eval.does,
        episodes=n_episodes[stream],
        seed=settings.eval_seed,
        stream=stream,
    )
    return Dataset(
        name=f"episodes-{settings.task}-{stream}",
        digest=profile_digest(profile),
        profile=profile,
        context=stream,
    )


def episodes_profile(
    name: str,
    task: Task,
    *,
    n_context: int,
    shown: str,
    episodes: int,
    seed: int,
    stream: str,
) -> dict[str, object]:
    """How fixed episodes are drawn, and nothing else.

    Args:
        name: of the task.
        task: that they are of.
        n_context: context points of each.
        shown: how models see them.
        episodes: how many.
        seed: of the draw.
        stream: of the draw.
    """
    return {
        "task": name,
        **parameters(task),
        "n_context": n_context,
        "shown": shown,
        "episodes": episodes,
        "seed": seed,
        "stream": stream,
    }


def profile_digest(profile: Mapping[str, object]) -> str:
    """The hash of a profile."""
    text = json.dumps(profile, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
