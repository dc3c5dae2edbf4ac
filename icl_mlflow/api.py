"""The verbs of the command line, for notebooks and scripts.

>>> import icl_mlflow as icl
>>> icl.train(task="A", preset="smok")
Traceback (most recent call last):
...
ValueError: unknown preset 'smok'; choose one of: paper, efficient, smoke

What a command takes as an option is a keyword here, and what it takes as text with
commas may be a sequence. Several models train in processes of their own, so a script
needs the line ``if __name__ == "__main__":`` above such a call; a notebook does not.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, overload

from icl_mlflow.analysis.settings import AnalyzeSettings, CompareSettings
from icl_mlflow.cli.progress import epochs_progress, progress, training_progress
from icl_mlflow.estimators.adapters import predictor_of
from icl_mlflow.scoring.settings import ScoreSettings
from icl_mlflow.suite.axes import Grid
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import USUAL, Names, Seeds, names_text
from icl_mlflow.suite.request import (
    Request,
    one_model,
    papers_trainings,
    several_seeds,
    several_variants,
)
from icl_mlflow.suite.training_result import SeedsResult, TrainingResult
from icl_mlflow.tracking.runs.query import Reference, reference_of
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows import ablate as suites
from icl_mlflow.workflows import reproduce as reproduction
from icl_mlflow.workflows.analyze import AnalysisResult, carry_out, prepare
from icl_mlflow.workflows.compare import (
    ComparisonResult,
    carry_out_comparison,
    prepare_comparison,
)
from icl_mlflow.workflows.diagram import run as diagrams
from icl_mlflow.workflows.diagram.plan import (
    USUAL_POOLS,
    Pools,
    plan_diagram,
    preset_settings,
)
from icl_mlflow.workflows.diagram.run import Diagram
from icl_mlflow.workflows.keywords import execution_of, settings_of, source_of
from icl_mlflow.workflows.score import Score, carry_out_score, prepare_score
from icl_mlflow.workflows.search.plan import plan_search
from icl_mlflow.workflows.search.result import SearchResult
from icl_mlflow.workflows.search.run import search as carry_out_search
from icl_mlflow.workflows.search.trials import Trial
from icl_mlflow.workflows.settings import USUAL_SPACE
from icl_mlflow.workflows.train import Listener, train_one, train_seeds

#: Called with the name of a run and each of its epochs.
OnEpoch = Callable[[str, Epoch], None]


def _nothing(_name: str, _epoch: Epoch) -> None:
    pass


@overload
def train(
    settings: TrainSettings | None = ...,
    *,
    seeds: None = ...,
    preset: str | None = ...,
    experiment: str | None = ...,
    execution: Execution | None = ...,
    on_epoch: OnEpoch = ...,
    quiet: bool = ...,
    **given: Any,
) -> TrainingResult: ...
@overload
def train(
    settings: TrainSettings | None = ...,
    *,
    seeds: Seeds,
    preset: str | None = ...,
    experiment: str | None = ...,
    execution: Execution | None = ...,
    on_epoch: OnEpoch = ...,
    quiet: bool = ...,
    **given: Any,
) -> SeedsResult: ...
@quiet_mlflow()
def train(
    settings: TrainSettings | None = None,
    *,
    seeds: Seeds | None = None,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = _nothing,
    quiet: bool = False,
    **given: Any,
) -> TrainingResult | SeedsResult:
    """Train one model, or with ``seeds`` one a seed, and log it: ``icl-mlflow train``.

    Args:
        settings: what to train; keywords beside it win.
        seeds: of several models below one parent run, such as ``range(3)``.
        preset: in place of settings: ``paper`` (as without it), ``efficient`` or
            ``smoke``; keywords beside it win.
        experiment: MLflow's experiment; MLFLOW_EXPERIMENT_NAME or ``Default`` if not
            given.
        execution: by what several models are trained, and what goes on; or its parts
            as keywords: ``engine``, ``jobs``, ``ray_address``, ``resume``.
        on_epoch: called with the name and every epoch of every model.
        quiet: show no progress.
        given: any setting, parameter of the task or part of the execution.

    Raises:
        ValueError: settings that contradict each other, an engine that is not here, or
            a run that cannot be resumed.
        StoreError: the tracking store cannot be used.
        NonFiniteLossError: the training of one model diverged.
        MembersFailedError: some of several models did not finish.

    Example:
        ``train(task="B", preset="smoke", sigma_max=4).test["test/excess_risk"]``
    """
    execution, given = execution_of(execution, given)
    settings = settings_of(settings, preset, given)
    if seeds is None:
        request = one_model(settings, execution)
        return _train_one(request, experiment, on_epoch, quiet=quiet)
    request = several_seeds(settings, seeds, execution)
    store = connect(experiment)
    label = f"{len(request.seeds)} seeds"
    with _epochs(request, request.members, label, on_epoch, quiet=quiet) as hear:
        return train_seeds(store, request, hear)


@quiet_mlflow()
def ablate(
    settings: TrainSettings | None = None,
    variants: Names = USUAL,
    seeds: Seeds = (0, 1, 2),
    *,
    grid: Grid | None = None,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = _nothing,
    quiet: bool = False,
    **given: Any,
) -> suites.Ablation:
    """Train every variant with every seed and compare them: ``icl-mlflow ablate``.

    Members that have finished before are reused.

    Args:
        settings: of every member, but for variant and seed; keywords beside it win.
        variants: such as ``["no_labels", "no_position"]``, or ``all``; the baseline
            joins. By default all, but with a grid the baseline alone.
        seeds: of every variant, such as ``range(5)``.
        grid: settings or parameters of the task, and their values, such as
            ``{"dim": [4, 8], "tau": [0, 3]}``: every combination is trained.
        preset: as for `train`.
        experiment: as for `train`.
        execution: as for `train`.
        on_epoch: called with the name and every epoch of every member that is trained.
        quiet: show no progress.
        given: any setting, parameter of the task or part of the execution.

    Raises:
        ValueError: an unknown variant, or one that the task cannot have; an axis or a
            value of the grid that there is not.
        StoreError: the tracking store cannot be used.
        MembersFailedError: some members did not finish; the others are compared.

    Example:
        ``ablate(task="A", variants=["no_position"], seeds=range(3)).table``
    """
    execution, given = execution_of(execution, given)
    settings = settings_of(settings, preset, given)
    request = several_variants(settings, variants, seeds, execution, grid)
    store = connect(experiment)
    suite = suites.plan_suite(store, request)
    missing = suite.missing
    label = f"{len(missing)} members"
    with _epochs(request, missing, label, on_epoch, quiet=quiet) as hear:
        return suites.ablate(store, suite, hear)


@quiet_mlflow()
def diagram(
    pools: Pools = USUAL_POOLS,
    seeds: Seeds = (0, 1, 2),
    *,
    episodes: int = 1_000,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = _nothing,
    quiet: bool = False,
    **given: Any,
) -> Diagram:
    """Train models of few and of many tasks, and ask along training what they are.

    ``icl-mlflow diagram``. Members that have finished before are reused.

    Args:
        pools: how many latents a model's training draws from, such as ``[4, 64]``.
        seeds: of every pool, such as ``range(3)``; each has a pool of its own.
        episodes: in the pool, and as many out of it, that every checkpoint answers.
        preset: ``efficient`` if not given; keywords beside it win.
        experiment: as for `train`.
        execution: as for `train`.
        on_epoch: called with the name and every epoch of every member that is trained.
        quiet: show no progress.
        given: any setting, parameter of the task or part of the execution.

    Raises:
        ValueError: settings that contradict each other, or that a diagram decides.
        StoreError: the tracking store cannot be used.
        MembersFailedError: some members did not finish.

    Example:
        ``diagram([4, 64, 1024], seeds=range(3)).claims``
    """
    execution, given = execution_of(execution, given)
    settings = preset_settings(preset, given)
    plan = plan_diagram(settings, pools, seeds, execution, episodes)
    store = connect(experiment)
    suite = diagrams.plan_members(store, plan)
    label = f"{len(suite.missing)} members"
    with _epochs(plan.request, suite.missing, label, on_epoch, quiet=quiet) as hear:
        return diagrams.diagram(store, plan, suite, hear)


@quiet_mlflow()
def search(
    settings: TrainSettings | None = None,
    space: str = USUAL_SPACE,
    trials: int = 50,
    *,
    preset: str | None = None,
    experiment: str | None = None,
    on_trial: Callable[[Trial], None] = lambda _: None,
    **given: Any,
) -> SearchResult:
    """Search the settings that come nearest to exact Bayes: ``icl-mlflow search``.

    It goes on where an earlier call of the same search has ended. Needs the extra
    ``search``.

    Args:
        settings: of every trial, but for what is looked for; keywords beside it win.
        space: such as ``lr=1e-4:1e-2;batch_size=16,32``.
        trials: in all, those of earlier calls among them.
        preset: as for `train`.
        experiment: as for `train`.
        on_trial: called with every trial that has ended.
        given: any setting or parameter of the task.

    Raises:
        ValueError: Optuna is not installed, a space that cannot be, or another process
            is at the same search.
        StoreError: the tracking store cannot be used.

    Example:
        ``search(preset="efficient", trials=50).best``
    """
    plan = plan_search(settings_of(settings, preset, given), space, trials)
    return carry_out_search(connect(experiment), plan, on_trial)


@quiet_mlflow()
def reproduce(
    settings: TrainSettings | None = None,
    seeds: Seeds = (0, 1, 2),
    *,
    page_only: bool = False,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = _nothing,
    quiet: bool = False,
    **given: Any,
) -> reproduction.Reproduction:
    """Train the paper's experiments, and put its table beside ours.

    ``icl-mlflow reproduce``. Members that have finished before are reused.

    Args:
        settings: of every member, but for task, variant and seed; keywords beside it
            win.
        seeds: of every experiment, such as ``range(5)``.
        page_only: train nothing; table, figures and page are of what has finished.
        preset: as for `train`.
        experiment: as for `train`.
        execution: as for `train`.
        on_epoch: called with the name and every epoch of every member that is trained.
        quiet: show no progress.
        given: any setting or part of the execution.

    Raises:
        ValueError: a task, a variant or a parameter of a task is given; or nothing has
            finished that a page could be made of.
        StoreError: the tracking store cannot be used.
        MembersFailedError: some members did not finish; the page is of the others.

    Example:
        ``reproduce(precision="auto").table``
    """
    execution, given = execution_of(execution, given)
    settings = settings_of(settings, preset, given)
    request = papers_trainings(settings, seeds, execution)
    store = connect(experiment)
    suite = suites.plan_suite(store, request)
    missing = [] if page_only else suite.missing
    label = f"{len(missing)} members"
    with _epochs(request, missing, label, on_epoch, quiet=quiet) as hear:
        return reproduction.reproduce(store, suite, hear, page_only=page_only)


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


def _epochs(
    request: Request,
    members: Sequence[TrainSettings],
    label: str,
    on_epoch: OnEpoch,
    *,
    quiet: bool,
) -> AbstractContextManager[OnEpoch]:
    """What hears of the epochs of a suite: the progress that is shown, and others."""
    if quiet:
        return nullcontext(on_epoch)
    return _both(epochs_progress(request.names(members), label), on_epoch)


@contextmanager
def _both(
    shown: AbstractContextManager[OnEpoch], on_epoch: OnEpoch
) -> Iterator[OnEpoch]:
    with shown as show:

        def hear(name: str, epoch: Epoch) -> None:
            show(name, epoch)
            on_epoch(name, epoch)

        yield hear


def _train_one(
    request: Request, experiment: str | None, on_epoch: OnEpoch, *, quiet: bool
) -> TrainingResult:
    store = connect(experiment, may_resume=True)
    if quiet:
        return train_one(store, request, Listener(epoch=on_epoch))
    with training_progress(request.settings) as shown:

        def hear(name: str, epoch: Epoch) -> None:
            shown.epoch(name, epoch)
            on_epoch(name, epoch)

        return train_one(store, request, replace(shown, epoch=hear))
