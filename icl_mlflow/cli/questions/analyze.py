"""`icl-mlflow analyze`: put questions to trained models, and log the answers."""

from typing import TYPE_CHECKING

import click

from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.cli.console import brief, folded, show
from icl_mlflow.cli.errors import (
    ask_store_with_runs,
    check_dry_run,
    exit_code,
    usage_errors,
)
from icl_mlflow.cli.options import CONTEXT, options
from icl_mlflow.cli.progress import progress
from icl_mlflow.workflows.settings import DryRunSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from icl_mlflow.workflows.analyze import AnalysisResult
    from icl_mlflow.workflows.score import Score


_EXAMPLE = """\b
Example:
  icl-mlflow analyze --run_id 4f2a8c...
  icl-mlflow analyze --model models:/icl-A-baseline@best --tau 9
  icl-mlflow analyze --run_id 4f2a8c... --analyses llr_regression,logit_lens
  icl-mlflow analyze --run_id 4f2a8c... --analyses all
  icl-mlflow analyze --run_id 4f2a8c... --dry_run
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@options(AnalyzeSettings, DryRunSettings)
def analyze(settings: AnalyzeSettings, how: DryRunSettings) -> None:
    """Put questions to the models of a run; log the answers as a new run."""
    if how.dry_run:
        check_dry_run("analyze")
    ask_store_with_runs(to_write=not how.dry_run)
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.tracking.store.connection import StoreError
    from icl_mlflow.workflows.analysis.measure import MeasuringFailedError
    from icl_mlflow.workflows.analyze import carry_out, prepare

    if how.dry_run:
        from icl_mlflow.workflows.analysis.plan import plan_analysis

        with usage_errors(ValueError, StoreError):
            lines = plan_analysis(settings).splitlines()
        show(*lines)
        return
    with usage_errors(ValueError, StoreError):
        prepared = prepare(settings)
    with (
        exit_code(1, MeasuringFailedError),
        progress(prepared.questions.n_measurements, "analyses", speaks=True) as advance,
    ):
        analyzed = carry_out(prepared, advance)
    show(*summary(analyzed))
    show(f"report   {analyzed.report_link}")
    show(prepared.store.where(analyzed.ui_link))


def summary(analyzed: "AnalysisResult | Score") -> list[str]:
    """The run, and every question with its answers in short; the report has all."""
    # Imported here: it needs pandas.
    from icl_mlflow.workflows.analysis.answers import merged

    width = max(map(len, analyzed.answers), default=0) + 2
    lines = []
    for name, told in analyzed.answers.items():
        lines += _answer_lines(f"{name:{width}}", told)
    for one in merged(analyzed.refusals):
        text = f"not asked of {one.model}: {one.reason}"
        lines += folded(f"{one.analysis:{width}}", text)
    return [*lines, f"run      {analyzed.run_id}"]


def _answer_lines(label: str, told: "Mapping[str, str]") -> list[str]:
    """What one model says, or how the variants of a suite divide over the answers."""
    if list(told) == [""]:
        return [brief(label, told[""])]
    # Imported here: it needs pandas.
    from icl_mlflow.analysis.report.page import opening

    by_answer: dict[str, list[str]] = {}
    for variant, verdict in told.items():
        by_answer.setdefault(opening(verdict), []).append(variant)
    divided = (f"{answer}: {', '.join(who)}" for answer, who in by_answer.items())
    return folded(label, "; ".join(divided))
