"""Train one model: fresh episodes at every step, the best epoch kept, tested at the end."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_

from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import EvaluationSet, evaluation_set, predict, scores
from icl_mlflow.models import Transformer
from icl_mlflow.streams import generator
from icl_mlflow.training.build import Problem, initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings

Weights = dict[str, Tensor]

#: On an accelerator, reading a loss waits for the device, so it is looked at this often.
_ACCELERATOR_CHECK_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history.

    Attributes:
        epoch: from 0.
        metrics: by tracked name: ``train/loss``, ``val/excess_risk``, ``lr``, ...
    """

    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained model and how it came about.

    Attributes:
        settings: what was asked for.
        model: with the weights of the best epoch, in evaluation mode, on the CPU.
        history: one entry an epoch.
        best_epoch: the epoch with the lowest validation loss; None without training.
        test: final metrics by tracked name: ``test/loss``, ``test/accuracy``, ...
        test_set: the episodes behind them.
        test_logit_B: the model's log-odds on them, float64, nats.
    """

    settings: TrainSettings
    model: Transformer
    history: tuple[Epoch, ...]
    best_epoch: int | None
    test: dict[str, float]
    test_set: EvaluationSet
    test_logit_B: Tensor


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite.

    Attributes:
        epoch, step: where it happened; ``step`` counts over the whole run.
        last_good: the weights at the end of the last finished epoch.
        history: the finished epochs.
    """

    def __init__(
        self, *, epoch: int, step: int, last_good: Weights, history: tuple[Epoch, ...]
    ) -> None:
        super().__init__(
            f"the loss is not finite at epoch {epoch}, step {step}; "
            "try a lower lr or clip_norm"
        )
        self.epoch = epoch
        self.step = step
        self.last_good = last_good
        self.history = history


