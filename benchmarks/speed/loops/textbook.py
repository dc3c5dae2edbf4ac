"""The plain way to train the paper's model: torch's own modules, episode by episode."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, Dataset

from benchmarks.speed.phases import repeat_draws, repeat_steps
from benchmarks.speed.timing import Meter
from icl_mlflow.training.settings import TrainSettings

#: Points of an episode, the query last, and their labels: (B, S, D) and (B, S).
Batch = list[Tensor]

_STEPS_OF_THE_PAPER = 15_620


class Textbook(nn.Module):
    """The paper's model from torch's own modules."""

    def __init__(self, settings: TrainSettings) -> None:
        super().__init__()
        dim, d_model = settings.dim, settings.d_model
        self.point = nn.Linear(dim + 1, d_model)
        self.query = nn.Linear(dim, d_model)
        table_1SM = torch.randn(1, settings.n_context + 1, d_model)
        self.position = nn.Parameter(0.02 * table_1SM)
        layer = nn.TransformerEncoderLayer(
            d_model,
            settings.n_heads,
            4 * d_model,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
        )
        self.transformer = nn.TransformerEncoder(layer, settings.n_layers)
        self.head = nn.Linear(d_model, 1)

    def forward(self, x_BSD: Tensor, y_BS: Tensor) -> Tensor:
        """Log-odds of the last point's label, which is not looked at: (B,)."""
        y_BN1 = y_BS[:, :-1].unsqueeze(-1)
        context_BNF = torch.cat([x_BSD[:, :-1], y_BN1], dim=-1)
        tokens = [self.point(context_BNF), self.query(x_BSD[:, -1:])]
        out_BSM = self.transformer(torch.cat(tokens, dim=1) + self.position)
        logit_B: Tensor = self.head(out_BSM[:, -1]).squeeze(-1)
        return logit_B

    def loss(self, batch: Batch) -> Tensor:
        """The mean log-loss of a batch, nats."""
        x_BSD, y_BS = batch
        return binary_cross_entropy_with_logits(self(x_BSD, y_BS), y_BS[:, -1])


class EpisodeDataset(Dataset[tuple[Tensor, Tensor]]):
    """So many fresh episodes of a task, drawn when they are asked for."""

    def __init__(self, task: str, count: int, settings: TrainSettings) -> None:
        self._draw = _DRAW[task]
        self._count = count
        self._shape = (settings.n_context + 1, settings.dim)
        self._rng = np.random.default_rng(settings.seed)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x_SD, y_S = self._draw(self._rng, *self._shape)
        return torch.as_tensor(x_SD).float(), torch.as_tensor(y_S).float()


def loader(task: str, count: int, settings: TrainSettings) -> DataLoader[Batch]:
    """Batches of such episodes."""
    episodes = EpisodeDataset(task, count, settings)
    return DataLoader(episodes, settings.batch_size)  # type: ignore[arg-type]


def recipe(
    model: nn.Module,
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimizer and the schedule of the paper."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-4, total_steps=_STEPS_OF_THE_PAPER, pct_start=0.3
    )
    return optimizer, schedule


def steps(settings: TrainSettings, meter: Meter) -> None:
    """Training on task A, phase by phase."""
    model = Textbook(settings)
    optimizer, schedule = recipe(model)
    batches = iter(loader("A", settings.train_episodes * settings.epochs, settings))

    def step(batch: Batch) -> float:
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        return loss.item()

    repeat_steps(meter, lambda: next(batches), step)


@torch.no_grad()
def evaluation(settings: TrainSettings, meter: Meter) -> None:
    """An evaluation, its episodes drawn anew each time."""
    model = Textbook(settings).eval()
    batches = loader("A", settings.val_episodes, settings)

    def piece() -> float:
        losses = [model.loss(batch) * len(batch[0]) for batch in batches]
        return float(torch.stack(losses).sum()) / settings.val_episodes

    meter.repeat(piece)


def sampler(settings: TrainSettings, tasks: Sequence[str], meter: Meter) -> None:
    """A batch of each task, each a phase."""
    count = settings.train_episodes * settings.epochs
    batches = {task: iter(loader(task, count, settings)) for task in tasks}
    repeat_draws(meter, {task: partial(next, each) for task, each in batches.items()})


_Points = tuple[NDArray[np.float64], NDArray[np.int64]]


def _shifted_mean(rng: np.random.Generator, n_points: int, dim: int) -> _Points:
    """An episode of task A."""
    mu_D = rng.standard_normal(dim)
    mu_D /= np.linalg.norm(mu_D)
    shift_D = 3.0 * rng.standard_normal(dim)
    y_S = rng.integers(0, 2, size=n_points)
    centre_SD = shift_D + (2 * y_S - 1)[:, None] * mu_D
    return centre_SD + rng.standard_normal((n_points, dim)), y_S


def _variance(rng: np.random.Generator, n_points: int, dim: int) -> _Points:
    """An episode of task B."""
    sigma_2 = rng.uniform(0.5, 3.0, size=2)
    y_S = rng.integers(0, 2, size=n_points)
    return rng.standard_normal((n_points, dim)) * sigma_2[y_S][:, None], y_S


_DRAW: dict[str, Callable[[np.random.Generator, int, int], _Points]] = {
    "A": _shifted_mean,
    "B": _variance,
}
