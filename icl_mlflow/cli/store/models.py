"""`icl-mlflow models`: which models are registered, how good they are, their cards."""

import math
from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import ask_store_with_runs, usage_errors
from icl_mlflow.cli.options import CONTEXT

if TYPE_CHECKING:
    from icl_mlflow.tracking.models.catalogue import ModelList

_EXAMPLE = """\b
Example:
  icl-mlflow models --task A --bar 0.02
  icl-mlflow models icl-A-baseline
  icl-mlflow models icl-A-baseline@best
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@click.argument("model", metavar="[MODEL]", required=False)
@click.option("--task", help="Only models of this task.")
@click.option("--variant", help="Only models of this variant.")
@click.option(
    "--bar",
    type=float,
    help="Only models whose excess risk on test episodes is at most so many nats.",
)
def models(
    model: str | None, task: str | None, variant: str | None, bar: float | None
) -> None:
    """List registered models, the best of a name first; or show the card of one.

    MODEL is the name of a registered model (icl-A-baseline: all its versions), or one
    version (icl-A-baseline@best, icl-A-baseline/3, models:/...). Excess risks are in
    nats above exact Bayes.
    """
    filters = {"task": task, "variant": variant, "bar": bar}
    given = [name for name, value in filters.items() if value is not None]
    if model is not None and given:
        raise click.UsageError(f"give a model to show, or {given[0]} to list some")
    if bar is not None and not math.isfinite(bar):
        raise click.UsageError(f"bar must be a number of nats, not {bar}")
    ask_store_with_runs(to_write=False)
    # Imported here, so that --help and bad input do not need mlflow.
    from icl_mlflow.tracking.models.catalogue import model_card, registered_models
    from icl_mlflow.tracking.store.connection import StoreError

    with usage_errors(ValueError, StoreError):
        if model is not None:
            show(*model_card(model).splitlines())
            return
        found = registered_models(task, variant, bar)
    show(*_lines(found, task, variant, bar))


def _lines(
    found: "ModelList", task: str | None, variant: str | None, bar: float | None
) -> list[str]:
    if len(found):
        return str(found).splitlines()
    if bar is None:
        return ["no model is registered yet; `icl-mlflow train` registers one"]
    of = "".join(f" of {name}" for name in (task, variant) if name)
    return [f"no registered model{of} has an excess risk of at most {bar:g} nats"]
