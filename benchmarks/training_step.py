"""How fast is a training step, against the plain loop that it replaced?

    python -m benchmarks.training_step

One process, one thread, alternating rounds; each round times some steps in CPU time,
which on an idle machine is wall time, and the median over rounds is shown. A step is
everything between two updates: drawing 64 episodes at the paper's size, forward,
backward, clipping, optimizer, schedule, counting answers. The allocator setting of
`icl_mlflow.training.allocator` holds for the whole process and so helps every loop.
The plain loop is the research notebook's own where that lies beside the repository, and
otherwise a textbook `torch.nn.TransformerEncoder` fed episode by episode.
"""

import logging
import runpy
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.training.build import initial_model, problem, training_batch
from icl_mlflow.training.device import compute_threads
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation

ROUNDS = 9
STEPS_A_ROUND = 12
NOTEBOOK = Path(__file__).parents[2] / "shared" / "notebook" / "baseline.py"

Steps = Iterator[object]


def ours(precision: str) -> Steps:
    """The steps of `icl_mlflow.training.fit`, at its defaults."""
    settings = TrainSettings(precision=precision, device="cpu")
    chosen = problem(settings)
    optimisation = Optimisation(
        settings, initial_model(settings), chosen.variant.frozen
    )
    for index in range(settings.total_steps):
        step = optimisation.step(training_batch(settings, chosen, index, "cpu"))
        yield step.loss.isfinite().item()  # as fit does at every step


def notebook() -> Steps:
    """The notebook's steps, by its own functions."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = runpy.run_path(str(NOTEBOOK))["load"]()
    config = names["data_cfg"]
    model = names["ICLTransformer"](d_in=config.d, n_ctx=config.n_ctx)
    optimizer, schedule = recipe(model)
    for batch in names["train_loader_A"]:
        yield names["train_step"](
            model, batch, optimizer, nn.BCEWithLogitsLoss(), schedule
        )


def textbook() -> Steps:
    """An `nn.TransformerEncoder` on episodes drawn one at a time."""
    model = Textbook()
    optimizer, schedule = recipe(model)
    rng = np.random.default_rng(0)
    while True:
        episodes = [episode(rng) for _ in range(64)]
        x_BSD, y_BS = (torch.stack(parts) for parts in zip(*episodes, strict=True))
        optimizer.zero_grad()
        logit_B, label_B = model(x_BSD, y_BS[:, :-1]), y_BS[:, -1]
        loss = binary_cross_entropy_with_logits(logit_B, label_B)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield loss.item(), ((logit_B > 0) == label_B.bool()).float().mean().item()


def recipe(
    model: nn.Module,
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimizer and the schedule that both plain loops use."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-4, total_steps=15_620, pct_start=0.3
    )
    return optimizer, schedule


def episode(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One problem of task A: 33 points (S, D) and their labels (S,), the query last."""
    mu_D = rng.standard_normal(16)
    mu_D /= np.linalg.norm(mu_D)
    y_S = rng.integers(0, 2, size=33)
    centre_SD = 3.0 * rng.standard_normal(16) + (2 * y_S - 1)[:, None] * mu_D
    x_SD = centre_SD + rng.standard_normal((33, 16))
    return torch.as_tensor(x_SD).float(), torch.as_tensor(y_S).float()


class Textbook(nn.Module):
    """The paper's model from torch's own modules."""

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Linear(16 + 1, 128)
        self.query = nn.Linear(16, 128)
        self.position = nn.Parameter(0.02 * torch.randn(1, 33, 128))
        layer = nn.TransformerEncoderLayer(
            128, 4, 512, dropout=0.0, activation="gelu", batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(128, 1)

    def forward(self, x_BSD: Tensor, y_BN: Tensor) -> Tensor:
        """Log-odds of the last point's label: (B,)."""
        context_BNF = torch.cat([x_BSD[:, :-1], y_BN.unsqueeze(-1)], dim=-1)
        tokens = [self.point(context_BNF), self.query(x_BSD[:, -1:])]
        out_BSM = self.transformer(torch.cat(tokens, dim=1) + self.position)
        return self.head(out_BSM[:, -1]).squeeze(-1)


def main() -> None:
    """Time every loop in turn, round after round, and print the medians."""
    loops: dict[str, Callable[[], Steps]] = {
        "notebook" if NOTEBOOK.exists() else "textbook": (
            notebook if NOTEBOOK.exists() else textbook
        ),
        "ours, fp32": lambda: ours("fp32"),
        "ours, bf16": lambda: ours("bf16"),
    }
    with compute_threads(1):
        running = {name: start() for name, start in loops.items()}
        seconds: dict[str, list[float]] = {name: [] for name in running}
        for steps in running.values():
            for _ in range(3):
                next(steps)
        for _ in range(ROUNDS):
            for name, steps in running.items():
                started = time.process_time()
                for _ in range(STEPS_A_ROUND):
                    next(steps)
                taken = time.process_time() - started
                seconds[name].append(taken / STEPS_A_ROUND)

    plain, *_ = seconds
    print(f"{'loop':<12} {'ms a step':>9} {'(range)':>15} {'episodes/s':>11} speed-up")
    for name, each in seconds.items():
        median = statistics.median(each)
        ratios = [a / b for a, b in zip(seconds[plain], each, strict=True)]
        spread = f"({1e3 * min(each):.1f} to {1e3 * max(each):.1f})"
        print(
            f"{name:<12} {1e3 * median:>9.1f} {spread:>15} {64 / median:>11.0f} "
            f"{statistics.median(ratios):>7.2f}x"
        )


if __name__ == "__main__":
    main()
