"""The settings of a training: same settings and seed, same weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from icl_mlflow.identity import decisive, digest
from icl_mlflow.settings import (
    MODEL_PREFIX,
    check,
    never,
    setting,
    task_parameters,
)
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.parameters import (
    defaults,
    given_to,
    takes_task_parameters,
    wrapping_of,
)
from icl_mlflow.variants import VARIANTS

#: What a preset sets; every option given beside it wins.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    # Published quality with a 25th of the episodes: benchmarks/results/frontier.md.
    "efficient": {
        "target": "bayes",
        "curriculum": "all",
        "epochs": 10,
        "train_episodes": 4_000,
        "val_episodes": 2_000,
        "batch_size": 16,
        "queries": 16,
        "lr": 1e-3,
        "schedule": "linear",
        "warmup": 0.1,
        "beta2": 0.95,
        "precision": "auto",
    },
    "smoke": {
        "epochs": 2,
        "train_episodes": 1_280,
        "val_episodes": 512,
        "test_episodes": 1_024,
        "n_context": 8,
        "dim": 4,
        "d_model": 32,
    },
}

#: The precision that suits the machine; what that is takes its place at once.
AUTO_PRECISION = "auto"

#: Where checkpoints go.
LOCAL, LOG, DOUBLING = "local", "log", "doubling"


def _trains(settings: "TrainSettings") -> bool:
    return settings.epochs > 0


def _eases(settings: "TrainSettings") -> bool:
    return _trains(settings) and settings.curricula != "none"


def _asks_several(settings: "TrainSettings") -> bool:
    return _trains(settings) and settings.queries > 1


def _has_blocks_to_copy(settings: "TrainSettings") -> bool:
    return settings.n_layers > 1


@takes_task_parameters
@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One run of one model. Defaults are the paper's (arXiv 2603.10573).

    Parameters of the task are given by name, beside the fields:

    >>> TrainSettings(task="A", tau=9).task_parameters
    {'tau': 9.0, 'separation': 1.0}

    Raises:
        ValueError: a value out of range, or settings that contradict each other.
    """

    # What is learned
    task: str = setting("A", "Task to learn.", choices=lambda: TASKS, group="Task")
    variant: str = setting(
        "baseline",
        "Variant to train; `icl-mlflow ablate --list` shows them.",
        choices=lambda: VARIANTS,
    )
    dim: int = setting(16, "Dimension of x.", minimum=1, maximum=65_536)
    n_context: int = setting(
        32, "Labelled points per episode.", minimum=1, maximum=1_000_000
    )
    parameters: Mapping[str, float] = task_parameters("{default} if not given")

    # The model
    d_model: int = setting(
        128, "Width of the residual stream.", minimum=1, maximum=16_384, group="Model"
    )
    n_layers: int = setting(2, "Transformer blocks.", minimum=1, maximum=1_000)
    n_heads: int = setting(4, "Attention heads per block.", minimum=1)
    positions: int | None = setting(
        None,
        "Rows of the position table (as many as the episodes need if not given).",
        minimum=1,
        maximum=10_000_000,
    )
    layer_init: str = setting(
        "copied",
        "Blocks start alike, as the paper's, or each on its own.",
        choices=lambda: ("copied", "independent"),
        decides=_has_blocks_to_copy,
    )

    # What each step teaches
    target: str = setting(
        "labels",
        "Learn from sampled labels, or from their exact probabilities given the rest.",
        choices=lambda: ("labels", "bayes"),
        decides=_trains,
        group="Training",
    )
    curriculum: str = setting(
        "none",
        "Begin with an easier task: none, all that the task offers, or some by name, "
        "joined by a plus.",
        decides=_trains,
    )
    curriculum_share: float = setting(
        0.4,
        "Share of the steps after which the task is as given.",
        above=0,
        maximum=1,
        decides=_eases,
    )

    n_context_min: int | None = setting(
        None,
        "Train on contexts of any length from this one to n_context, all as likely (of "
        "n_context alone if not given).",
        minimum=0,
        decides=_trains,
    )
    queries: int = setting(
        1, "Queries of a training episode.", minimum=1, maximum=1_000, decides=_trains
    )
    queries_share: float = setting(
        0.8,
        "Share of the steps with several queries, hidden from the context; then one.",
        above=0,
        maximum=1,
        decides=_asks_several,
    )

    # The optimisation
    epochs: int = setting(20, "Times over train_episodes fresh episodes.", minimum=0)
    train_episodes: int = setting(
        50_000, "Episodes per epoch.", minimum=1, decides=_trains
    )
    batch_size: int = setting(
        64, "Episodes per step.", minimum=1, maximum=100_000_000, decides=_trains
    )
    lr: float = setting(3e-4, "Peak learning rate of AdamW.", above=0, decides=_trains)
    beta2: float = setting(
        0.999,
        "AdamW's memory for squared gradients; lower follows changes sooner.",
        minimum=0,
        maximum=0.99999,
        decides=_trains,
    )
    schedule: str = setting(
        "one_cycle",
        "How the rate rises and falls: along cosines, or in straight lines.",
        choices=lambda: ("one_cycle", "linear"),
        decides=_trains,
    )
    weight_decay: float = setting(
        1e-4, "Weight decay of AdamW.", minimum=0, decides=_trains
    )
    warmup: float = setting(
        0.3,
        "Share of the steps in which the rate rises.",
        above=0,
        maximum=0.99,
        decides=_trains,
    )
    clip_norm: float = setting(
        1.0, "Largest gradient norm of a step.", above=0, decides=_trains
    )
    precision: str = setting(
        "fp32",
        "Arithmetic of the training step: auto is bf16 where the hardware has it, or "
        "fp32; tf32 on CUDA; evaluation is always fp32.",
        choices=lambda: ("fp32", "bf16", "tf32", AUTO_PRECISION),
        decides=_trains,
    )

    # What it is judged on
    val_episodes: int = setting(
        5_000, "Validation episodes, drawn once.", minimum=2, maximum=100_000_000
    )
    test_episodes: int = setting(
        20_000, "Test episodes, drawn once.", minimum=1, maximum=100_000_000
    )
    also_evaluate: str = setting(
        "none",
        "Evaluate every epoch under named shifts of the task too: none, all, or some "
        "by name, joined by a plus (tasks A and E: out_of_distribution).",
        decides=never,
    )

    # Where it runs, and from which random numbers
    device: str = setting(
        "auto",
        "Where to compute.",
        choices=lambda: ("auto", "cpu", "cuda", "mps"),
        decides=never,
        group="Run",
    )
    threads: int = setting(
        0,
        "CPU threads; 0 for one per core that is free at the start.",
        minimum=0,
        maximum=1_024,
        decides=never,
    )
    seed: int = setting(
        0, "Seed of the initial weights and the training episodes.", minimum=0
    )
    data_seed: int | None = setting(
        None,
        "Seed of the training episodes alone (seed if not given).",
        minimum=0,
        decides=_trains,
    )
    eval_seed: int = setting(
        0, "Seed of the validation and test episodes, shared by all seeds.", minimum=0
    )

    # What is kept of it
    keep_checkpoints: str = setting(
        LOCAL,
        "Weights after each epoch: on this machine until the run ends (local), or also "
        "as models of the run: all of them (log), or those after epochs 1, 2, 4, 8, "
        "... and the last (doubling).",
        choices=lambda: (LOCAL, LOG, DOUBLING),
        decides=never,
    )
    model_prefix: str | None = setting(
        None,
        "What the registered model's name begins with, on a server that others share.",
        pattern=MODEL_PREFIX,
        decides=never,
    )

    def __post_init__(self) -> None:
        # One spelling for one variant, so that equal runs have equal identities.
        object.__setattr__(self, "variant", VARIANTS.canonical(str(self.variant)))
        check(self)
        given = given_to(self.task, self.parameters)
        object.__setattr__(self, "parameters", given)
        if self.precision == AUTO_PRECISION:
            # Before anything is made of the settings, so that workers elsewhere, the
            # identity and whoever goes on later know of one choice only. It needs
            # torch, which settings must not import otherwise.
            from icl_mlflow.training.compute.precision import suited_precision  # noqa: PLC0415

            object.__setattr__(self, "precision", suited_precision(self.device).name)
        if self.n_context_min is not None and self.n_context_min > self.n_context:
            raise ValueError(
                f"n_context_min={self.n_context_min} is more than "
                f"n_context={self.n_context}"
            )
        if self.epochs and self.steps_per_epoch == 0:
            raise ValueError(
                f"train_episodes={self.train_episodes} is less than one batch of "
                f"batch_size={self.batch_size}"
            )
        if self.epochs and self.warmup * self.total_steps <= 1:
            raise ValueError(
                f"{self.total_steps} steps are too few for warmup={self.warmup}; "
                "raise epochs, train_episodes or warmup, or lower batch_size"
            )

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Self:
        """The settings of a preset, with ``overrides`` on top.

        >>> TrainSettings.preset("smoke", seed=3).epochs
        2
        """
        if name not in PRESETS:
            raise ValueError(
                f"unknown preset {name!r}; choose one of: {', '.join(PRESETS)}"
            )
        return cls(**{**PRESETS[name], **overrides})

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in ``train_episodes``; the remainder is not drawn."""
        return self.train_episodes // self.batch_size

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def queries_at(self, step: int) -> int:
        """The number of queries of each episode that a step learns to answer."""
        return self.queries if step < self.queries_share * self.total_steps else 1

    def answers(self, steps: range) -> int:
        """The number of queries of all episodes of these steps together."""
        return self.batch_size * sum(self.queries_at(step) for step in steps)

    def keeps_epoch(self, epoch: int) -> bool:
        """Whether the weights after an epoch, from 0, become a model of the run.

        >>> [e for e in range(12) if TrainSettings(keep_checkpoints="doubling",
        ...     epochs=12).keeps_epoch(e)]
        [0, 1, 3, 7, 11]
        """
        n_epochs = epoch + 1
        is_power = n_epochs & epoch == 0
        is_due = is_power or n_epochs == self.epochs
        return {LOCAL: False, LOG: True, DOUBLING: is_due}[self.keep_checkpoints]

    @property
    def varies_length(self) -> bool:
        """Whether training shows contexts of several lengths."""
        return self.n_context_min not in {None, self.n_context}

    @property
    def run_name(self) -> str:
        """The name of the run: ``A-baseline-seed0``."""
        return f"{self.task}-{self.variant}-seed{self.seed}"

    @property
    def task_parameters(self) -> dict[str, float]:
        """The task's own parameters, as given or as it has them; given wrappers'."""
        return {**defaults(self.task), **self.parameters}

    @property
    def curricula(self) -> str:
        """The one spelling of what `curriculum` stands for on this task.

        Raises:
            ValueError: a curriculum that the task does not offer.
        """
        # It needs torch, which settings must not import.
        from icl_mlflow.tasks.curricula import canonical  # noqa: PLC0415

        return canonical(TASKS[self.task], self.curriculum)

    @property
    def identity(self) -> str:
        """A hash of all that decides the result: equal for equal results.

        What is not given counts as what stands for it, so that spelling it out changes
        nothing. Rounding, which devices and threads change, is not part of it.
        """
        meant = {
            "curriculum": self.curricula,
            "data_seed": None if self.data_seed == self.seed else self.data_seed,
            "n_context_min": self.n_context_min if self.varies_length else None,
        }
        given = self.task_parameters
        own = decisive(TASKS[self.task], given)
        named = {name: own[name] for name in given if name in own}
        around = decisive(wrapping_of(self.parameters))
        task = {"name": self.task, **named, **around}
        return digest({**decisive(self, meant), "task": task, "variant": self.variant})
