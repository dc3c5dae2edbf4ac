"""Each command of a report, read back, is the analysis that it was written for."""

import ast
import shlex
from typing import Any

import pytest

from icl_mlflow.analysis.report.commands import commands
from icl_mlflow.analysis.settings import AnalyzeSettings

EXAMPLES = [
    AnalyzeSettings(run_id="4f2a"),
    AnalyzeSettings(run_id="4f2a", tau=9, episodes=700, analyses="calibration"),
    AnalyzeSettings(model="models:/a name/1", experiment="it's $HOME; `ls`"),
]


def keywords(text: str) -> dict[str, Any]:
    """What Python gives to the last call."""
    call = ast.parse(text).body[-1]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    return {k.arg or "": ast.literal_eval(k.value) for k in call.value.keywords}


@pytest.mark.parametrize("settings", EXAMPLES, ids=lambda s: s.source)
def test_python_repeats_the_analysis(settings: AnalyzeSettings) -> None:
    *_, python = commands(settings)
    assert python.text.startswith("from icl_mlflow import analyze\nanalyze(")
    assert AnalyzeSettings(**keywords(python.text)) == settings


@pytest.mark.parametrize("settings", EXAMPLES, ids=lambda s: s.source)
def test_the_shell_and_mlflow_run_repeat_the_analysis(
    settings: AnalyzeSettings,
) -> None:
    project, shell, python = commands(settings)
    given = keywords(python.text)
    as_words = {name: str(value) for name, value in given.items()}
    words = shlex.split(shell.text)
    assert words[:2] == ["icl-mlflow", "analyze"]
    assert dict(zip(words[2::2], words[3::2], strict=True)) == {
        f"--{name}": text for name, text in as_words.items()
    }
    words = shlex.split(project.text)
    assert shlex.join(words[:7]) == "mlflow run . -e analyze --env-manager local"
    assert words[7::2] == ["-P"] * len(given)
    assert dict(word.split("=", 1) for word in words[8::2]) == as_words
