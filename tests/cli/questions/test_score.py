"""`icl-mlflow score` judges a registered model, and refuses what makes no sense."""

import pytest
from click.testing import CliRunner

from icl_mlflow.cli.questions.score import score


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "give exactly one of model"),
        (["--model", "models:/a/1", "--predictions", "y.csv"], "give exactly one of"),
        (["--model", "models:/a/1", "--truth", "x.npz"], "truth goes with predictions"),
        (["--model", "nowhere"], "model must be models:/NAME/VERSION, "),
        (["--model", "a" * 100_000], "model must be models:/NAME/VERSION, "),
        (["--predictions", "none.csv", "--task", "B"], "task is for a model"),
        (["--predictions", "none.csv"], "there is no file none.csv"),
        (["--model", "models:/a/1", "--task", "Z"], "unknown task"),
        (["--model", "models:/a/1", "--analyses", "lens"], "unknown analysis"),
    ],
)
def test_what_makes_no_sense_is_bad_input(options: list[str], complaint: str) -> None:
    result = CliRunner().invoke(score, options)
    assert result.exit_code == 2
    assert complaint in result.output
