"""The verbs of the command line, for notebooks and scripts.

>>> import icl_mlflow as icl
>>> icl.train(task="A", preset="smok")
Traceback (most recent call last):
...
ValueError: unknown preset 'smok'; choose one of: paper, efficient, smoke

What a command takes as an option is a keyword here, and what it takes as text with
commas may be a sequence. Several models train in processes of their own, so a script
needs the line ``if __name__ == "__main__":`` above such a call; a notebook does not.
"""

from icl_mlflow.api.listening import OnEpoch
from icl_mlflow.api.questions import analyze, compare, score
from icl_mlflow.api.suites import ablate, diagram, reproduce, search
from icl_mlflow.api.training import train

__all__ = [
    "OnEpoch",
    "ablate",
    "analyze",
    "compare",
    "diagram",
    "reproduce",
    "score",
    "search",
    "train",
]
