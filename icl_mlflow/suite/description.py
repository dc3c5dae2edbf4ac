"""Descriptions of trainings' runs, in Markdown: question, answer, numbers, links."""

from collections.abc import Mapping

import pandas as pd

from icl_mlflow.analysis.report.answer import over_models
from icl_mlflow.analysis.sentences import seeds_phrase
from icl_mlflow.escaping import markdown_code, markdown_link
from icl_mlflow.evaluation import bayes_accuracy
from icl_mlflow.tables import markdown
from icl_mlflow.training.fit import FittedModel
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings

#: Seeds that a table has room for.
_MOST_SEEDS = 10

_OF_MEANS = (
    "Metrics are means over seeds; `tables/means.csv` has their intervals: the lowest "
    "and the highest seed or, from six seeds on, where their median lies."
)

#: Metric to what readers call it, with its unit.
NAMES = {
    "accuracy": "accuracy",
    "excess_risk": "excess risk (nats)",
    "loss": "log-loss (nats)",
}


def asked(settings: TrainSettings) -> str:
    """What a training is for, before there is an answer."""
    return (
        f"**{problem(settings).variant.question}**\n\n"
        f"Task {settings.task}, variant {markdown_code(settings.variant)}, seed "
        f"{settings.seed}: {settings.epochs} epochs of {settings.train_episodes:,} "
        f"episodes with {settings.n_context} context points. Settings: "
        "`settings.json`."
    )


def answered(fitted: FittedModel, links: Mapping[str, str]) -> str:
    """What it gave.

    Args:
        fitted: the training that is over.
        links: text to address.
    """
    test, n_test = fitted.test, len(fitted.test_set)
    numbers = {"test": {name: test[f"test/{name}"] for name in NAMES}}
    if fitted.best_epoch is not None:
        best = fitted.history[fitted.best_epoch].metrics
        column = f"validation, best epoch ({fitted.best_epoch})"
        numbers[column] = {name: best[f"val/{name}"] for name in NAMES}
    answer = (
        f"**Answer.** {test['test/accuracy']:.4f} accuracy on {n_test:,} test "
        f"episodes, where exact Bayes expects "
        f"{bayes_accuracy(fitted.test_set.bayes_B):.4f}; "
        f"{test['test/excess_risk']:.4f} nats of excess risk."
    )
    question, _, what = asked(fitted.settings).partition("\n\n")
    return "\n\n".join(
        [question, answer, numbers_table(numbers), what, links_line(links)]
    ).strip()


def numbers_table(columns: Mapping[str, Mapping[str, float]]) -> str:
    """Numbers by column and metric, four digits each, as a table."""
    rows = [
        {"": text, **{c: f"{found[name]:.4f}" for c, found in columns.items()}}
        for name, text in NAMES.items()
    ]
    return markdown(pd.DataFrame(rows))


def links_line(links: Mapping[str, str]) -> str:
    """Links, one beside the other."""
    return " · ".join(markdown_link(text, url) for text, url in links.items())


def answered_by_seeds(
    settings: TrainSettings,
    tests: Mapping[int, Mapping[str, float]],
    bayes: float,
    links: Mapping[str, str],
) -> str:
    """What several seeds gave.

    Args:
        settings: of all, but for the seed.
        tests: seed to its test metrics by tracked name.
        bayes: the accuracy that exact Bayes is expected to reach.
        links: text to address.
    """
    means = over_models(list(tests.values()))
    accuracy, risk = (means[f"test/{name}"] for name in ("accuracy", "excess_risk"))
    answer = (
        f"**Answer.** {accuracy.mean:.4f} accuracy ({seeds_phrase(accuracy)}), where "
        f"exact Bayes expects {bayes:.4f}; {risk.mean:.4f} nats of excess risk "
        f"({seeds_phrase(risk)})."
    )
    columns = {
        f"seed {seed}": {name: test[f"test/{name}"] for name in NAMES}
        for seed, test in list(tests.items())[:_MOST_SEEDS]
    }
    left_out = len(tests) - len(columns)
    more = f"{left_out} more seeds stand in `tables/seeds.csv`. " if left_out else ""
    return "\n\n".join(
        [
            f"**{problem(settings).variant.question}**",
            answer,
            numbers_table(columns),
            more + _OF_MEANS,
            links_line(links),
        ]
    )
