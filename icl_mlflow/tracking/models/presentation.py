"""What a registered model says of its versions: ``best``, why, and a card with all.

It is kept up to date by whoever registers a version.
"""

import math
import statistics
from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel

from icl_mlflow.escaping import for_markdown
from icl_mlflow.tables import spaced
from icl_mlflow.tracking.models.best import best_of, reason, set_best, with_reason
from icl_mlflow.tracking.models.card import LONGEST, loading
from icl_mlflow.tracking.models.versions import (
    BEST,
    OURS,
    STANDARD,
    RegisteredVersion,
    rounded,
    versions_of,
)

#: What stands between what all versions share and the list of them.
_VERSIONS = "<!-- icl-mlflow: versions -->"

#: Looks at what others have registered meanwhile.
_MOST_LOOKS = 20

#: Versions in the table of a card; of more it has the best.
_MOST_ROWS = 40

_COLUMNS = (
    "version",
    "seed",
    "problem",
    "excess risk, validation",
    "excess risk, test",
    "accuracy, test",
)


def present(client: MlflowClient, name: str, version: int, about: str) -> None:
    """Move ``best``, say why, and renew the card, whoever else registers meanwhile.

    What was written from an older look may take the place of what is newer, so look
    again until there is nothing left to change.

    Args:
        client: of the store.
        name: of the registered model.
        version: that was registered.
        about: Markdown for all versions, which the card has as long as this one is the
            newest; empty leaves it as it is.
    """
    for _ in range(_MOST_LOOKS):
        versions = versions_of(client, f"name='{name}'")
        if not versions:
            return
        model, best = client.get_registered_model(name), best_of(versions)
        shared = about if version == versions[-1].version else ""
        changes = (
            _move_alias(client, model, best),
            _tell_versions(client, versions, best),
            _renew_card(client, model, versions, shared),
        )
        if not any(changes):
            return


def card_of_versions(versions: Sequence[RegisteredVersion], room: int) -> str:
    """All versions of a name, in Markdown: which is best, a table, how to load one.

    Args:
        versions: by number, at least one.
        room: characters that it may have; the table has as many rows as fit.
    """
    best = best_of(versions)
    chosen = f"@{BEST}" if best else f"/{versions[-1].version}"
    parts = [
        f"`{BEST}` is version {best.version}: {reason(best, versions)}" if best else "",
        "",
        _over_seeds(versions),
        loading(f"models:/{versions[0].name}{chosen}"),
    ]
    for n_rows in range(min(_MOST_ROWS, len(versions)), -1, -1):
        parts[1] = _table(versions, n_rows)
        text = "\n\n".join(part for part in parts if part)
        if len(text) <= room:
            return text
    return ""


def _move_alias(
    client: MlflowClient, model: RegisteredModel, best: RegisteredVersion | None
) -> bool:
    """Give the alias to the best version; whether another had it."""
    if best is None or str(model.aliases.get(BEST)) == str(best.version):
        return False
    set_best(client, model.name, best.version)
    return True


def _tell_versions(
    client: MlflowClient,
    versions: Sequence[RegisteredVersion],
    best: RegisteredVersion | None,
) -> bool:
    """Say in the best version why it is, and in each of ours how it is loaded."""
    changed = False
    for one in versions:
        is_best = best is not None and one.version == best.version
        told = one.description
        if OURS in told and loading(one.uri) not in told:
            told = f"{told}\n\n{loading(one.uri)}"
        told = with_reason(told, reason(one, versions) if is_best else "")
        if told != one.description and len(told) <= LONGEST:
            client.update_model_version(one.name, str(one.version), told)
            changed = True
    return changed


def _renew_card(
    client: MlflowClient,
    model: RegisteredModel,
    versions: Sequence[RegisteredVersion],
    about: str,
) -> bool:
    """Renew the part of the description that is ours; whether it was another."""
    current = model.description or ""
    theirs, _, ours = current.partition(OURS)
    shared = about or ours.partition(_VERSIONS)[0].strip()
    if not shared:
        return False
    begin = f"{theirs}{OURS}\n{shared}\n\n{_VERSIONS}\n"
    told = begin + card_of_versions(versions, LONGEST - len(begin))
    if told == current or len(told) > LONGEST:
        return False
    client.update_registered_model(model.name, told)
    return True


def _table(versions: Sequence[RegisteredVersion], n_rows: int) -> str:
    """The versions with the lowest risk, and how many there are besides."""
    if not n_rows:
        return ""
    by_rank = sorted(versions, key=_placed)
    best = best_of(versions)
    lines = [_COLUMNS, ("---",) * len(_COLUMNS)]
    for one in by_rank[:n_rows]:
        mark = f" `{BEST}`" if best and one.version == best.version else ""
        numbers = (one.validation_risk, one.test_risk, one.test_accuracy)
        lines.append(
            (
                f"{one.version}{mark}",
                for_markdown(one.seed),
                for_markdown(one.problem),
                *(rounded(x) if math.isfinite(x) else "" for x in numbers),
            )
        )
    text = spaced("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    more = len(versions) - n_rows
    listed = f"`icl-mlflow models {versions[0].name}` lists them"
    return f"{text}\n\nand {more} more; {listed}." if more else text


def _over_seeds(versions: Sequence[RegisteredVersion]) -> str:
    """The test risk over all versions of the standard problem."""
    risks = [
        one.test_risk
        for one in versions
        if one.problem == STANDARD and math.isfinite(one.test_risk)
    ]
    if len(risks) < 2:  # noqa: PLR2004 one has no range
        return ""
    return (
        f"Over the {len(risks)} versions of the standard problem, the excess risk on "
        f"test episodes is {rounded(statistics.median(risks))} nats in the median, "
        f"from {rounded(min(risks))} to {rounded(max(risks))}."
    )


def _placed(one: RegisteredVersion) -> tuple[bool, tuple[bool, float, int]]:
    """By rank, and last those whose validation risk is not known."""
    return not math.isfinite(one.validation_risk), one.rank
