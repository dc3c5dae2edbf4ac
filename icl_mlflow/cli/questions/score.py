"""`icl-mlflow score`: any model, or answers in a file, beside exact Bayes."""

from dataclasses import fields
from pathlib import Path

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import ask_store_with_runs, usage_errors
from icl_mlflow.cli.options import CONTEXT, options
from icl_mlflow.cli.progress import progress
from icl_mlflow.cli.questions.analyze import summary
from icl_mlflow.scoring.settings import ScoredSettings, ScoreSettings

_EXAMPLE = """\b
Example:
  icl-mlflow score --model models:/my-network/3 --task B
  icl-mlflow score --predictions y.parquet --truth x.parquet
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@options(ScoredSettings, ScoreSettings)
def score(scored: ScoredSettings, settings: ScoreSettings) -> None:
    """Judge any model that MLflow can load, or answers in a file, by exact Bayes.

    A model is put every question that need not look inside, and the answers are logged
    as a new run; it must take context_x, context_y and query_x and answer log-odds.
    MLflow may run code that is stored with a model: name those that you trust. Answers
    in a file are scored, and nothing is logged.
    """
    if scored.predictions is not None:
        _score_file(scored, settings)
    else:
        _score_model(str(scored.model), settings)


def _score_file(scored: ScoredSettings, settings: ScoreSettings) -> None:
    context = click.get_current_context()
    for field in fields(settings):
        given = context.get_parameter_source(field.name)
        if given is click.core.ParameterSource.COMMANDLINE and field.name != "seed":
            raise click.UsageError(
                f"{field.name} is for a model: answers in a file are scored on the "
                "episodes that they are of"
            )
    # Imported here, so that --help and bad input need no torch.
    from icl_mlflow.scoring.predictions import score_predictions

    truth = Path(scored.truth) if scored.truth else None
    with usage_errors(ValueError):
        table = score_predictions(
            Path(str(scored.predictions)), truth, seed=settings.seed
        )
    show(f"{table['episodes'].iloc[0]:,} episodes; intervals at 95 %")
    names = [str(name) for name in table if f"{name}_low" in table]
    for row in table.to_dict("records"):
        show(str(row["predictor"]))
        for name in names:
            ends = f"[{row[f'{name}_low']:.4f}, {row[f'{name}_high']:.4f}]"
            show(f"  {name:12} {row[name]:.4f}  {ends}")


def _score_model(reference: str, settings: ScoreSettings) -> None:
    ask_store_with_runs(to_write=True)
    from icl_mlflow.estimators.adapters import of_pyfunc
    from icl_mlflow.tracking.models.foreign import load_foreign
    from icl_mlflow.tracking.store.connection import StoreError, connect
    from icl_mlflow.workflows.score import carry_out_score, prepare_score

    with usage_errors(ValueError, StoreError):
        predictor = of_pyfunc(load_foreign(reference))
        prepared = prepare_score(predictor, settings, reference)
        store = connect(settings.experiment)
    with progress(len(prepared.analyses), "analyses", speaks=True) as advance:
        found = carry_out_score(prepared, advance, store=store)
    show(*summary(found))
    show(f"report   {found.report_link}")
    show(store.where(found.ui_link))
