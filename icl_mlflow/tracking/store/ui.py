"""Pages of MLflow's user interface: their addresses, and what an experiment says there.

A new browser would open an experiment in MLflow's view for language models, so every
address asks for the view of trainings.
"""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from icl_mlflow.escaping import markdown_link
from icl_mlflow.tracking.store.mlflow_internals import SHARED_VIEW
from icl_mlflow.tracking.store.preflight import within_limit
from icl_mlflow.tracking.store.uri import (
    SERVERS,
    StoreError,
    scheme_of,
    shown,
    sqlite_uri,
)

_TRAINING_VIEW = "workflowType=machine_learning"
_IN_CHARTS = "&compareRunsMode=CHART"
_LOCAL = "http://127.0.0.1:5000"

#: Above it a view names the parent instead of every run: its tag has limits.
_MOST_NAMED = 64

#: Columns of a suite's comparison, beside the runs' names.
_COLUMNS = (
    "tags.`variant`",
    "tags.`seed`",
    "tags.`verdict`",
    "metrics.`test/excess_risk`",
    "metrics.`test/accuracy`",
    "metrics.`test/difference_from_baseline`",
)

#: Charts that a comparison begins with: metric, and how it is drawn. MLflow adds one of
#: every other metric below, and leaves out those of metrics that no run has.
_CHARTS = (
    ("test/difference_from_baseline", "BAR"),
    ("test/excess_risk", "BAR"),
    ("val/excess_risk", "LINE"),
)
_SECTION = "comparison"

#: Characters of a run's description, and what stands where more of it was.
_LONGEST, _CUT = 8_000, "\n\n..."

#: MLflow keeps the description of an experiment under the same name as a run's.
_NOTE = MLFLOW_RUN_NOTE

#: The key of the view of all trainings of an experiment.
_TRAININGS = "trainings"

_DESCRIPTION = """\
Transformers that learn in context, beside the exact Bayes predictor of their task: \
{link}.

- `test/excess_risk` is what a model loses beyond exact Bayes, in nats; 0 cannot be \
beaten. `val/...` is the same kind of number after every epoch, under the same names \
on single trainings and on their parents.
- Runs of kind `suite` have runs below them, one a variant and seed. Each of an \
ablation has `test/difference_from_baseline` and its `verdict`; the parent's \
description has the table, and the link to the comparison.
- Runs of kind `analysis` put questions to trained models; `report.html` among their \
artifacts has every answer and figure.
- In the chart view, group by the tag `variant` (or `seed`). In the tab Models, \
metrics name the episodes that they were measured on.
"""


def run_page(uri: str, experiment_id: str, run_id: str, artifact: str = "") -> str:
    """The address of a run's page, or of one of its artifacts.

    >>> run_page("http://127.0.0.1:8080", "1", "4f2a", "report.html")
    'http://127.0.0.1:8080/#/experiments/1/runs/4f2a/artifacts/report.html\
?workflowType=machine_learning'
    """
    within = f"/artifacts/{quote(artifact)}" if artifact else ""
    run = f"{_experiment_page(uri, experiment_id)}/{run_id}{within}"
    return f"{run}?{_TRAINING_VIEW}"


def model_page(uri: str, name: str, version: str) -> str:
    """The address of a registered version's page.

    >>> model_page("http://127.0.0.1:8080", "icl-A-baseline", "3")
    'http://127.0.0.1:8080/#/models/icl-A-baseline/versions/3?\
workflowType=machine_learning'
    """
    return f"{_host(uri)}/#/models/{quote(name)}/versions/{version}?{_TRAINING_VIEW}"


def comparison_page(uri: str, experiment_id: str, view: str) -> str:
    """The address of a comparison in the chart view.

    Args:
        uri: of the store.
        experiment_id: where the runs are.
        view: from `share_comparison`.
    """
    page = _experiment_page(uri, experiment_id)
    return f"{page}?{_TRAINING_VIEW}{_IN_CHARTS}&{view}"


def share_comparison(
    client: MlflowClient,
    experiment_id: str,
    parent_run_id: str,
    run_ids: Sequence[str],
    *,
    by: Sequence[str],
) -> str:
    """Let the UI know a comparison of runs; what its address says of it.

    It is a view that is shared as MLflow's own button does it, in a tag of the
    experiment. Who may not set that, or has no store for it now, gets the runs alone.

    Args:
        client: of the store.
        experiment_id: where the runs are.
        parent_run_id: of the suite.
        run_ids: its members, also those that an earlier suite has trained.
        by: the tags to group them by.
    """
    wanted = _filter(parent_run_id, run_ids)
    key = parent_run_id[:16]

    def share() -> None:
        parents = {parent_run_id, *_parents(client, experiment_id, wanted)}
        view = _view(wanted) | _grouped(by) | _charts_without(sorted(parents))
        client.set_experiment_tag(
            experiment_id, f"{SHARED_VIEW}{key}", json.dumps(view)
        )

    try:
        within_limit(share, client.tracking_uri)
    except StoreError:
        return f"searchFilter={quote(wanted)}"
    return f"viewStateShareKey={key}"


