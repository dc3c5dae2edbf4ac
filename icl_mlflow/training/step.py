"""One optimisation step: loss, gradient, clipping, AdamW."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LRScheduler

from icl_mlflow.models import InContextModel
from icl_mlflow.training.flat_parameters import Packing
from icl_mlflow.training.optimizer import optimizer_and_schedule
from icl_mlflow.training.problem import Batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants.base import Freeze

#: AdamW's running means of the gradients and of their squares.
_MEANS = ("exp_avg", "exp_avg_sq")


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


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A batch's gradient, which lies with the weights, and what was measured for it.

    Attributes:
        loss, right: as of the `Step`.
    """

    loss: Tensor
    right: Tensor


class Optimisation:
    """A model and all that moves it: optimizer, schedule and what is held still.

    Args:
        settings: the recipe; its ``epochs`` and batches are the length of the schedule.
        model: trained in place: its parameters become views of the row that steps move,
            so it must not be moved or converted until training is over.
        frozen: which entries of the model stay as they are.
    """

    def __init__(
        self, settings: TrainSettings, model: InContextModel, frozen: Freeze
    ) -> None:
        self.model = model
        self._clip_norm = settings.clip_norm
        self._is_bf16 = settings.precision == "bf16"
        self._held = _Held(model, frozen)
        parameters: dict[str, Tensor] = dict(model.named_parameters())
        trained = {name: p for name, p in parameters.items() if p.requires_grad}
        self._fixed = {n: p for n, p in parameters.items() if n not in trained}
        self._packing = Packing(trained)
        self._weights_P = self._packing.row(trained).requires_grad_()
        # The model reads, and a checkpoint writes, the memory that steps move.
        for name, value in self._packing.views(self._weights_P.detach()).items():
            trained[name].data = value
        self._optimizer, self._schedule = optimizer_and_schedule(
            settings, [self._weights_P]
        )

    def step(self, batch: Batch) -> Step:
        """Move the weights once, by the gradient of the batch's mean log-loss."""
        return self.move(self.differentiate(batch))

    def differentiate(self, batch: Batch) -> Slope:
        """Find the gradient of a batch's mean log-loss; nothing that is kept changes.

        Whoever gives up in the middle of it may keep the model as it is.
        """
        logit_BQ = self._answer(batch)
        loss = binary_cross_entropy_with_logits(logit_BQ, batch.target_BQ)
        torch.autograd.backward(loss)
        right = ((logit_BQ.detach() > 0) == batch.label_BQ.bool()).sum()
        return Slope(loss=loss.detach(), right=right)

    def move(self, found: Slope) -> Step:
        """Move the weights by the gradient that `differentiate` has just found."""
        gradient_P = self._weights_P.grad
        assert gradient_P is not None
        self._held.keep_off(gradient_P, self._packing)
        gradient_norm = clip_grad_norm_(self._weights_P, self._clip_norm)
        rate = float(self._schedule.get_last_lr()[0])
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._held.put_back()
        self._schedule.step()
        return Step(
            loss=found.loss,
            right=found.right,
            gradient_norm=gradient_norm,
            rate=rate,
        )

    def moments(self) -> dict[str, Tensor]:
        """AdamW's memory: ``step``, and ``exp_avg/NAME`` and ``exp_avg_sq/NAME``.

        Before the first step they are zero.
        """
        state = self._optimizer.state.get(self._weights_P) or {
            "step": torch.zeros((), device=self.model.device),
            **dict.fromkeys(_MEANS, torch.zeros_like(self._weights_P)),
        }
        means = {
            f"{kind}/{name}": value
            for kind in _MEANS
            for name, value in self._packing.views(state[kind]).items()
        }
        return {"step": state["step"], **means}

    def restore(self, moments: Mapping[str, Tensor], position: int) -> None:
        """Go on as after so many steps; the weights are the caller's to put back.

        Args:
            moments: as `moments` gave them.
            position: how many steps the schedule has behind it, which decides the rate.
        """
        self._optimizer.state[self._weights_P] = {
            "step": moments["step"].clone(),
            **{
                kind: self._packing.row(
                    {name: moments[f"{kind}/{name}"] for name in self._packing.names}
                )
                for kind in _MEANS
            },
        }
        if position:
            # Its rate is a function of the position; at the first one it would warn.
            before = {"last_epoch": position - 1, "_step_count": position + 1}
            LRScheduler.load_state_dict(self._schedule, before)
            self._schedule.step()

    def _answer(self, batch: Batch) -> Tensor:
        """Log-odds (B, Q) in the precision of the weights.

        With bf16 everything between the float32 weights and the loss is bfloat16. That
        saves the hundred and seventy casts a step that autocast makes between the two;
        sums inside products, norms and softmax are float32 in either.
        """
        seen = batch.seen
        features_BSF = self.model.features(
            seen.context_x_BND, seen.context_y_BN, batch.query_x_BQD
        )
        weights_P, fixed = self._weights_P, self._fixed
        if self._is_bf16:
            features_BSF, weights_P = features_BSF.bfloat16(), weights_P.bfloat16()
            fixed = {name: value.bfloat16() for name, value in fixed.items()}
        parameters = {**self._packing.views(weights_P), **fixed}
        logit_A = self.model.logits(
            parameters,
            features_BSF,
            n_queries=batch.label_BQ.shape[1],
            lengths_B=batch.lengths_B,
        )
        logit_BQ = logit_A.view(batch.label_BQ.shape)
        return logit_BQ.float() if self._is_bf16 else logit_BQ


class _Held:
    """Entries that a variant freezes: bit-equal to their start after every step.

    A parameter frozen as a whole is taken out of training. Of one frozen in part the
    gradient is zeroed, so that it does not count towards clipping, and after the step,
    whose weight decay would still move it, the start is put back.
    """

    def __init__(self, model: InContextModel, frozen: Freeze) -> None:
        self._parts: list[tuple[str, Tensor, Tensor, Tensor]] = []
        for name, parameter in model.named_parameters():
            mask = frozen(name, parameter)
            if mask is None:
                continue
            if mask.all():
                parameter.requires_grad = False
            else:
                start = parameter.detach().clone()
                self._parts.append((name, parameter, mask, start))

    def keep_off(self, gradient_P: Tensor, packing: Packing) -> None:
        """Zero in a row of gradients what is held."""
        if not self._parts:  # most often: no views of the row, then
            return
        gradients = packing.views(gradient_P)
        for name, _, mask, _ in self._parts:
            gradients[name].masked_fill_(mask, 0.0)

    @torch.no_grad()
    def put_back(self) -> None:
        for _, parameter, mask, start in self._parts:
            parameter.copy_(torch.where(mask, start, parameter))
