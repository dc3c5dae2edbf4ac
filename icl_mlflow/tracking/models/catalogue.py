"""The catalogue of registered models: what there is, how good it is, and its cards.

Looking needs neither torch nor a right to write.
"""

import datetime
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel

from icl_mlflow.escaping import for_terminal
from icl_mlflow.registry import unknown_name
from icl_mlflow.tables import unspaced
from icl_mlflow.tracking.models.versions import (
    RegisteredVersion,
    rounded,
    versions_of,
)
from icl_mlflow.tracking.runs.query import one_line_errors
from icl_mlflow.tracking.store.connection import open_client
from icl_mlflow.tracking.store.mlflow_internals import name_and_version
from icl_mlflow.tracking.store.quiet import quiet_mlflow

_PREFIX = "models:/"

#: Lines of a card that are for programs.
_MARKS = re.compile(r"<!-- icl-mlflow[^\n]*-->\n")


@dataclass(frozen=True, repr=False)
class ModelList:
    """Versions of registered models, by name and rank; iterates over them.

    Attributes:
        versions: the best of a name first.
    """

    versions: tuple[RegisteredVersion, ...]

    def __iter__(self) -> Iterator[RegisteredVersion]:
        return iter(self.versions)

    def __len__(self) -> int:
        return len(self.versions)

    @property
    def table(self) -> pd.DataFrame:
        """One row a version; risks in nats, NaN where they are not known."""
        names = ("uri", "task", "variant", "seed", "problem", "aliases", "source")
        risks = ("validation_risk", "test_risk", "test_accuracy")
        rows = [
            {name: getattr(one, name) for name in (*names, *risks, "run_id")}
            for one in self.versions
        ]
        return pd.DataFrame(rows, columns=[*names, *risks, "run_id"])

    def __repr__(self) -> str:
        return "\n".join(lines_of(self.versions))

    def _repr_html_(self) -> str:
        rows = [_COLUMNS, *map(_cells, self.versions)]
        cells = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


@quiet_mlflow()
def registered_models(
    task: str | None = None,
    variant: str | None = None,
    bar: float | None = None,
    *,
    client: MlflowClient | None = None,
) -> ModelList:
    """The registered models of this project: ``icl-mlflow models``.

    Args:
        task: only those of this task.
        variant: only those of this variant.
        bar: only those whose excess risk on test episodes is at most so many nats.
        client: of the store; by default the one of MLFLOW_TRACKING_URI, or of
            ``mlflow.db`` in the working folder.

    Raises:
        ValueError: nothing of that task or variant is registered; names what is.
        StoreError: the store cannot be used.

    Example:
        ``registered_models(task="A", bar=0.02).table``
    """
    client = client or open_client()
    with one_line_errors(client):
        # Others may keep models in the same registry.
        known = [one for one in versions_of(client, "") if one.task and one.sha256]
        models = {model.name: model for model in _all_models(client)}
    found = _of(_of(known, "task", task), "variant", variant)
    chosen = [
        _with_aliases(one, models.get(one.name))
        for one in found
        if bar is None or one.test_risk <= bar
    ]
    return ModelList(tuple(sorted(chosen, key=_placed)))


@quiet_mlflow()
def model_card(reference: str, client: MlflowClient | None = None) -> str:
    """The card of a registered model, or of one of its versions, in Markdown.

    Args:
        reference: ``icl-A-baseline`` for the model with all its versions, or
            ``icl-A-baseline@best``, ``icl-A-baseline/3`` or ``models:/...`` for one.
        client: as for `registered_models`.

    Raises:
        ValueError: there is no such model.
        StoreError: the store cannot be used.
    """
    client = client or open_client()
    name = reference.removeprefix(_PREFIX)
    missing = f"there is no registered model {name!r}; `icl-mlflow models` lists them"
    with one_line_errors(client, missing=missing):
        if not {"/", "@"} & set(name):
            card = client.get_registered_model(name).description or ""
            return _MARKS.sub("", unspaced(card)) or _without_card(client, name)
        name, number = name_and_version(client, f"{_PREFIX}{name}")
        card = client.get_model_version(name, number).description or ""
        return _MARKS.sub("", unspaced(card)) or _without_card(
            client, name, int(number)
        )


def lines_of(versions: Sequence[RegisteredVersion]) -> list[str]:
    """A line for each version, below a line of titles."""
    rows = [_COLUMNS, *(tuple(map(for_terminal, _cells(one))) for one in versions)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


_COLUMNS = (
    "model",
    "alias",
    "seed",
    "problem",
    "risk, validation",
    "risk, test",
    "accuracy, test",
    "registered",
)


def _cells(one: RegisteredVersion) -> tuple[str, ...]:
    risks = (one.validation_risk, one.test_risk, one.test_accuracy)
    day = datetime.datetime.fromtimestamp(one.created / 1000, datetime.UTC)
    return (
        one.uri.removeprefix(_PREFIX),
        ", ".join((*one.aliases, *([one.source] if one.source else []))),
        one.seed,
        one.problem,
        *(rounded(risk) if math.isfinite(risk) else "" for risk in risks),
        f"{day:%Y-%m-%d}",
    )


def _without_card(client: MlflowClient, name: str, number: int | None = None) -> str:
    """What is known of versions that earlier releases have registered."""
    versions = [
        one
        for one in versions_of(client, f"name='{name}'")
        if number in {None, one.version}
    ]
    table = "\n".join(lines_of(versions))
    return f"{name} was registered without a card.\n\n{table}"


def _of(
    versions: Sequence[RegisteredVersion], what: str, name: str | None
) -> Sequence[RegisteredVersion]:
    """Those of a task or a variant.

    Raises:
        ValueError: there are none; names those that there are.
    """
    if name is None or not versions:
        return versions
    found = [one for one in versions if getattr(one, what) == name]
    if not found:
        known = dict.fromkeys(getattr(one, what) for one in versions)
        raise unknown_name(f"{what} of a registered model", name, sorted(known))
    return found


def _all_models(client: MlflowClient) -> Iterator[RegisteredModel]:
    token = None
    while True:
        page = client.search_registered_models(max_results=1_000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _with_aliases(
    one: RegisteredVersion, model: RegisteredModel | None
) -> RegisteredVersion:
    aliases = model.aliases if model else {}
    own = sorted(a for a, number in aliases.items() if int(number) == one.version)
    return replace(one, aliases=tuple(own))


def _placed(one: RegisteredVersion) -> tuple[str, bool, tuple[bool, float, int]]:
    """By name and rank; last those whose validation risk is not known."""
    return one.name, not math.isfinite(one.validation_risk), one.rank
