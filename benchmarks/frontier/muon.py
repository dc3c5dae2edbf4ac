"""A step whose hidden matrices are moved by Muon, all else by AdamW.

Muon takes the momentum of a matrix's gradient and makes its singular values alike. It
is in torch from 2.9 on.
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from icl_mlflow.models import Transformer
from icl_mlflow.models.forward import logits
from icl_mlflow.training.optimizer import optimizer_and_schedule
from icl_mlflow.training.problem import Batch
from icl_mlflow.training.settings import TrainSettings

_PEAK = 0.003
_MOMENTUM = 0.95


class MuonOptimisation:
    """What `Optimisation` is with one optimizer, with two; on one query an episode.

    Args:
        settings: the recipe; its rate is that of AdamW, and Muon's rises and falls
            with it.
        model: trained in place.
    """

    def __init__(self, settings: TrainSettings, model: Transformer) -> None:
        self._model, self._clip_norm = model, settings.clip_norm
        self._is_bf16 = settings.precision == "bf16"
        named = dict(model.named_parameters())
        hidden = [p for n, p in named.items() if p.ndim == 2 and "layers" in n]
        rest = [p for n, p in named.items() if p.ndim != 2 or "layers" not in n]
        self._adamw, self._schedule = optimizer_and_schedule(settings, rest)
        self._muon = torch.optim.Muon(
            hidden, lr=_PEAK, weight_decay=settings.weight_decay, momentum=_MOMENTUM
        )
        peak = settings.lr
        self._muon_schedule = LambdaLR(
            self._muon, lambda _: float(self._schedule.get_last_lr()[0]) / peak
        )

    def step(self, batch: Batch) -> None:
        """Move the weights once, by the gradient of the batch's mean log-loss."""
        seen = batch.seen
        features_BSF = self._model.features(
            seen.context_x_BND, seen.context_y_BN, seen.query_x_BD
        )
        parameters = dict(self._model.named_parameters())
        if self._is_bf16:
            features_BSF = features_BSF.bfloat16()
            parameters = {name: value.bfloat16() for name, value in parameters.items()}
        logit_B = logits(parameters, self._model.architecture, features_BSF)
        target_B = batch.target_BQ[:, 0]
        loss = binary_cross_entropy_with_logits(logit_B.float(), target_B)
        torch.autograd.backward(loss)
        clip_grad_norm_(self._model.parameters(), self._clip_norm)
        for optimizer in (self._adamw, self._muon):
            optimizer.step()
            optimizer.zero_grad()
        for schedule in (self._schedule, self._muon_schedule):
            schedule.step()
