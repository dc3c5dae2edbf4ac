"""`icl-mlflow import_published`: published checkpoints become runs and versions."""

from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import say, usage_errors
from icl_mlflow.cli.options import CONTEXT, options
from icl_mlflow.published.settings import ImportSettings

if TYPE_CHECKING:
    from icl_mlflow.workflows.given.published import ImportedModel
    from icl_mlflow.workflows.import_published import PublishedImport, RefusedFile

_EXAMPLE = """\b
Example:
  icl-mlflow import_published checkpoints/
  icl-mlflow import_published 'checkpoints/task_A_*/*.pt'
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@options(ImportSettings)
def import_published(settings: ImportSettings) -> None:
    """Register the models published with arXiv 2603.10573 (.pt files) found in PATH.

    Each becomes a run with this package's test metrics and a registered version tagged
    source=published. Result files (.csv) found in PATH become the metrics of its
    epochs. Weights alone are read: no code of a file runs. Importing again changes
    nothing.
    """
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.tracking.store.connection import StoreError, connect
    from icl_mlflow.workflows.import_published import import_published as carry_out
    from icl_mlflow.workflows.import_published import published_files

    with usage_errors(ValueError):
        published_files(settings.path)
    with usage_errors(StoreError):
        store = connect(settings.experiment)
    done = carry_out(store, settings, on_file=_tell)
    show(*_summary(done).splitlines())
    if done.ui_link:
        show(f"parent   {done.run_id}")
        show(store.where(done.ui_link))
    if done.refused:
        raise click.exceptions.Exit(1 if done.models else 2)


def _tell(found: "ImportedModel | RefusedFile") -> None:
    from icl_mlflow.workflows.import_published import RefusedFile

    if isinstance(found, RefusedFile):
        say(found.reason)
        return
    source = found.source
    name = f"{source.experiment.name}, seed {source.settings.seed}"
    if not found.is_new:
        show(f"{name}: imported before, run {found.run_id}")
        return
    show(
        f"{name}: accuracy {found.test['test/accuracy']:.4f}, "
        f"excess risk {found.test['test/excess_risk']:.4f} nats, "
        f"{found.model_uri or 'not registered yet: it waits for `icl-mlflow sync`'}"
    )


def _summary(done: "PublishedImport") -> str:
    new = sum(model.is_new for model in done.models)
    before = len(done.models) - new
    counts = f"imported {new}, there before {before}, refused {len(done.refused)}"
    left_over = [
        f"no checkpoint for the results of {h.experiment}, {h.model_class}, "
        f"seed {h.seed}: give a folder that holds both"
        for h in done.left_over
    ]
    return "\n".join([counts, *left_over])
