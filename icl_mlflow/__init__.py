"""In-context learning of statistical tests: tasks, models, analyses, tracked by MLflow.

The commands are functions: `train`, `ablate`, `diagram`, `search`, `reproduce`,
`analyze`, `compare`.
`registered_models` lists models, `load_model` fetches one, and `predict` asks it, exact
Bayes and any other predictor alike.

>>> from icl_mlflow import TASKS
>>> episodes = TASKS["A"].sample(4, n_context=8, seed=1)
>>> TASKS["A"].bayes_logit(episodes).shape
torch.Size([4])
"""

import importlib
from typing import TYPE_CHECKING, Any

from icl_mlflow.version import VERSION

if TYPE_CHECKING:
    from icl_mlflow.analysis import ANALYSES
    from icl_mlflow.analysis.settings import AnalyzeSettings, CompareSettings
    from icl_mlflow.api import (
        ablate,
        analyze,
        compare,
        diagram,
        reproduce,
        search,
        train,
    )
    from icl_mlflow.episodes import Episodes
    from icl_mlflow.estimators import ESTIMATORS
    from icl_mlflow.estimators.adapters import of_classifier, of_numpy, of_pyfunc
    from icl_mlflow.estimators.predictor import bayes, estimator, oracle
    from icl_mlflow.evaluation import evaluation_set, predict, scores
    from icl_mlflow.models import Architecture, Transformer
    from icl_mlflow.published.checkpoint import read_published
    from icl_mlflow.suite.execution import Execution
    from icl_mlflow.tasks import TASKS
    from icl_mlflow.tracking.models.catalogue import model_card, registered_models
    from icl_mlflow.tracking.models.lookup import load_model
    from icl_mlflow.training.fit import fit
    from icl_mlflow.training.settings import TrainSettings
    from icl_mlflow.variants import VARIANTS

__version__ = VERSION

# Imported when first asked for, so that the command line starts without torch.
_PLACES = {
    "ANALYSES": "icl_mlflow.analysis",
    "ESTIMATORS": "icl_mlflow.estimators",
    "TASKS": "icl_mlflow.tasks",
    "VARIANTS": "icl_mlflow.variants",
    "AnalyzeSettings": "icl_mlflow.analysis.settings",
    "Architecture": "icl_mlflow.models",
    "CompareSettings": "icl_mlflow.analysis.settings",
    "Episodes": "icl_mlflow.episodes",
    "Execution": "icl_mlflow.suite.execution",
    "TrainSettings": "icl_mlflow.training.settings",
    "Transformer": "icl_mlflow.models",
    "analyze": "icl_mlflow.api",
    "bayes": "icl_mlflow.estimators.predictor",
    "compare": "icl_mlflow.api",
    "diagram": "icl_mlflow.api",
    "estimator": "icl_mlflow.estimators.predictor",
    "evaluation_set": "icl_mlflow.evaluation",
    "fit": "icl_mlflow.training.fit",
    "load_model": "icl_mlflow.tracking.models.lookup",
    "model_card": "icl_mlflow.tracking.models.catalogue",
    "of_classifier": "icl_mlflow.estimators.adapters",
    "of_numpy": "icl_mlflow.estimators.adapters",
    "of_pyfunc": "icl_mlflow.estimators.adapters",
    "oracle": "icl_mlflow.estimators.predictor",
    "predict": "icl_mlflow.evaluation",
    "read_published": "icl_mlflow.published.checkpoint",
    "registered_models": "icl_mlflow.tracking.models.catalogue",
    "reproduce": "icl_mlflow.api",
    "score": "icl_mlflow.api",
    "scores": "icl_mlflow.evaluation",
    "search": "icl_mlflow.api",
    "ablate": "icl_mlflow.api",
    "train": "icl_mlflow.api",
}

__all__ = [
    "ANALYSES",
    "ESTIMATORS",
    "TASKS",
    "VARIANTS",
    "AnalyzeSettings",
    "Architecture",
    "CompareSettings",
    "Episodes",
    "Execution",
    "TrainSettings",
    "Transformer",
    "ablate",
    "analyze",
    "bayes",
    "compare",
    "diagram",
    "estimator",
    "evaluation_set",
    "fit",
    "load_model",
    "model_card",
    "of_classifier",
    "of_numpy",
    "of_pyfunc",
    "oracle",
    "predict",
    "read_published",
    "registered_models",
    "reproduce",
    "score",
    "scores",
    "search",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
