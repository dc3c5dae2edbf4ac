"""The published experiments: what the name of a folder says of the files in it.

The study kept the checkpoints and results of each experiment in a folder of its name:
``task_A_regular``, ``task_A_OOD``, ``task_B_regular``, ``task_A_ablation_no_pos``, ...
Source: arXiv 2603.10573 and its notebook.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from icl_mlflow.registry import unknown_name
from icl_mlflow.variants import VARIANTS

#: The ablations by their published names, and the variants that they are.
ABLATIONS = {
    "interleaved": "interleaved",
    "no_labels": "no_labels",
    "shuffled_labels": "shuffled_labels",
    "shuffled_context": "shuffled_context",
    "frozen_attention": "frozen_attention",
    "frozen_qk": "frozen_query_key",
    "frozen_pos": "frozen_position",
    "no_pos": "no_position",
    "context_increase": "wide_position_table",
}
#: The study had no others; this package has.
_TASKS = ("A", "B")
_NAME = re.compile(r"task_([A-Za-z0-9]+)_(regular|OOD|ablation_(\w[\w.]*))", re.ASCII)
_NOISE = re.compile(r"noisy_labels_p([0-9.]+)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One published experiment.

    Attributes:
        name: of its folder.
        task: what was learned.
        variant: the canonical name of how it was trained.
        is_selected_on_shift: its checkpoints are those of the epoch that was best *on
            the shifted episodes* (``task_A_OOD``). The choice has seen what the model
            is then judged on, so these are kept apart from all others.
    """

    name: str
    task: str
    variant: str
    is_selected_on_shift: bool


def experiment(name: str) -> Experiment:
    """The experiment that a folder's name tells.

    Raises:
        ValueError: no published experiment is called so.

    >>> experiment("task_A_ablation_frozen_qk").variant
    'frozen_query_key'
    """
    read = _NAME.fullmatch(name)
    if read is None or read[1] not in _TASKS:
        raise ValueError(
            f"{name!r} is not the name of a published experiment; they are called "
            f"task_A_regular, task_A_OOD, task_B_regular or task_A_ablation_NAME"
        )
    return Experiment(
        name=name,
        task=read[1],
        variant="baseline" if read[3] is None else _ablation(read[3]),
        is_selected_on_shift=read[2] == "OOD",
    )


def experiment_of(file: Path) -> Experiment:
    """The experiment that a file belongs to, by the folder that it lies in.

    Raises:
        ValueError: no published experiment is called as the folder.
    """
    return experiment(file.absolute().parent.name)


def _ablation(name: str) -> str:
    noise = _NOISE.fullmatch(name)
    if noise is not None:
        return VARIANTS.canonical(f"noisy_labels_{noise[1]}")
    if name not in ABLATIONS:
        raise unknown_name("ablation", name, (*ABLATIONS, "noisy_labels_p0.1"))
    return ABLATIONS[name]
