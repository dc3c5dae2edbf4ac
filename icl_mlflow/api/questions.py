"""Commands that ask models, as functions: `analyze`, `score` and `compare`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from icl_mlflow.analysis.settings import AnalyzeSettings, CompareSettings
from icl_mlflow.cli.progress import progress
from icl_mlflow.estimators.adapters import predictor_of
from icl_mlflow.scoring.settings import ScoreSettings
from icl_mlflow.suite.grid import Names, names_text
from icl_mlflow.tracking.runs.query import Reference, reference_of
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.workflows.analyze import AnalysisResult, carry_out, prepare
from icl_mlflow.workflows.compare import (
    ComparisonResult,
    carry_out_comparison,
    prepare_comparison,
)
from icl_mlflow.workflows.keywords import source_of
from icl_mlflow.workflows.score import Score, carry_out_score, prepare_score


@quiet_mlflow()
def analyze(
    run: Reference | AnalyzeSettings | None = None,
    analyses: Names | None = None,
    *,
    on_analysis: Callable[[], None] = lambda: None,
    quiet: bool = False,
    **given: Any,
) -> AnalysisResult:
    """Put questions to trained models and log the answers: ``icl-mlflow analyze``.

    Args:
        run: a result of `train`, the id of a run or of a parent run, ``models:/...``,
            or the settings of an analysis.
        analyses: some of `icl_mlflow.ANALYSES`, ``default`` (those that take seconds,
            which are asked if none is named) or ``all``.
        on_analysis: called after every analysis of every model.
        quiet: show no progress.
        given: settings of the analysis, such as ``episodes=20_000``, and parameters of
            the task that differ from training, such as ``tau=9``.

    Raises:
        ValueError: there is no such run or model, it cannot be trusted, or what is
            asked does not apply to it; nothing has been created then.
        StoreError: the tracking store cannot be used.
        MeasuringFailedError: an analysis failed in a process of its own.

    Example:
        ``analyze(run, ["llr_regression"], tau=9).verdicts["llr_regression"]``
    """
    if analyses is not None:
        given["analyses"] = names_text(analyses)
    if isinstance(run, AnalyzeSettings):
        settings = replace(run, **given)
    else:
        settings = AnalyzeSettings(**source_of(run), **given)
    prepared = prepare(settings)
    if quiet:
        return carry_out(prepared, on_analysis)
    with progress(
        prepared.questions.n_measurements, "analyses", speaks=True
    ) as advance:

        def hear() -> None:
            advance()
            on_analysis()

        return carry_out(prepared, hear)


@quiet_mlflow()
def score(
    predictor: Any,
    analyses: Names | None = None,
    *,
    name: str | None = None,
    log: bool = False,
    quiet: bool = False,
    **given: Any,
) -> Score:
    """Judge whatever predicts by exact Bayes: ``icl-mlflow score``.

    Args:
        predictor: a function f(context_x, context_y, query_x) of tensors that answers
            log-odds, what `of_numpy` makes of one of arrays, a classifier as
            scikit-learn has them (it is fitted to every context), or what
            ``mlflow.pyfunc.load_model`` gives.
        analyses: some of `icl_mlflow.ANALYSES`; the usual ones if none is named. Those
            that look inside a model are not asked.
        name: of the predictor, for readers; its own if not given.
        log: also log the answers as a run.
        quiet: show no progress.
        given: settings such as ``task="B"``, ``n_context=16`` or ``episodes=20_000``,
            and parameters of the task.

    Raises:
        ValueError: unknown settings, or an analysis that cannot be asked.
        TypeError: it is no predictor.
        StoreError: the tracking store cannot be used.

    Example:
        ``score(LogisticRegression(), ["scoreboard"]).verdicts["scoreboard"]``
    """
    if analyses is not None:
        given["analyses"] = names_text(analyses)
    settings = ScoreSettings(**given)
    called = str(name or getattr(predictor, "__name__", type(predictor).__name__))
    prepared = prepare_score(predictor_of(predictor), settings, called)
    store = connect(settings.experiment) if log else None
    if quiet:
        return carry_out_score(prepared, store=store)
    with progress(len(prepared.analyses), "analyses", speaks=True) as advance:
        return carry_out_score(prepared, advance, store=store)


@quiet_mlflow()
def compare(
    run_1: Reference | CompareSettings, run_2: Reference | None = None, **given: Any
) -> ComparisonResult:
    """Judge the second of two runs against the first: ``icl-mlflow compare``.

    Runs with several models, such as parents of several seeds, are paired by seed.

    Args:
        run_1: a result of `train`, the id of a run, or ``models:/...``; or the
            settings of a comparison.
        run_2: the run that is judged.
        given: settings of the comparison, such as ``episodes=5_000``, and parameters of
            the task that differ from training.

    Raises:
        ValueError: there is no such run or model, or the two cannot be compared;
            nothing has been created then.
        StoreError: the tracking store cannot be used.

    Example:
        ``compare(baseline, run).verdict``
    """
    if isinstance(run_1, CompareSettings):
        settings = replace(run_1, **given)
    elif run_2 is None:
        raise ValueError("give two runs to compare")
    else:
        first, second = reference_of(run_1), reference_of(run_2)
        settings = CompareSettings(run_1=first, run_2=second, **given)
    return carry_out_comparison(prepare_comparison(settings))
