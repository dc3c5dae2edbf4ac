"""The alias ``best``: the version with the lowest validation risk, never test risk."""

import math
from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.models.versions import (
    BEST,
    STANDARD,
    RegisteredVersion,
    rounded,
)

#: How the sentence begins in the description of the version that is the best.
_WHY = "> **Why this version is `best`:** "


def best_of(versions: Sequence[RegisteredVersion]) -> RegisteredVersion | None:
    """The best of these versions; None where no validation risk is known."""
    return min(_candidates(versions), key=lambda one: one.rank, default=None)


def reason(best: RegisteredVersion, versions: Sequence[RegisteredVersion]) -> str:
    """Why a version is the best of these, in a sentence or two."""
    risk = rounded(best.validation_risk)
    is_standard = best.problem == STANDARD
    rivals = [
        one
        for one in _candidates(versions)
        if one.version != best.version and (one.problem == STANDARD) == is_standard
    ]
    if not rivals:
        of = " of the standard problem" if is_standard else ""
        kept = f"the only version{of} whose validation risk is known"
        return f"{kept}, {risk} nats above exact Bayes."
    of = (
        " of the standard problem" if is_standard else ", none of the standard problem,"
    )
    second = min(rivals, key=lambda one: one.rank)
    return (
        f"of the {len(rivals) + 1} versions{of} it has the lowest excess risk on "
        f"validation episodes, {risk} nats; the next is version {second.version} with "
        f"{rounded(second.validation_risk)}. Test episodes have no say in it."
    )


def with_reason(description: str, why: str) -> str:
    """A description that begins with the reason, in place of an earlier one.

    Args:
        description: Markdown, as it is.
        why: from `reason`; empty for a version that is not the best.

    >>> with_reason(with_reason("A card.", "it is alone."), "")
    'A card.'
    """
    rest = description
    if description.startswith(_WHY):
        rest = description.partition("\n")[2].lstrip("\n")
    return f"{_WHY}{why}\n\n{rest}".rstrip() if why else rest


def set_best(client: MlflowClient, name: str, version: int) -> None:
    """Give the alias to a version, whoever else does the same."""
    try:
        client.set_registered_model_alias(name, BEST, str(version))
    except MlflowException as error:
        # MLflow looks for the alias and then inserts it, so of two processes that set
        # it for the first time one fails. The second time it is there, and is moved.
        if error.error_code != "BAD_REQUEST":
            raise
        client.set_registered_model_alias(name, BEST, str(version))


def _candidates(versions: Sequence[RegisteredVersion]) -> list[RegisteredVersion]:
    return [one for one in versions if math.isfinite(one.validation_risk)]
