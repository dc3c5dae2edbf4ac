"""What members of a stack share is kept once, and travels in few pieces."""

import torch

from icl_mlflow.suite.grid import grid
from icl_mlflow.training.problem import problem, training_batches
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.joined import Chunk, JoinedBatches, joined

SETTINGS = TrainSettings(
    dim=2, n_context=4, epochs=1, train_episodes=8 * 30, batch_size=8, queries=3
)
MEMBERS = grid(SETTINGS, ["baseline", "shuffled_labels"], range(3))


def here(step: int) -> JoinedBatches:
    return joined(training_batches(MEMBERS, [problem(m) for m in MEMBERS], step))


def test_members_of_one_seed_share_their_points() -> None:
    batches = here(0)
    assert batches.context_x_UBND.shape[0] == 3
    assert batches.points_R.tolist() == [0, 1, 2, 0, 1, 2]
    assert batches.context_y_RBN.shape[0] == 6


def test_a_chunk_gives_back_the_batches_of_its_steps() -> None:
    steps = [here(step) for step in range(20, 28)]  # of two shapes
    for ours, theirs in zip(Chunk.of(steps), steps, strict=True):
        assert ours.shapes == theirs.shapes
        pairs = zip(ours.tensors(), theirs.tensors(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
