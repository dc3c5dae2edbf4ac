"""`icl-mlflow episodes`: write episodes with their exact answers to a file."""

from pathlib import Path

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import usage_errors
from icl_mlflow.cli.options import CONTEXT, options
from icl_mlflow.scoring.settings import EpisodesSettings

_EXAMPLE = """\b
Example:
  icl-mlflow episodes --task A --n 10000 --out x.parquet
  icl-mlflow score --predictions y.parquet --truth x.parquet
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@options(EpisodesSettings)
def episodes(settings: EpisodesSettings) -> None:
    """Write episodes to a file, so that any framework can be judged by them.

    A row is an episode: its context and query, the query's label, exact Bayes and the
    oracle. No tracking store is needed.
    """
    # Imported here, so that --help and bad input need no torch.
    from icl_mlflow.evaluation import bayes_accuracy
    from icl_mlflow.scoring.drawn import drawn
    from icl_mlflow.scoring.episode_file import write_episodes

    with usage_errors(ValueError):
        truth, note = drawn(settings)
    file = Path(settings.out)
    with usage_errors(OSError):
        write_episodes(file, truth, note)
    show(
        f"{len(truth):,} episodes of task {settings.task}, n_context "
        f"{truth.episodes.n_context}, dim {truth.episodes.dim}: {file}"
    )
    show(f"exact Bayes is right with probability {bayes_accuracy(truth.bayes_B):.4f}")
