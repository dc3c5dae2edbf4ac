"""Compare the models of two runs on the same episodes, and log the result as a run."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from icl_mlflow.analysis.ablation import comparison
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.card import card
from icl_mlflow.analysis.settings import CompareSettings
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.escaping import for_figure, for_markdown, markdown_code, markdown_link
from icl_mlflow.evaluation import predict
from icl_mlflow.settings import values_of
from icl_mlflow.tasks.base import parameters
from icl_mlflow.tasks.wrappers.wrapping import UNWRAPPED
from icl_mlflow.tracking.models.sources import ReferencedModels, pull
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store, connect, open_client
from icl_mlflow.training.compute.device import compute_threads
from icl_mlflow.workflows.analysis.origin import source_link, title

_ENDS = ("/low", "/high")

_Matched = list[tuple[Subject, Subject]]


@dataclass(frozen=True, kw_only=True, repr=False)
class ComparisonResult:
    """A finished comparison.

    Attributes:
        run_id: of the new run that holds it.
        verdict: in a sentence.
        numbers: by tracked name: ``difference/accuracy``, ``.../low``, ``.../high``.
        table: one row a metric, of `icl_mlflow.analysis.ablation.comparison.compare`.
        pairs: one row per pair and metric.
        ui_link: the new run's page in the UI.
    """

    run_id: str
    verdict: str
    numbers: Mapping[str, float]
    table: pd.DataFrame
    pairs: pd.DataFrame
    ui_link: str

    def __repr__(self) -> str:
        return f"ComparisonResult({self.verdict} run {self.run_id})"

    def _repr_html_(self) -> str:
        rows = {"run": self.run_id, "verdict": self.verdict, **self._differences}
        return card("Comparison", rows, self.ui_link)

    @property
    def _differences(self) -> dict[str, str]:
        return {
            str(row["metric"]): f"{row['difference']:+.4f} "
            f"[{row['low']:+.4f}, {row['high']:+.4f}] {row['unit']}"
            for row in self.table.to_dict("records")
        }


@dataclass(frozen=True, kw_only=True)
class PreparedComparison:
    """Models that are pulled, checked and paired; nothing has been created yet."""

    settings: CompareSettings
    store: Store
    first: ReferencedModels
    second: ReferencedModels
    matched: _Matched


def prepare_comparison(settings: CompareSettings) -> PreparedComparison:
    """Pull, check and pair the models; whatever the user can mend is refused here.

    Raises:
        ValueError, StoreError: as for `icl_mlflow.api.compare`.
    """
    client = open_client()
    first, second = (pull(client, run) for run in (settings.run_1, settings.run_2))
    n_first = len(first.models)
    asked = subjects((*first.trained_models, *second.trained_models), settings.request)
    _check_same_question(asked)
    matched = _matched(first, asked[:n_first], second, asked[n_first:])
    store = connect(settings.experiment, second.experiment)
    return PreparedComparison(
        settings=settings, store=store, first=first, second=second, matched=matched
    )


def carry_out_comparison(prepared: PreparedComparison) -> ComparisonResult:
    """Measure, compare and log."""
    settings, store = prepared.settings, prepared.store
    ones, others = zip(*prepared.matched, strict=True)
    first = title(prepared.first.run_name, ones)
    second = title(prepared.second.run_name, others)
    links = [
        f"{markdown_link(pulled.run_name, source_link(store, pulled))} "
        f"({markdown_code(pulled.run_id)})"
        for pulled in (prepared.first, prepared.second)
    ]
    named = settings.run_1, settings.run_2
    name = f"{second} against {first}"
    about = (
        f"{links[1]} compared with {links[0]}, on the same episodes. Again: "
        + markdown_code(shlex.join(["icl-mlflow", "compare", *named]))
    )
    with open_run(
        store,
        name=name,
        kind="analysis",
        params={k: v for k, v in values_of(settings).items() if k != "experiment"},
        tags={
            "source_run_ids": f"{prepared.first.run_id},{prepared.second.run_id}",
            "task": prepared.matched[0][0].settings.task,
        },
        description=about,
    ) as log:
        log.json("settings.json", values_of(settings))
        truth = prepared.matched[0][0].truth
        with compute_threads(0):
            pairs = [_pair(one, other) for one, other in prepared.matched]
        each = comparison.measure(pairs, truth)
        table = comparison.compare(pairs, truth, settings.seed)
        verdict = comparison.verdict(table, first, second)
        numbers = comparison.metrics(table)
        # Their intervals are in the table.
        log.metrics({k: v for k, v in numbers.items() if not k.endswith(_ENDS)})
        log.table("comparison", table)
        log.table("pairs", each)
        shown = title_of(name, len(truth))
        log.figure("comparison", comparison.draw(table, each, shown))
        log.tags({"verdict": verdict})
        log.description(f"**Answer.** {for_markdown(verdict)}\n\n{about}")
        return ComparisonResult(
            run_id=log.run_id,
            verdict=verdict,
            numbers=numbers,
            table=table,
            pairs=each,
            ui_link=log.ui_link(),
        )


def title_of(name: str, episodes: int) -> str:
    """What stands above the figure: which run is judged against which."""
    return for_figure(f"{name}, {episodes:,} episodes")


def _pair(one: Subject, other: Subject) -> comparison.Pair:
    return comparison.Pair(
        first=one.name,
        second=other.name,
        first_logit_B=predict(one.predictor, one.truth.seen),
        second_logit_B=predict(other.predictor, other.truth.seen),
    )


def _check_same_question(asked: list[Subject]) -> None:
    """Refuse models that were trained on different problems.

    Raises:
        ValueError: names what differs, and the way out if there is one.
    """
    first = asked[0]
    for other in asked[1:]:
        if other.task == first.task and other.problem.n_context == (
            first.problem.n_context
        ):
            continue
        raise ValueError(
            f"{first.name} and {other.name} were trained on different problems: "
            f"{_problem_text(first)}, and {_problem_text(other)}; "
            f"{_way_out(first, other)}"
        )


def _way_out(first: Subject, other: Subject) -> str:
    """What would make both answer the same, if anything does."""
    here, there = (
        {**UNWRAPPED, **parameters(subject.task)} for subject in (first, other)
    )
    differing = [name for name in here if here[name] != there.get(name)]
    same_shape = (
        type(first.task.core) is type(other.task.core)
        and first.task.dim == other.task.dim
        and first.problem.n_context == other.problem.n_context
    )
    if not same_shape:
        return "no episode fits both"
    options = " ".join(f"--{name} {here[name]:g}" for name in differing)
    return f"give {options}, or another value, to ask both about the same"


def _problem_text(subject: Subject) -> str:
    shown = ", ".join(f"{k}={v:g}" for k, v in parameters(subject.task).items())
    task, n_context = subject.settings.task, subject.problem.n_context
    return f"task {task} with {shown}, n_context={n_context}"


def _matched(
    first: ReferencedModels,
    first_subjects: list[Subject],
    second: ReferencedModels,
    second_subjects: list[Subject],
) -> _Matched:
    """Models with the same seed; two single models whatever their seeds.

    Raises:
        ValueError: no pair, or a seed that is there twice.
    """
    if len(first_subjects) == len(second_subjects) == 1:
        return [(first_subjects[0], second_subjects[0])]
    by_seed = [
        _by_seed(first, first_subjects),
        _by_seed(second, second_subjects),
    ]
    common = [seed for seed in by_seed[0] if seed in by_seed[1]]
    if not common:
        seeds = [", ".join(map(str, found)) for found in by_seed]
        raise ValueError(
            f"{first.run_name} has seeds {seeds[0]} and {second.run_name} has seeds "
            f"{seeds[1]}: none in common to pair"
        )
    return [(by_seed[0][seed], by_seed[1][seed]) for seed in common]


def _by_seed(pulled: ReferencedModels, found: list[Subject]) -> dict[int, Subject]:
    twice = [s for s, n in Counter(one.settings.seed for one in found).items() if n > 1]
    if twice:
        variants = ", ".join(dict.fromkeys(one.settings.variant for one in found))
        raise ValueError(
            f"run {pulled.run_id} has several models of seed {twice[0]} ({variants}); "
            "give the id of one model's run, or of a parent of seeds alone"
        )
    return {one.settings.seed: one for one in found}
