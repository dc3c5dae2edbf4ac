"""`icl-mlflow export`: histories and results of runs, from MLflow to files."""

from pathlib import Path

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import usage_errors
from icl_mlflow.cli.options import CONTEXT
from icl_mlflow.cli.store import ask_store_with_runs

_FORMATS = ("csv", "parquet", "latex", "md")

_EXAMPLE = """\b
Example:
  icl-mlflow export 4f2a8c... --format md
  icl-mlflow export 4f2a8c... --format parquet --output tables
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@click.argument("run_id")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(_FORMATS),
    default="csv",
    help="Files for programs (csv, parquet) or for papers and pages (latex, md).",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write into (export-RUN_ID if not given).",
)
def export(run_id: str, file_format: str, output: Path | None) -> None:
    """Write the learning curves and results of RUN_ID to files.

    RUN_ID is a training run, or a parent run for all training runs below it. Written
    are history and results of every run, and their means over seeds with the range
    of the seeds.
    """
    ask_store_with_runs(to_write=False)
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.launch.export import pull_tables, write
    from icl_mlflow.tracking.store import StoreError

    with usage_errors(ValueError, StoreError):
        exported = pull_tables(run_id)
    folder = output or Path(f"export-{run_id}")
    with usage_errors(OSError):
        files = write(exported, folder, file_format)
    for file in files:
        show(str(file))
