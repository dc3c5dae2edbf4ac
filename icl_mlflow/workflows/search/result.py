"""What a search has found: the best trial, its command, and the answer in Markdown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from icl_mlflow.analysis import search as results
from icl_mlflow.analysis.report.card import card
from icl_mlflow.suite.description import links_line
from icl_mlflow.tables import markdown
from icl_mlflow.tracking.runs.resume import options_of
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search.plan import SearchPlan
from icl_mlflow.workflows.search.space import shown_space

#: What is watched, and judged.
RISK = "val/excess_risk"
#: Trials that a description shows.
_SHOWN = 5


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchResult:
    """A finished search.

    Attributes:
        run_id: of the parent run.
        trials: one row a trial, in order.
        best: the settings of the best trial; None where none finished.
        best_trial: its row.
        ui_link: the parent's page in the UI.
    """

    run_id: str
    trials: pd.DataFrame
    best: TrainSettings | None
    best_trial: Mapping[str, Any]
    ui_link: str

    @property
    def sentence(self) -> str:
        """The best trial, in a sentence."""
        if self.best is None:
            return "no trial finished"
        row = self.best_trial
        return (
            f"trial {row['trial']}: {row['cell']}: {row['excess_risk']:.4f} nats of "
            "excess risk on validation episodes"
        )

    def __repr__(self) -> str:
        return f"SearchResult({self.sentence}; run {self.run_id})"

    def _repr_html_(self) -> str:
        rows = {"run": self.run_id, "best": self.sentence}
        return card("Search", rows, self.ui_link)


def answered(plan: SearchPlan, found: SearchResult, link: str) -> str:
    """What a search gave, in Markdown: the question, the answer, the best trials.

    Args:
        plan: what was looked for.
        found: the result.
        link: to the run of the best trial; empty if none finished.
    """
    counts = found.trials["state"].value_counts()
    told = ", ".join(f"{counts[state]} {state}" for state in counts.index)
    answer = (
        f"**Answer.** {found.sentence[0].upper()}{found.sentence[1:]}. Of "
        f"{len(found.trials)} trials: {told}."
    )
    finished = found.trials[found.trials["state"] == results.FINISHED]
    first = finished.sort_values("excess_risk").head(_SHOWN)
    shown = pd.DataFrame(
        {
            "trial": first["trial"],
            "settings": first["cell"],
            "excess risk (nats)": [f"{risk:.4f}" for risk in first["excess_risk"]],
        }
    )
    links = {"the best trial": link} if link else {}
    parts = [asked(plan), answer, markdown(shown), links_line(links)]
    return "\n\n".join(parts).strip()


def command_of(best: TrainSettings) -> str:
    """The command that trains with these settings."""
    return " ".join(["icl-mlflow train", *options_of(best)])


def asked(plan: SearchPlan) -> str:
    """What a search is for, before there is an answer."""
    settings = plan.settings
    return (
        f"**Which settings bring task {settings.task} nearest to exact Bayes?** "
        f"{plan.n_trials} trials of {settings.variant}, seed {settings.seed}, over "
        f"`{shown_space(plan.space)}`; judged by {RISK} of the best epoch. Test "
        "episodes have no say in it."
    )
