"""The numbers that arXiv 2603.10573 prints, under the names of its experiments.

Accuracies: its table of final validation accuracies, of the last epoch, mean of three
seeds with the half-width 1.96 sd / sqrt(3). Correlations: the titles of its figures
"logit against LLR" and "Transformer vs. kernel regression", of the model of seed 0.
"""

from dataclasses import dataclass
from typing import Final

from icl_mlflow.published.experiment import Experiment, experiment

SOURCE: Final = "arXiv 2603.10573"
#: The shift of the task on which the row ``task_A_OOD`` is evaluated: tau = 9.
SHIFT: Final = "out_of_distribution"
#: What the paper's trainings had.
N_SEEDS: Final = 3


@dataclass(frozen=True)
class PublishedAccuracy:
    """One row of the paper's table.

    Attributes:
        name: of the experiment.
        mean: of three seeds, in [0, 1].
        half_width: 1.96 sd / sqrt(3).
    """

    name: str
    mean: float
    half_width: float

    @property
    def experiment(self) -> Experiment:
        """Which task and variant that is."""
        return experiment(self.name)

    @property
    def low(self) -> float:
        """The lower end of the paper's interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end of the paper's interval."""
        return self.mean + self.half_width


@dataclass(frozen=True)
class PublishedCorrelation:
    """A correlation that a figure of the paper gives.

    Attributes:
        what: for readers.
        task: whose baseline it is of.
        analysis, number: what this package calls it.
        value: in [-1, 1].
    """

    what: str
    task: str
    analysis: str
    number: str
    value: float


ACCURACIES: Final = (
    PublishedAccuracy("task_A_regular", 0.7833, 0.0033),
    PublishedAccuracy("task_A_OOD", 0.6465, 0.0483),
    PublishedAccuracy("task_B_regular", 0.8295, 0.0050),
    PublishedAccuracy("task_A_ablation_context_increase", 0.7593, 0.0430),
    PublishedAccuracy("task_A_ablation_frozen_attention", 0.5040, 0.0068),
    PublishedAccuracy("task_A_ablation_frozen_pos", 0.7808, 0.0061),
    PublishedAccuracy("task_A_ablation_frozen_qk", 0.4957, 0.0129),
    PublishedAccuracy("task_A_ablation_interleaved", 0.4941, 0.0123),
    PublishedAccuracy("task_A_ablation_no_labels", 0.5020, 0.0160),
    PublishedAccuracy("task_A_ablation_no_pos", 0.7818, 0.0052),
    PublishedAccuracy("task_A_ablation_noisy_labels_p0.1", 0.7021, 0.1164),
    PublishedAccuracy("task_A_ablation_noisy_labels_p0.2", 0.5332, 0.0574),
    PublishedAccuracy("task_A_ablation_noisy_labels_p0.4", 0.4965, 0.0142),
    PublishedAccuracy("task_A_ablation_shuffled_context", 0.7800, 0.0060),
    PublishedAccuracy("task_A_ablation_shuffled_labels", 0.4962, 0.0127),
)

_LLR, _KERNEL = "llr_regression", "kernel_regression"

CORRELATIONS: Final = (
    PublishedCorrelation("A: logit and LLR, Pearson", "A", _LLR, "llr_pearson", 0.859),
    PublishedCorrelation(
        "A: logit and LLR, Spearman", "A", _LLR, "llr_spearman", 0.862
    ),
    PublishedCorrelation("B: logit and LLR, Pearson", "B", _LLR, "llr_pearson", 0.597),
    PublishedCorrelation(
        "B: logit and LLR, Spearman", "B", _LLR, "llr_spearman", 0.976
    ),
    PublishedCorrelation(
        "A at tau = 9: logit and LLR, Pearson", "A", _LLR, f"{SHIFT}_llr_pearson", 0.567
    ),
    PublishedCorrelation(
        "A at tau = 9: logit and LLR, Spearman",
        *("A", _LLR, f"{SHIFT}_llr_spearman"),
        0.566,
    ),
    PublishedCorrelation(
        "A: logit and kernel vote, Pearson", "A", _KERNEL, "kernel_dot_pearson", 0.314
    ),
)


#: Task and variant of the trainings that are also evaluated on the shift.
SHIFTED: Final = ("A", "baseline")


def trainings() -> tuple[tuple[str, str], ...]:
    """Task and variant of everything that is to be trained, each once."""
    named = (published.experiment for published in ACCURACIES)
    return tuple(dict.fromkeys((each.task, each.variant) for each in named))
