"""`icl-mlflow episodes` writes what `icl-mlflow score` can judge answers by."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from icl_mlflow.cli.questions.episodes import episodes
from icl_mlflow.cli.questions.score import score


@pytest.fixture
def file(tmp_path: Path) -> Path:
    out = tmp_path / "x.parquet"
    options = ["--task", "B", "--n", "300", "--n_context", "6", "--out", str(out)]
    result = CliRunner().invoke(episodes, options, catch_exceptions=False)
    assert result.exit_code == 0
    assert "300 episodes of task B, n_context 6, dim 16" in result.output
    return out


def test_bayes_own_answers_have_no_excess_risk(file: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(file)
    answers = tmp_path / "y.csv"
    frame.rename(columns={"bayes_log_odds": "log_odds"})[
        ["episode", "log_odds"]
    ].to_csv(answers, index=False)
    options = ["--predictions", str(answers), "--truth", str(file)]
    result = CliRunner().invoke(score, options, catch_exceptions=False)
    assert result.exit_code == 0
    first = result.output.split("bayes\n")[0]
    assert "excess_risk  0.0000" in first
    assert "300 episodes; intervals at 95 %" in first


def test_a_file_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    result = CliRunner().invoke(episodes, ["--out", str(tmp_path / "x.csv")])
    assert result.exit_code == 2
    assert "out must end in .parquet or .npz" in result.output
