"""One optimisation step of many models at once, each as if it were alone.

The forward pass is the model's own `logits`, mapped over stacked parameters;
the gradient of the summed loss is each model's own gradient, for none depends on
another. Clipping is by each model's own norm, and AdamW is elementwise with torch's own
schedule of each model, so that rates, decays and clipping may differ within a stack.

Shape suffixes: R = models of the stack, P = entries of a model's row (`Packing`),
T = steps of the whole training, A = answers, to all queries of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.models import InContextModel
from icl_mlflow.training.flat_parameters import Packing
from icl_mlflow.training.optimizer import optimizer_and_schedule
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.cuda_graph import Queue, captured
from icl_mlflow.training.stacked.joined import JoinedBatches

# As in torch.nn.utils.clip_grad_norm_, where it keeps a quotient finite.
_CLIP_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What some steps measured, before they moved the weights; on the CPU.

    Attributes:
        steps: T of them, counted over the whole training.
        loss_TR: mean log-loss of each batch, nats.
        right_TR: how many of its answers are right.
        gradient_norm_TR: before clipping.
        rate_TR: learning rate, float64.
    """

    steps: range
    loss_TR: Tensor
    right_TR: Tensor
    gradient_norm_TR: Tensor
    rate_TR: Tensor


class StackedOptimisation:
    """Models of one shape and all that moves them.

    Args:
        members: what is trained; of one stack (`icl_mlflow.training.stacked.planning`).
        models: in the same order, on the device and in the precision to train in.
    """

    def __init__(
        self, members: Sequence[TrainSettings], models: Sequence[InContextModel]
    ) -> None:
        first, settings = models[0], members[0]
        self._models = models
        self._packing = Packing(dict(first.named_parameters()))
        rows = [self._packing.row(dict(m.named_parameters())) for m in models]
        self._weights_RP = torch.stack(rows).requires_grad_()
        self._free_RP = self._free(members)
        self._mean_RP = torch.zeros_like(self._weights_RP, requires_grad=False)
        self._square_RP = torch.zeros_like(self._mean_RP)

        one_each = {_recipe(member): member for member in members}
        schedules = {recipe: _Schedule(m) for recipe, m in one_each.items()}
        each = [schedules[_recipe(member)] for member in members]
        self._rate_TR = torch.stack([schedule.rate_T for schedule in each], dim=1)
        like = self._mean_RP
        self._update_T4R1 = (
            torch.stack([schedule.update_T4 for schedule in each], dim=2)
            .to(like)
            .unsqueeze(-1)
        )
        self._clip_norm_R = like.new_tensor([member.clip_norm for member in members])
        second = [(one.beta2, 1 - one.beta2) for one in each]
        self._square_kept_R1, self._square_new_R1 = (
            like.new_tensor(second).t().unsqueeze(-1)
        )
        self._epsilon = like.new_tensor(each[0].epsilon)

        steps = (settings.total_steps, len(members))
        self._index = torch.zeros(1, dtype=torch.int64, device=like.device)
        self._loss_TR = like.new_zeros(steps)
        self._right_TR = like.new_zeros(steps, dtype=torch.int64)
        self._gradient_norm_TR = like.new_zeros(steps)
        self._is_bf16 = settings.precision == "bf16"
        self._seen: JoinedBatches | None = None
        self._work: Callable[[], object] = self._compute
        self._queue = Queue() if self.device.type == "cuda" else None

    def step(self, batches: JoinedBatches) -> None:
        """Move every model once, by the gradient of its own batch.

        On CUDA it waits for the device only when many steps are left to do there.

        Args:
            batches: one a model, on the CPU.
        """
        if self._seen is None or batches.shapes != self._seen.shapes:
            self._seen = batches.to(self.device)
            if self._queue is not None:
                self._work = captured(self._compute, self._changed())
        else:  # into the same memory, which a recording reads
            self._seen.copy_(batches)
        self._work()
        if self._queue is not None:
            self._queue.given()

    def taken(self, steps: range) -> Taken:
        """What these steps, the latest among them, measured; waits for the device."""
        part = slice(steps.start, steps.stop)
        return Taken(
            steps=steps,
            loss_TR=self._loss_TR[part].cpu(),
            right_TR=self._right_TR[part].cpu(),
            gradient_norm_TR=self._gradient_norm_TR[part].cpu(),
            rate_TR=self._rate_TR[part],
        )

    @property
    def device(self) -> torch.device:
        """Where the stack is."""
        return self._weights_RP.device

    def model(self, index: int) -> InContextModel:
        """One of the models, with its weights of now; the next call may change them."""
        model = self._models[index]
        model.load_state_dict(self.weights(index))
        return model

    def weights(self, index: int) -> dict[str, Tensor]:
        """A copy of one model's weights of now."""
        return self._packing.views(self._weights_RP[index].detach().clone())

    def kept(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """What the next step of these models builds on: copies (R, P) on the CPU."""
        held = (self._weights_RP, self._mean_RP, self._square_RP)
        copies = [one.detach()[list(rows)].cpu() for one in held]
        return dict(zip(("weights", "mean", "square"), copies, strict=True))

    @torch.no_grad()
    def restore(self, kept: Mapping[str, Tensor], step: int) -> None:
        """Go on from what was kept after so many steps; before the first one."""
        self._weights_RP.copy_(kept["weights"])
        self._mean_RP.copy_(kept["mean"])
        self._square_RP.copy_(kept["square"])
        self._index.fill_(step)

    def row(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The row of a model's weights: (P,)."""
        return self._packing.row(weights)

    def unpacked(self, row_P: Tensor) -> dict[str, Tensor]:
        """The weights of a row, where the stack is."""
        return self._packing.views(row_P.to(self._weights_RP))

    @property
    def n_entries(self) -> int:
        """P."""
        return self._weights_RP.shape[1]

    def _compute(self) -> None:
        """One step, from and to tensors that stay where they are."""
        seen, weights_RP = self._seen, self._weights_RP
        assert seen is not None
        features_RBSF = seen.features(self._models[0]).to(weights_RP.dtype)
        if self._is_bf16:  # all between the weights and the loss, as a step alone does
            weights_RP, features_RBSF = weights_RP.bfloat16(), features_RBSF.bfloat16()
        answer = partial(
            self._models[0].logits, n_queries=seen.n_queries, may_fuse=False
        )
        parameters = self._packing.views(weights_RP)
        if seen.lengths_RB is None:
            logit_RA = torch.vmap(answer)(parameters, features_RBSF)
        else:
            logit_RA = torch.vmap(
                lambda weights, features_BSF, lengths_B: answer(
                    weights, features_BSF, lengths_B=lengths_B
                )
            )(parameters, features_RBSF, seen.lengths_RB)
        logit_RA = logit_RA.to(self._weights_RP.dtype)
        loss_R = binary_cross_entropy_with_logits(
            logit_RA, seen.target_RA.to(logit_RA.dtype), reduction="none"
        ).mean(1)
        (gradient_RP,) = torch.autograd.grad(loss_R.sum(), self._weights_RP)
        right_R = ((logit_RA.detach() > 0) == seen.label_RA.bool()).sum(1)
        self._move(gradient_RP, loss_R.detach(), right_R)

    @torch.no_grad()
    def _move(self, gradient_RP: Tensor, loss_R: Tensor, right_R: Tensor) -> None:
        """Clip, then AdamW, as torch does both; what is held stays as it is."""
        if self._free_RP is not None:
            gradient_RP = gradient_RP * self._free_RP
        norm_R = torch.linalg.vector_norm(gradient_RP, dim=1)
        clip_R = (self._clip_norm_R / (norm_R + _CLIP_EPSILON)).clamp(max=1.0)
        gradient_RP = gradient_RP * clip_R.unsqueeze(-1)

        update_4R1 = self._update_T4R1.index_select(0, self._index)[0]
        kept_R1, blend_R1, size_R1, root_R1 = update_4R1
        self._mean_RP.lerp_(gradient_RP, blend_R1)
        self._square_RP.mul_(self._square_kept_R1)
        self._square_RP.addcmul_(gradient_RP, gradient_RP * self._square_new_R1)
        # As few passes over the rows as torch allows: on a device they cost a sixth of
        # the step.
        scale_RP = torch.addcdiv(self._epsilon, self._square_RP.sqrt(), root_R1)
        change_RP = size_R1 * self._mean_RP
        if self._free_RP is None:
            self._weights_RP.mul_(kept_R1).addcdiv_(change_RP, scale_RP, value=-1)
        else:
            moved_RP = self._weights_RP * kept_R1
            moved_RP.addcdiv_(change_RP, scale_RP, value=-1)
            torch.where(self._free_RP, moved_RP, self._weights_RP, out=self._weights_RP)

        self._loss_TR.index_copy_(0, self._index, loss_R.unsqueeze(0))
        self._right_TR.index_copy_(0, self._index, right_R.unsqueeze(0))
        self._gradient_norm_TR.index_copy_(0, self._index, norm_R.unsqueeze(0))
        self._index += 1

    def _changed(self) -> list[Tensor]:
        """What a step changes and the next one reads."""
        return [self._weights_RP, self._mean_RP, self._square_RP, self._index]

    def _free(self, members: Sequence[TrainSettings]) -> Tensor | None:
        """Which entries of which model train: (R, P) bool; None where all do."""
        held = []
        for settings, model in zip(members, self._models, strict=True):
            frozen = problem(settings).variant.frozen
            marked = {name: frozen(name, p) for name, p in model.named_parameters()}
            held.append(self._packing.mask(marked))
        held_RP = torch.stack(held).to(self._weights_RP.device)
        return ~held_RP if held_RP.any() else None


class _Schedule:
    """A training's rates and AdamW's factors, taken from torch's own objects.

    Attributes:
        rate_T: the learning rate of each step, float64.
        update_T4: how much of the weights stays (1 - rate * decay), how much of the
            mean is new (1 - beta1), and the bias corrections of the rate and of the
            root of the mean square; float64.
        beta2, epsilon: of AdamW.
    """

    def __init__(self, settings: TrainSettings) -> None:
        optimizer, schedule = optimizer_and_schedule(
            settings, [torch.zeros(1, requires_grad=True)]
        )
        (group,) = optimizer.param_groups
        rates, updates = [], []
        for step in range(1, settings.total_steps + 1):
            rate, (beta1, beta2) = float(group["lr"]), group["betas"]
            rates.append(rate)
            updates.append(
                (
                    1 - rate * group["weight_decay"],
                    1 - beta1,
                    rate / (1 - beta1**step),
                    (1 - beta2**step) ** 0.5,
                )
            )
            optimizer.step()  # there is no gradient: nothing moves but the schedule
            schedule.step()
        self.rate_T = torch.tensor(rates, dtype=torch.float64)
        self.update_T4 = torch.tensor(updates, dtype=torch.float64)
        self.beta2: float = group["betas"][1]
        self.epsilon: float = group["eps"]


def _recipe(settings: TrainSettings) -> tuple[float | str, ...]:
    """What decides the rates and AdamW's factors at every step."""
    return (
        *(settings.schedule, settings.total_steps, settings.lr, settings.warmup),
        *(settings.weight_decay, settings.beta2),
    )
