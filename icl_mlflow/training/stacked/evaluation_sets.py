"""The evaluation episodes of a stack: members that share them have them once."""

from icl_mlflow.evaluation import EvaluationSet
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import Problem
from icl_mlflow.training.settings import TrainSettings


class EvaluationSets:
    """Evaluation episodes, drawn and answered once for all members that share them."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], EvaluationSet] = {}

    def of(
        self, settings: TrainSettings, chosen: Problem, stream: str
    ) -> EvaluationSet:
        """The set of a member, of a stream: ``validation`` or ``test``."""
        key = (
            *(chosen.task, chosen.n_context, chosen.variant.on_eval, stream),
            *(settings.eval_seed, settings.val_episodes, settings.test_episodes),
        )
        if key not in self._known:
            self._known[key] = evaluation_episodes(settings, chosen, stream)
        return self._known[key]
