"""What the registry says of versions of models: read from tags, whoever wrote them.

Neither torch nor figures are needed to look. Versions of earlier releases have more
tags, with all digits; they are read alike.
"""

import math
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

#: The alias of the best version of a name.
BEST = "best"

#: By what the best is chosen: never the test set.
SELECTION_METRIC = "val/excess_risk"
TEST_RISK, TEST_ACCURACY = "test/excess_risk", "test/accuracy"

#: What the tag ``problem`` says of the problem that a task poses by default.
STANDARD = "standard"

#: What stands above this line in a description is its reader's, and stays.
OURS = "<!-- icl-mlflow -->"

#: Versions that are asked for at a time, as many as MLflow gives.
_PAGE = 10_000

#: Digits that people read.
_DIGITS = 4

#: Digits of a tag; models that agree in them are equally good.
TAG_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes:
        name: of the registered model.
        version: its number.
        run_id: of the run that trained it.
        task, variant, seed: what was trained.
        problem: what differs from the task's default problem, or ``standard``.
        sha256: of the weights.
        source: ``published`` for one that was not trained here.
        validation_risk: excess risk on the validation episodes, nats; NaN if unknown.
        test_risk, test_accuracy: on the test episodes; NaN if unknown.
        created: milliseconds since 1970.
        description: its card, in Markdown.
        aliases: such as ``best``; empty where nobody has looked.
    """

    name: str
    version: int
    run_id: str
    task: str
    variant: str
    seed: str
    problem: str
    sha256: str
    source: str
    validation_risk: float
    test_risk: float
    test_accuracy: float
    created: int
    description: str
    aliases: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """What MLflow calls it: ``models:/icl-A-baseline/3``."""
        return f"models:/{self.name}/{self.version}"

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Lowest first: the standard problem before changed ones, then lowest risk.

        Of an easy problem, such as a single context point, there is little to miss; a
        model of one must not pass for a better model of the standard problem.
        """
        return (
            self.problem != STANDARD,
            float(rounded(self.validation_risk, TAG_DIGITS)),
            self.version,
        )


def rounded(value: float, digits: int = _DIGITS) -> str:
    """A number to so many digits, by default those that people read.

    >>> [rounded(value) for value in (0.0123456789, 0.78261, 2e-07)]
    ['0.01235', '0.7826', '2e-07']
    """
    return f"{value:.{digits}g}"


def versions_of(client: MlflowClient, query: str) -> list[RegisteredVersion]:
    """All versions that a query of MLflow finds, by name and number."""
    found: list[RegisteredVersion] = []
    token = None
    while True:
        page = client.search_model_versions(query, max_results=_PAGE, page_token=token)
        found += [_read(version) for version in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda one: (one.name, one.version))


def _read(version: ModelVersion) -> RegisteredVersion:
    tags = version.tags
    return RegisteredVersion(
        name=version.name,
        version=int(version.version),
        run_id=version.run_id or "",
        task=tags.get("task", ""),
        variant=tags.get("variant", ""),
        seed=tags.get("seed", ""),
        problem=tags.get("problem", ""),
        sha256=tags.get("sha256", ""),
        source=tags.get("source", ""),
        validation_risk=_number(tags.get(SELECTION_METRIC)),
        test_risk=_number(tags.get(TEST_RISK)),
        test_accuracy=_number(tags.get(TEST_ACCURACY)),
        created=version.creation_timestamp,
        description=version.description or "",
    )


def _number(text: str | None) -> float:
    """NaN for what is missing, and for what others have written there."""
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        return math.nan
