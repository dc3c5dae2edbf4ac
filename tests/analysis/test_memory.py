"""However long a context is, little memory is taken: parts hold few points."""

import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="peak memory is told by Unix alone")

#: Peak resident bytes of a process, after an analysis of long contexts.
_PEAK = """
import resource, sys
from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.results import TrainedModel
from icl_mlflow.training.settings import TrainSettings

settings = TrainSettings(n_context=2_048, device="cpu", threads=1)
model = initial_model(settings).eval()
trained = TrainedModel(name="long", model=model, settings=settings)
request = EvaluationRequest(episodes=12, seed=0, shifts={}, device="cpu")
(subject,) = subjects([trained], request)
ANALYSES[sys.argv[1]].measure(subject)
unit = 1 if sys.platform == "darwin" else 1024
print(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize(
    "analysis",
    [
        *("logit_lens", "calibration"),
        pytest.param("logit_attribution", marks=pytest.mark.slow),
        pytest.param("symmetry", marks=pytest.mark.slow),
    ],
)
def test_two_gigabytes_are_enough_for_two_thousand_context_points(
    analysis: str,
) -> None:
    """Attention between all points of 12 such episodes would take 0.8 GB a layer."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, analysis],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) <= 2e9


#: By how many bytes exact answers raise the peak, and what the points themselves take.
_ANSWERS = """
import resource, sys
from icl_mlflow.evaluation import evaluation_set
from icl_mlflow.tasks import TASKS

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

task = TASKS[sys.argv[1]]
evaluation_set(task, task.sample(8, 2_048))  # everything is imported
episodes = task.sample(1_500, 2_048)
before = peak()
evaluation_set(task, episodes)
print(peak() - before, episodes.context_x_BND.nbytes)
"""


@pytest.mark.parametrize("task", ["A", "B"])
def test_exact_answers_to_long_contexts_take_little_memory(
    task: str,
) -> None:
    """At once they would take the points in float64, and more beside."""
    done = subprocess.run(
        [sys.executable, "-c", _ANSWERS, task],
        check=True,
        capture_output=True,
        text=True,
    )
    raised, points = map(int, done.stdout.split())
    assert raised < (0.5 if task == "A" else 1.5) * points
