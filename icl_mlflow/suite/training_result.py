"""What a training leaves: the run, its history, its figures and its task."""

from dataclasses import dataclass

import pandas as pd

from icl_mlflow.analysis.report.card import card
from icl_mlflow.tasks.base import Task
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingResult:
    """A finished training run.

    Attributes:
        settings: what was trained.
        run_id: of its MLflow run.
        model_uri: of its registered model, ``models:/NAME/VERSION``; None if that waits
            for a store that could not be reached, and for ``icl-mlflow sync``.
        epochs: what each epoch measured.
        best_epoch: whose weights were kept; None without training.
        test: final metrics by tracked name.
        bayes_accuracy: what the exact Bayes predictor is expected to reach on the test
            episodes.
        ui_link: the run's page in the UI.
        reused: it had been trained before, and was not trained again.
    """

    settings: TrainSettings
    run_id: str
    model_uri: str | None
    epochs: tuple[Epoch, ...]
    best_epoch: int | None
    test: dict[str, float]
    bayes_accuracy: float
    ui_link: str
    reused: bool = False

    @property
    def task(self) -> Task:
        """The task as it was trained on, with its dimension and parameters."""
        return problem(self.settings).task

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch, the index ``epoch``; a column a metric, by tracked name."""
        rows = [epoch.metrics for epoch in self.epochs]
        index = pd.Index([epoch.epoch for epoch in self.epochs], name="epoch")
        return pd.DataFrame(rows, index=index)

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in self._figures.items())
        return f"TrainingResult({self.settings.run_name}, run {self.run_id}, {figures})"

    def _repr_html_(self) -> str:
        model = self.model_uri or "not registered yet"
        rows = {"run": self.run_id, "model": model, **self._figures}
        return card(self.settings.run_name, rows, self.ui_link)

    @property
    def _figures(self) -> dict[str, str]:
        return {
            "accuracy": f"{self.test['test/accuracy']:.4f} "
            f"(exact Bayes {self.bayes_accuracy:.4f})",
            "excess risk": f"{self.test['test/excess_risk']:.4f} nats",
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class SeedsResult:
    """A finished parent run and the runs below it.

    Attributes:
        run_id: of the parent.
        members: one a seed.
        ui_link: the parent's page in the UI.
        comparison_link: the seeds side by side in the UI's chart view.
    """

    run_id: str
    members: tuple[TrainingResult, ...]
    ui_link: str
    comparison_link: str = ""

    @property
    def task(self) -> Task:
        """The task as they were trained on, with its dimension and parameters."""
        return self.members[0].task

    @property
    def history(self) -> pd.DataFrame:
        """One row a seed and epoch, which are the index; a column a metric."""
        each = {member.settings.seed: member.history for member in self.members}
        return pd.concat(each, names=["seed"])

    @property
    def test(self) -> pd.DataFrame:
        """One row a seed, the index ``seed``; a column a final metric."""
        seeds = [member.settings.seed for member in self.members]
        rows = [member.test for member in self.members]
        return pd.DataFrame(rows, index=pd.Index(seeds, name="seed"))

    def __repr__(self) -> str:
        named = ", ".join(member.settings.run_name for member in self.members)
        mean = self.test["test/excess_risk"].mean()
        return (
            f"SeedsResult({named}, run {self.run_id}, mean excess risk {mean:.4f} nats)"
        )

    def _repr_html_(self) -> str:
        rows = {
            member.settings.run_name: (
                f"accuracy {member.test['test/accuracy']:.4f}, "
                f"excess risk {member.test['test/excess_risk']:.4f} nats"
            )
            for member in self.members
        }
        return card(f"{len(rows)} seeds", {"run": self.run_id, **rows}, self.ui_link)
