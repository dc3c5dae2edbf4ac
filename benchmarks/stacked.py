"""How fast do many models train as one stack, against one after the other?

    python -m benchmarks.stacked                                  # CUDA where it is
    python -m benchmarks.stacked --device cpu --preset smoke --models 1,4,16
    python -m benchmarks.stacked --precision tf32 --write results/stacked.md

A step is everything between two updates: each model's own batch, forward, backward,
clipping and AdamW. On a device a stack's batches are drawn by processes that run ahead;
what they cost one core is a column of its own. `alone` is the loop of a single
training, on the same device and in the same precision; the research notebook's own loop
is measured as well if `--notebook` or the variable ICL_MLFLOW_NOTEBOOK names its file.
Times are on the clock, medians over rounds; at the end of each the device is waited
for. Needs torch and scipy, but no mlflow: copy the repository to a machine with a GPU
and run it from the root.
"""

import argparse
import itertools
import platform
import runpy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from benchmarks.speed.loops.notebook import place
from icl_mlflow.suite.grid import grid
from icl_mlflow.training.compute.device import (
    compute_threads,
    matrix_products,
    pick_device,
)
from icl_mlflow.training.problem import (
    initial_model,
    problem,
    training_batch,
    training_batches,
)
from icl_mlflow.training.settings import PRESETS, TrainSettings
from icl_mlflow.training.stacked.drawing import BatchSource
from icl_mlflow.training.stacked.joined import joined
from icl_mlflow.training.stacked.planning import member_bytes
from icl_mlflow.training.stacked.step import StackedOptimisation
from icl_mlflow.training.step import Optimisation

WARM_UP = 3
ROUNDS = 7

Step = Callable[[], object]
Start = AbstractContextManager[Step]


@dataclass(frozen=True)
class Timed:
    """One row: how many models, seconds a step takes, and one core to draw for it."""

    name: str
    models: int
    step: float
    drawing: float | None


def main() -> None:
    """Measure and print a Markdown table."""
    asked = _arguments()
    device = pick_device(asked.device)
    steps = asked.steps or (20 if device.type == "cuda" else 2)
    settings = TrainSettings.preset(
        asked.preset,
        precision=asked.precision,
        device=asked.device,
        threads=1,
        train_episodes=64 * (WARM_UP + ROUNDS * steps),
    )
    rows = []
    with compute_threads(asked.threads), matrix_products(settings.precision):
        if asked.notebook and asked.preset == "paper":
            rows.append(_notebook(asked.notebook, steps, device))
        rows.append(_timed("alone", [settings], _alone, steps, device))
        for models in map(int, asked.models.split(",")):
            members = grid(settings, ["baseline"], range(models))
            rows.append(_timed("stack", members, _together, steps, device))
    text = _report(rows, settings, device, steps)
    print(text)
    if asked.write:
        asked.write.write_text(text + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="paper", choices=list(PRESETS))
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--models", default="1,16,64,128")
    parser.add_argument("--steps", type=int, default=0, help="in each round")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--notebook", type=Path, default=place(), help="its file")
    parser.add_argument("--write", type=Path, help="a Markdown file for the table")
    return parser.parse_args()


def _timed(
    name: str,
    members: Sequence[TrainSettings],
    start: Callable[[Sequence[TrainSettings], torch.device], Start],
    steps: int,
    device: torch.device,
) -> Timed:
    problems = [problem(settings) for settings in members]
    numbers = itertools.count()
    with start(members, device) as step:
        seconds = _seconds(step, steps, device)
    return Timed(
        name,
        len(members),
        step=seconds,
        drawing=_seconds(
            lambda: joined(training_batches(members, problems, next(numbers))),
            steps,
            device,
        ),
    )


def _seconds(step: Step, steps: int, device: torch.device) -> float:
    """A step's time: the median over rounds."""
    for _ in range(WARM_UP):
        step()
    rounds = []
    for _ in range(ROUNDS):
        _wait(device)
        started = time.perf_counter()
        for _ in range(steps):
            step()
        _wait(device)
        rounds.append((time.perf_counter() - started) / steps)
    return median(rounds)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def _alone(members: Sequence[TrainSettings], device: torch.device) -> Iterator[Step]:
    (settings,) = members
    chosen, numbers = problem(settings), itertools.count()
    model = initial_model(settings).to(device)
    optimisation = Optimisation(settings, model, chosen.variant.frozen)
    yield lambda: optimisation.step(
        training_batch(settings, chosen, next(numbers), device)
    )


@contextmanager
def _together(members: Sequence[TrainSettings], device: torch.device) -> Iterator[Step]:
    stack = StackedOptimisation(
        members, [initial_model(settings).to(device) for settings in members]
    )
    steps = range(members[0].total_steps)
    with BatchSource(members, device) as source:
        batches = source.batches(steps)
        yield lambda: stack.step(next(batches))


def _notebook(file: Path, steps: int, device: torch.device) -> Timed:
    episodes_a_second = runpy.run_path(str(file))["throughput"](
        "A", ROUNDS * steps, device.type
    )
    batch = TrainSettings().batch_size
    return Timed("notebook", 1, step=batch / episodes_a_second, drawing=None)


def _report(
    rows: Sequence[Timed], settings: TrainSettings, device: torch.device, steps: int
) -> str:
    place = torch.cuda.get_device_name() if device.type == "cuda" else _processor()
    plain = rows[0]
    memory = f"{member_bytes(settings) / 1e6:.0f} MB a model"
    about = (
        f"{place}; torch {torch.__version__}; {settings.precision}; "
        f"d_model {settings.d_model}, n_context {settings.n_context}, "
        f"batch {settings.batch_size}; about {memory}; "
        f"medians of {ROUNDS} rounds of {steps} steps."
    )
    columns = ["loop", "models", "ms a step", "a core draws in", "ms a model"]
    columns += ["episodes/s", f"against {plain.name}"]
    lines = [about, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        each = row.step / row.models
        drawing = "" if row.drawing is None else f"{1e3 * row.drawing:.2f}"
        lines.append(
            f"| {row.name} | {row.models} | {1e3 * row.step:.2f} | {drawing} | "
            f"{1e3 * each:.3f} | {settings.batch_size / each:,.0f} | "
            f"{plain.step / each:.2f}x |"
        )
    return "\n".join(lines)


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    names = told.read_text().splitlines() if told.exists() else []
    found = [line.partition(":")[2].strip() for line in names if "model name" in line]
    threads = torch.get_num_threads()
    return f"{found[0] if found else platform.machine()}, {threads} thread(s)"


if __name__ == "__main__":
    main()