def as_table(comparison: str) -> str:
    """The address of the same runs in a table, in place of charts."""
    return comparison.replace(_IN_CHARTS, "")


def describe(
    client: MlflowClient, experiment: Experiment, run_id: str | None = None
) -> None:
    """Say what an experiment is, where nobody has and nothing else is in it yet.

    Args:
        client: of the store.
        experiment: that runs go to.
        run_id: of the run that ``mlflow run`` has opened there for this process.
    """
    if _NOTE in experiment.tags:
        return
    found = client.search_runs([experiment.experiment_id], max_results=2)
    if any(run.info.run_id != run_id for run in found):
        return
    number = experiment.experiment_id
    page = _experiment_page(client.tracking_uri, number)
    table = f"{page}?{_TRAINING_VIEW}&viewStateShareKey={_TRAININGS}"
    link = markdown_link("all trainings in a table", table)
    view = json.dumps(_view("tags.kind = 'train'") | _grouped(("task", "variant")))
    try:
        client.set_experiment_tag(number, f"{SHARED_VIEW}{_TRAININGS}", view)
        client.set_experiment_tag(number, _NOTE, _DESCRIPTION.format(link=link))
    except MlflowException as error:
        if error.error_code != "PERMISSION_DENIED":
            raise


def fitting(description: str) -> str:
    """As many whole lines of a description as MLflow keeps of one."""
    if len(description) <= _LONGEST:
        return description
    cut = description[: _LONGEST - len(_CUT)].rpartition("\n")[0]
    return f"{cut}{_CUT}"


def ui_command(uri: str) -> str | None:
    """What starts the UI, or None where a server already shows it."""
    if scheme_of(uri) in SERVERS:
        return None
    is_here = uri == sqlite_uri(Path("mlflow.db"))
    if is_here and not _has_old_runs(Path("mlruns")):
        return "mlflow ui"
    return f"mlflow ui --backend-store-uri {shlex.quote(shown(uri))}"


def _experiment_page(uri: str, experiment_id: str) -> str:
    return f"{_host(uri)}/#/experiments/{experiment_id}/runs"


def _host(uri: str) -> str:
    """Where the UI is: for a local store, where ``mlflow ui`` serves it."""
    return shown(uri) if scheme_of(uri) in SERVERS else _LOCAL


def _filter(parent_run_id: str, run_ids: Sequence[str]) -> str:
    if len(run_ids) > _MOST_NAMED:
        return f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent_run_id}'"
    named = ", ".join(f"'{run_id}'" for run_id in run_ids)
    return f"attributes.run_id IN ({named})"


def _parents(client: MlflowClient, experiment_id: str, wanted: str) -> set[str]:
    """The suites that have trained these runs, some of them before this one."""
    found = client.search_runs([experiment_id], wanted, max_results=_MOST_NAMED)
    tags = (run.data.tags for run in found)
    return {each[MLFLOW_PARENT_RUN_ID] for each in tags if MLFLOW_PARENT_RUN_ID in each}


# Views are states of MLflow's runs page, in the words of its own code.


def _view(wanted: str) -> dict[str, Any]:
    """The runs that a filter finds, with what they are compared by."""
    return {
        "searchFilter": wanted,
        "selectedColumns": list(_COLUMNS),
        "runsHiddenMode": "SHOW_ALL",
    }


def _grouped(by: Sequence[str]) -> dict[str, Any]:
    return {
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": tag} for tag in by],
        }
    }


def _charts_without(parents: Sequence[str]) -> dict[str, Any]:
    """The charts that readers look for first, and no parent's means in their groups.

    MLflow shows the parents of all runs that a filter finds.
    """
    section = {"uuid": _SECTION, "name": _SECTION, "display": True, "isReordered": True}
    return {
        "compareRunSections": [section],
        "isAccordionReordered": True,
        "compareRunCharts": [_chart(metric, kind) for metric, kind in _CHARTS],
        "hideEmptyCharts": True,
        "runsHidden": list(parents),
        "runsVisibilityMap": dict.fromkeys(parents, False),
    }


def _chart(metric: str, kind: str) -> Mapping[str, Any]:
    return {
        "uuid": metric,
        "type": kind,
        "metricKey": metric,
        "metricSectionId": _SECTION,
        "runsCountToCompare": _MOST_NAMED,
        "deleted": False,
        "isGenerated": False,
    }


def _has_old_runs(folder: Path) -> bool:
    """Whether MLflow finds runs of its former kind there, and would show only them."""
    return any(
        os.path.lexists(file) and file.parent.name.isdecimal()
        for file in folder.glob("*/meta.yaml")
    )
