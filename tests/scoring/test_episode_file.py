"""Episodes in a file are those that were drawn, with their exact answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from icl_mlflow.evaluation import evaluation_set
from icl_mlflow.scoring.episode_file import read_episodes, truth_of, write_episodes
from icl_mlflow.tasks import TASKS

TRUTH = evaluation_set(TASKS["A"], TASKS["A"].sample(40, 5, stream="test"))


@pytest.mark.parametrize("ending", [".parquet", ".npz"])
def test_all_comes_back(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"x{ending}"
    write_episodes(file, TRUTH, {"task": "A"})
    found, note = read_episodes(file)
    assert note == {"task": "A"}
    for name in ("context_x_BND", "context_y_BN", "query_x_BD", "query_y_B"):
        assert torch.equal(getattr(found.episodes, name), getattr(TRUTH.episodes, name))
    for name, value in TRUTH.episodes.latents.items():
        assert torch.equal(found.episodes.latents[name], value)
    assert torch.equal(found.bayes_B, TRUTH.bayes_B)
    assert torch.equal(found.oracle_B, TRUTH.oracle_B)


def test_another_library_reads_it_without_us(tmp_path: Path) -> None:
    write_episodes(tmp_path / "x.parquet", TRUTH, {})
    frame = pd.read_parquet(tmp_path / "x.parquet")
    context_x = np.stack([np.stack(one) for one in frame["context_x"]])
    np.testing.assert_array_equal(context_x, TRUTH.episodes.context_x_BND.numpy())
    assert frame["query_y"].tolist() == TRUTH.episodes.query_y_B.tolist()


def test_what_cannot_be_scored_is_told() -> None:
    with pytest.raises(ValueError, match="no column query_y and no column bayes_log_o"):
        truth_of({"log_odds": np.zeros(3)}, Path("y.csv"))
