"""`icl-mlflow export`: histories and results of runs, from MLflow to files."""

from pathlib import Path

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import ask_store_with_runs, usage_errors
from icl_mlflow.cli.options import CONTEXT

_FORMATS = ("csv", "parquet", "latex", "md")
_FIGURES = ("pdf", "svg")

_EXAMPLE = """\b
Example:
  icl-mlflow export 4f2a8c... --format md
  icl-mlflow export 4f2a8c... 90d1e7... --format parquet --output tables
  icl-mlflow export --experiment Default
  icl-mlflow export 4f2a8c... --figures pdf
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@click.argument("run_ids", metavar="[RUN_ID]...", nargs=-1)
@click.option(
    "--experiment",
    help="All finished training runs of this MLflow experiment, joined with the rest.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(_FORMATS),
    default="csv",
    help="Files for programs (csv, parquet) or for papers and pages (latex, md).",
)
@click.option(
    "--figures",
    "figure_format",
    type=click.Choice(_FIGURES),
    help="In place of tables, every figure of the runs, as vector graphics.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write into (export-RUN_ID, or export-EXPERIMENT, if not given).",
)
def export(
    run_ids: tuple[str, ...],
    experiment: str | None,
    file_format: str,
    figure_format: str | None,
    output: Path | None,
) -> None:
    """Write the learning curves and results of runs to files, joined in one table each.

    A RUN_ID is a training run, or a parent run for all training runs below it. Written
    are history and results of every run, their means over seeds with the range of the
    seeds, and the table that the paper prints. Only runs of the same settings share a
    mean; what tells others apart is in the column "settings".

    With --figures a RUN_ID may also be one that ablate, reproduce, analyze or compare
    has made: its figures are drawn again from its tables.
    """
    if figure_format and _is_given("file_format"):
        raise click.UsageError("give --format for tables or --figures, not both")
    ask_store_with_runs(to_write=False)
    folder = output or Path(f"export-{_name(run_ids, experiment)}")
    if figure_format:
        _figures(run_ids, experiment, folder, figure_format)
        return
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.tracking.store.connection import StoreError
    from icl_mlflow.workflows.export import pull_tables, write

    with usage_errors(ValueError, StoreError):
        exported = pull_tables(run_ids, experiment)
    with usage_errors(OSError):
        files = write(exported, folder, file_format)
    for file in files:
        show(str(file))


def _figures(
    run_ids: tuple[str, ...], experiment: str | None, folder: Path, ending: str
) -> None:
    from icl_mlflow.tracking.store.connection import StoreError
    from icl_mlflow.workflows.figures.run import write_figures

    with usage_errors(ValueError, StoreError, OSError):
        write_figures(run_ids, experiment, folder, ending, lambda f: show(str(f)))


def _is_given(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is click.core.ParameterSource.COMMANDLINE


def _name(run_ids: tuple[str, ...], experiment: str | None) -> str:
    """What is exported, as part of a folder's name."""
    if experiment is not None:
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in experiment)
    more = len(run_ids) - 1
    return f"{run_ids[0]}-and-{more}-more" if more > 0 else "".join(run_ids)
