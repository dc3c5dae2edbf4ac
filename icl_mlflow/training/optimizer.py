"""The optimizer, AdamW, and the schedule of its learning rate."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from icl_mlflow.training.settings import TrainSettings

_BETA_1 = 0.9


def optimizer_and_schedule(
    settings: TrainSettings, parameters: Sequence[Tensor]
) -> tuple[torch.optim.AdamW, LRScheduler]:
    """AdamW on these parameters, and the schedule that sets its rate at every step.

    ``one_cycle`` rises and falls along cosines and, against the rate, moves AdamW's
    first beta between 0.95 and 0.85. ``linear`` rises and falls in straight lines, to
    nothing after the last step, and leaves the first beta at 0.9.
    """
    optimizer = torch.optim.AdamW(
        parameters,
        lr=settings.lr,
        betas=(_BETA_1, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    n_steps = settings.total_steps
    if settings.schedule == "one_cycle":
        return optimizer, OneCycleLR(
            optimizer,
            max_lr=settings.lr,
            total_steps=n_steps,
            pct_start=settings.warmup,
        )
    n_rising = settings.warmup * n_steps

    def share(step: int) -> float:
        return min((step + 1) / n_rising, (n_steps - step) / (n_steps - n_rising), 1.0)

    return optimizer, LambdaLR(optimizer, share)
