"""What a reader sees in MLflow's UI: names, numbers, figures, and every printed link.

Each test keeps a picture in `build/browser`, to be looked at.
"""

import json

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from tests.browser.conftest import Site
from tests.browser.window import Window

pytestmark = pytest.mark.slow

#: The view for models that are trained; a fresh browser opens that for language models.
TRAINING = "workflowType=machine_learning"

#: What a page says that is not there, or is for language models.
WRONG = ("Page Not Found", "does not exist", "Something went wrong", "Detect Issues")


def test_the_table_of_runs_is_told_apart_by_names(window: Window, site: Site) -> None:
    names = [run.info.run_name for run in site.members]
    said = window.open(
        f"#/experiments/{site.experiment_id}/runs?{TRAINING}", "A-ablation", "Run Name"
    )
    window.picture("runs_table")
    assert not any(wrong in said for wrong in WRONG)
    assert "A-baseline-seed0" in said
    assert "episodes-A" in said  # the dataset
    assert names


def test_charts_set_runs_side_by_side(window: Window, site: Site) -> None:
    link = f"#/experiments/{site.experiment_id}/runs?{TRAINING}&compareRunsMode=CHART"
    window.open(link, "val/excess_risk")
    window.until(lambda: window.count(".main-svg, canvas") > 2, "charts")
    window.picture("charts", settle=3)


def test_four_runs_are_compared_by_what_differs(window: Window, site: Site) -> None:
    chosen = [r for r in site.members if r.data.tags["variant"] != "no_position"][:4]
    assert len(chosen) == 4
    runs = json.dumps([run.info.run_id for run in chosen])
    experiments = json.dumps([site.experiment_id])
    names = [str(run.info.run_name) for run in chosen]
    said = window.open(
        f"#/compare-runs?runs={runs}&experiments={experiments}", *names, "variant"
    )
    window.picture("compare", settle=3)
    assert "test/excess_risk" in said
    assert not any(wrong in said for wrong in WRONG)


def test_a_parent_says_what_it_found(window: Window, site: Site) -> None:
    parent = site.client.get_run(site.printed["ablate"].run_id)
    assert "no_position" in parent.data.tags[MLFLOW_RUN_NOTE]
    window.open(
        f"#/experiments/{site.experiment_id}/runs/{parent.info.run_id}",
        str(parent.info.run_name),
        "no_labels",
        "no_position",
    )
    window.picture("parent")


def test_a_training_shows_its_numbers_and_its_model(window: Window, site: Site) -> None:
    run = site.client.get_run(site.printed["train"].run_id)
    window.open(
        f"#/experiments/{site.experiment_id}/runs/{run.info.run_id}",
        str(run.info.run_name),
        "test/excess_risk",
        "test/accuracy",
        "icl-A-baseline",
        "episodes-A",
    )
    window.picture("training")


def test_the_report_is_read_in_the_viewer_of_artifacts(
    window: Window, site: Site
) -> None:
    run_id = site.printed["analyze"].run_id
    window.open(
        f"#/experiments/{site.experiment_id}/runs/{run_id}/artifacts/report.html",
        "report.html",
    )
    with window.inside("iframe"):
        said = window.wait_for("A-baseline-seed0", "exact Bayes")
        figures = "return [...document.images].filter(i => i.naturalWidth > 300).length"
        window.until(lambda: window.driver.execute_script(figures) > 3, "figures")
    window.picture("report", settle=2)
    assert "Traceback" not in said


def test_a_registered_model_says_what_it_is(window: Window, site: Site) -> None:
    window.open("#/models/icl-A-baseline", "icl-A-baseline", "best")
    window.picture("registered_model")
    said = window.open("#/models/icl-A-baseline/versions/1", "icl-A-baseline", "1")
    window.picture("model_version")
    assert not any(wrong in said for wrong in WRONG)
    assert site.printed["train"].run_id in said or "A-baseline-seed0" in said


def test_the_tab_of_models_tells_them_apart(window: Window, site: Site) -> None:
    window.open(f"#/experiments/{site.experiment_id}/models?{TRAINING}", "A-baseline")
    window.picture("models_tab")


def test_every_printed_link_opens_what_it_names(window: Window, site: Site) -> None:
    for command, printed in site.printed.items():
        assert printed.links, command
        name = site.client.get_run(printed.run_id).info.run_name
        for number, link in enumerate(printed.links):
            assert link.startswith(site.uri), (command, link)
            # A comparison shows the members of a suite, and not the suite.
            wanted = "Group by" if "compareRunsMode" in link else str(name)
            said = window.open(link, wanted)
            window.picture(f"link_{command}_{number}")
            assert not any(wrong in said for wrong in WRONG), (command, link)