def fit(
    settings: TrainSettings,
    *,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Fitted:
    """Train one model; the same settings give the same history, to the bit, on a CPU.

    Args:
        settings: what to train.
        on_step: called after every step.
        on_epoch: called with every finished epoch.

    Raises:
        NonFiniteLossError: as soon as a loss is NaN or infinite.
        ValueError: settings that contradict each other, or a device that is not here.
    """
    device = pick_device(settings.device)
    chosen = problem(settings)
    with _threads(settings.threads):
        validation = evaluation_episodes(settings, chosen, "validation")
        model = initial_model(settings).to(device)
        history: list[Epoch] = []
        best_epoch, best = None, snapshot(model)
        best_loss = math.inf
        for epoch, metrics in enumerate(_epochs(settings, chosen, model, on_step, history)):
            val_logit_B = predict(model, validation.seen.to(device))
            val = scores(val_logit_B, validation)
            metrics |= {
                f"val/{name}": val[name] for name in ("loss", "accuracy", "excess_risk")
            }
            if metrics["val/loss"] < best_loss:
                best_loss, best_epoch, best = metrics["val/loss"], epoch, snapshot(model)
            history.append(Epoch(epoch=epoch, metrics=metrics))
            on_epoch(history[-1])

        model.load_state_dict(best)
        test_set = evaluation_episodes(settings, chosen, "test")
        test_logit_B = predict(model, test_set.seen.to(device))
    test = scores(test_logit_B, test_set)
    return Fitted(
        settings=settings,
        model=model.cpu().eval(),
        history=tuple(history),
        best_epoch=best_epoch,
        test={f"test/{name}": value for name, value in test.items()},
        test_set=test_set,
        test_logit_B=test_logit_B,
    )


def evaluation_episodes(
    settings: TrainSettings, chosen: Problem, stream: str
) -> EvaluationSet:
    """The fixed validation or test set: the same for every seed and every call."""
    n_episodes = {"validation": settings.val_episodes, "test": settings.test_episodes}
    seed = settings.eval_seed
    episodes = chosen.task.sample(
        n_episodes[stream], chosen.n_context, seed=seed, stream=stream
    )
    seen = chosen.variant.on_eval(episodes, generator(seed, f"{stream} intervention"))
    return evaluation_set(chosen.task, episodes, seen)


def snapshot(model: Transformer) -> Weights:
    """A copy of the weights that later steps do not touch."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def pick_device(name: str) -> torch.device:
    """The device of a name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        ValueError: a device that this machine does not have.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    present = [kind for kind, is_here in here.items() if is_here]
    if name == "auto":
        return torch.device(present[0])
    if name not in present:
        raise ValueError(
            f"no {name} device on this machine; choose one of: auto, {', '.join(present)}"
        )
    return torch.device(name)


@contextlib.contextmanager
def _threads(wanted: int) -> Iterator[None]:
    """Compute with so many CPU threads, then give back what there was."""
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _epochs(
    settings: TrainSettings,
    chosen: Problem,
    model: Transformer,
    on_step: Callable[[], None],
    history: list[Epoch],
) -> Iterator[dict[str, float]]:
    """Train an epoch at each turn and yield its training metrics."""
    if not settings.epochs:
        return
    device = model.head.weight.device
    held = _Held(model, chosen)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )
    # OneCycleLR also moves AdamW's first beta between 0.95 and 0.85, against the rate.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=settings.lr,
        total_steps=settings.total_steps,
        pct_start=settings.warmup,
    )
    check_every = 1 if device.type == "cpu" else _ACCELERATOR_CHECK_EVERY
    for epoch in range(settings.epochs):
        last_good = snapshot(model)
        losses, right, norms = [], [], []
        started = time.perf_counter()
        for index in range(settings.steps_per_epoch):
            step = epoch * settings.steps_per_epoch + index
            episodes = training_batch(settings, chosen, step, device)
            loss, correct = _forward(settings, model, episodes)
            loss.backward()
            held.keep_gradients_off()
            norms.append(clip_grad_norm_(trained, settings.clip_norm))
            losses.append(loss.detach())
            right.append(correct)
            is_last = index == settings.steps_per_epoch - 1
            if (index % check_every == 0 or is_last) and not math.isfinite(losses[-1]):
                raise NonFiniteLossError(
                    epoch=epoch, step=step, last_good=last_good, history=tuple(history)
                )
            rate = schedule.get_last_lr()[0]
            optimizer.step()
            optimizer.zero_grad()
            held.put_back()
            schedule.step()
            on_step()
        n_episodes = settings.steps_per_epoch * settings.batch_size
        yield {
            "train/loss": float(torch.stack(losses).double().mean()),
            "train/accuracy": int(torch.stack(right).sum()) / n_episodes,
            "lr": rate,
            "grad_norm": float(torch.stack(norms).double().mean()),
            "episodes_per_second": n_episodes / (time.perf_counter() - started),
        }


def _forward(
    settings: TrainSettings, model: Transformer, episodes: Episodes
) -> tuple[Tensor, Tensor]:
    """Mean log-loss of a batch, and how many answers are right."""
    label_B = episodes.query_y_B.float()
    bf16 = settings.precision == "bf16"
    with torch.autocast(label_B.device.type, torch.bfloat16, enabled=bf16):
        logit_B = model(
            episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD
        )
    loss = binary_cross_entropy_with_logits(logit_B.float(), label_B)
    return loss, ((logit_B.detach() > 0) == episodes.query_y_B.bool()).sum()


class _Held:
    """Entries that a variant freezes: bit-equal to their start after every step.

    A parameter frozen as a whole is taken out of training. Of one frozen in part the
    gradient is zeroed, so that it does not count towards clipping, and after the step,
    whose weight decay would still move it, the start is put back.
    """

    def __init__(self, model: Transformer, chosen: Problem) -> None:
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for name, parameter in model.named_parameters():
            mask = chosen.variant.frozen(name, parameter)
            if mask is None:
                continue
            if mask.all():
                parameter.requires_grad_(False)
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
