"""One optimisation step: loss, gradient, clipping, AdamW."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LRScheduler

from icl_mlflow.models import Transformer
from icl_mlflow.models.forward import logits
from icl_mlflow.training.build import Batch
from icl_mlflow.training.recipe import optimizer_and_schedule
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants.base import Freeze


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step measured, before it moved the weights; tensors are on the device.

    Attributes:
        loss: mean log-loss of the batch, expected under its targets, nats.
        right: how many of its answers are right.
        gradient_norm: before clipping.
        rate: the learning rate of the step.
    """

    loss: Tensor
    right: Tensor
    gradient_norm: Tensor
    rate: float


class Optimisation:
    """A model and all that moves it: optimizer, schedule and what is held still.

    Args:
        settings: the recipe; its ``epochs`` and batches are the length of the schedule.
        model: trained in place, where it is.
        frozen: which entries of the model stay as they are.
    """

    def __init__(
        self, settings: TrainSettings, model: Transformer, frozen: Freeze
    ) -> None:
        self.model = model
        self._clip_norm = settings.clip_norm
        self._is_bf16 = settings.precision == "bf16"
        self._held = _Held(model, frozen)
        self._trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._optimizer, self._schedule = optimizer_and_schedule(
            settings, list(self._trained.values())
        )

    def step(self, batch: Batch) -> Step:
        """Move the weights once, by the gradient of the batch's mean log-loss."""
        logit_B = self._forward(batch)
        loss = binary_cross_entropy_with_logits(logit_B, batch.target_B)
        torch.autograd.backward(loss)
        self._held.keep_gradients_off()
        gradient_norm = clip_grad_norm_(self._trained.values(), self._clip_norm)
        rate = float(self._schedule.get_last_lr()[0])
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._held.put_back()
        self._schedule.step()
        return Step(
            loss=loss.detach(),
            right=((logit_B.detach() > 0) == batch.seen.query_y_B.bool()).sum(),
            gradient_norm=gradient_norm,
            rate=rate,
        )

    def moments(self) -> dict[str, Tensor]:
        """AdamW's memory: ``exp_avg/NAME``, ``exp_avg_sq/NAME`` and ``step/NAME``.

        Of a parameter that has not been moved yet they are zero.
        """
        return {
            f"{kind}/{name}": value
            for name, parameter in self._trained.items()
            for kind, value in self._moments_of(parameter).items()
        }

    def restore(self, moments: Mapping[str, Tensor], position: int) -> None:
        """Go on as after so many steps; the weights are the caller's to put back.

        Args:
            moments: as `moments` gave them.
            position: how many steps the schedule has behind it, which decides the rate.
        """
        for name, parameter in self._trained.items():
            self._optimizer.state[parameter] = {
                kind: moments[f"{kind}/{name}"].to(parameter.device, copy=True)
                for kind in _no_moments(parameter)
            }
        if position:
            # Its rate is a function of the position; at the first one it would warn.
            before = {"last_epoch": position - 1, "_step_count": position + 1}
            LRScheduler.load_state_dict(self._schedule, before)
            self._schedule.step()

    def _moments_of(self, parameter: Tensor) -> dict[str, Tensor]:
        return self._optimizer.state.get(parameter) or _no_moments(parameter)

    def _forward(self, batch: Batch) -> Tensor:
        """Log-odds in the precision of the weights.

        With bf16 everything between the float32 weights and the loss is bfloat16. That
        saves the hundred and seventy casts a step that autocast makes between the two;
        sums inside products, norms and softmax are float32 in either.
        """
        seen = batch.seen
        features_BSF = self.model.features(
            seen.context_x_BND, seen.context_y_BN, seen.query_x_BD
        )
        parameters: dict[str, Tensor] = dict(self.model.named_parameters())
        if self._is_bf16:
            features_BSF = features_BSF.bfloat16()
            parameters = {name: p.bfloat16() for name, p in parameters.items()}
        logit_B = logits(parameters, self.model.architecture, features_BSF)
        return logit_B.float() if self._is_bf16 else logit_B


def _no_moments(parameter: Tensor) -> dict[str, Tensor]:
    """AdamW's memory of a parameter before its first step."""
    return {
        "step": torch.zeros((), device=parameter.device),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    }


class _Held:
    """Entries that a variant freezes: bit-equal to their start after every step.

    A parameter frozen as a whole is taken out of training. Of one frozen in part the
    gradient is zeroed, so that it does not count towards clipping, and after the step,
    whose weight decay would still move it, the start is put back.
    """

    def __init__(self, model: Transformer, frozen: Freeze) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for name, parameter in model.named_parameters():
            mask = frozen(name, parameter)
            if mask is None:
                continue
            if mask.all():
                parameter.requires_grad = False
            else:
                self._parts.append((parameter, mask, parameter.detach().clone()))

    def keep_gradients_off(self) -> None:
        for parameter, mask, _ in self._parts:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(mask, 0.0)

    @torch.no_grad()
    def put_back(self) -> None:
        for parameter, mask, start in self._parts:
            parameter.copy_(torch.where(mask, start, parameter))
