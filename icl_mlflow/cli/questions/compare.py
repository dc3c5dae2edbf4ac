"""`icl-mlflow compare`: two runs on the same episodes."""

import click

from icl_mlflow.analysis.settings import CompareSettings
from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import ask_store_with_runs, usage_errors
from icl_mlflow.cli.options import CONTEXT, options

_EXAMPLE = """\b
Example:
  icl-mlflow compare 4f2a8c... 90b1e2...
  icl-mlflow compare models:/icl-A-baseline@best models:/icl-A-no_position@best
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@options(CompareSettings)
def compare(settings: CompareSettings) -> None:
    """Judge RUN_2 against RUN_1 on the same episodes, paired by seed.

    Either is the id of a training run, or of a parent run of several seeds, or the
    name of a registered model, models:/NAME/VERSION or models:/NAME@ALIAS. Differences
    are RUN_2 minus RUN_1. The result is logged as a new run.
    """
    ask_store_with_runs(to_write=True)
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.tracking.store.connection import StoreError
    from icl_mlflow.workflows.compare import carry_out_comparison, prepare_comparison

    with usage_errors(ValueError, StoreError):
        prepared = prepare_comparison(settings)
    compared = carry_out_comparison(prepared)
    for row in compared.table.to_dict("records"):
        show(
            f"{row['metric']:12} {row['first']:.4f} -> {row['second']:.4f}   "
            f"difference {row['difference']:+.4f} "
            f"[{row['low']:+.4f}, {row['high']:+.4f}] {row['unit']}"
        )
    show(compared.verdict)
    show(f"run      {compared.run_id}")
    show(prepared.store.where(compared.ui_link))
