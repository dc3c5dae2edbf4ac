"""What a reader sees in MLflow's UI: names, numbers, figures, and every printed link.

Each test keeps a picture in `build/browser`, to be looked at.
"""

import json

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from tests.browser.conftest import Site
from tests.browser.window import PICTURES, Window

pytestmark = pytest.mark.slow

#: The view for models that are trained; a fresh browser opens that for language models.
TRAINING = "workflowType=machine_learning"

#: Seconds for any page of a run: 5 where the machine has nothing else to do.
PATIENCE = 15.0

#: What a page says that is not there, or is for language models.
WRONG = ("Page Not Found", "does not exist", "Something went wrong", "Detect Issues")


def test_the_table_of_runs_leads_to_one_with_numbers(
    window: Window, site: Site
) -> None:
    page = f"#/experiments/{site.experiment_id}/runs?{TRAINING}"
    said = window.open(page, "A-ablation-seeds0,1", "A-baseline-seed0", "episodes-A")
    window.picture("runs_table")
    assert not any(wrong in said for wrong in WRONG)
    names = [str(run.info.run_name) for run in site.members]
    table = window.link("all trainings in a table")
    said = window.open(table, *names, "test/excess_risk", "verdict", "no_position")
    window.picture("trainings_table")
    assert not any(wrong in said for wrong in WRONG)


def test_a_suite_is_compared_in_charts_by_variant(window: Window, site: Site) -> None:
    charts = next(x for x in site.printed["ablate"].links if "compareRunsMode" in x)
    window.open(charts, "comparison\n", "val/excess_risk", "Group: no_labels")
    window.until(lambda: window.count(".main-svg, canvas") > 2, "charts")
    window.picture("suite_charts", settle=3)
    drawn = window.text().partition("comparison\n")[2]
    wanted = ("test/difference_from_baseline", "test/excess_risk", "val/excess_risk")
    places = [drawn.index(metric) for metric in (*wanted, "train/")]
    assert places == sorted(places), "what readers look for first stands first"


def test_charts_set_all_runs_side_by_side(window: Window, site: Site) -> None:
    link = f"#/experiments/{site.experiment_id}/runs?{TRAINING}&compareRunsMode=CHART"
    window.open(link, "Run Name")
    window.write("^(test|val)/excess_risk", "Search metric charts")
    window.wait_for("test\n(1)", "val\n(1)")
    window.until(lambda: window.count(".main-svg, canvas") > 1, "charts")
    window.picture("charts", settle=3)


def test_four_runs_are_compared_by_what_differs(window: Window, site: Site) -> None:
    chosen = [r for r in site.members if r.data.tags["variant"] != "no_position"][:4]
    assert len(chosen) == 4
    runs = json.dumps([run.info.run_id for run in chosen])
    experiments = json.dumps([site.experiment_id])
    names = [str(run.info.run_name) for run in chosen]
    said = window.open(
        f"#/compare-runs?runs={runs}&experiments={experiments}&{TRAINING}",
        *names,
        "variant",
    )
    window.picture("compare", settle=3)
    assert "test/excess_risk" in said
    assert not any(wrong in said for wrong in WRONG)


def test_a_parent_says_what_it_found(window: Window, site: Site) -> None:
    parent = site.client.get_run(site.printed["ablate"].run_id)
    assert "no_position" in parent.data.tags[MLFLOW_RUN_NOTE]
    window.open(
        f"#/experiments/{site.experiment_id}/runs/{parent.info.run_id}?{TRAINING}",
        str(parent.info.run_name),
        "no_labels",
        "no_position",
    )
    window.picture("parent")
    window.scroll_to("Description")
    window.picture("parent_description")


def test_a_training_shows_its_numbers_and_its_model(window: Window, site: Site) -> None:
    run = site.client.get_run(site.printed["train"].run_id)
    window.open(
        f"#/experiments/{site.experiment_id}/runs/{run.info.run_id}?{TRAINING}",
        str(run.info.run_name),
        "test/excess_risk",
        "test/accuracy",
        "icl-A-baseline",
        "episodes-A",
    )
    window.picture("training")
    window.scroll_to("Description")
    window.picture("training_description")


def test_the_report_is_read_in_the_viewer_of_artifacts(
    window: Window, site: Site
) -> None:
    run_id = site.printed["analyze"].run_id
    window.open(
        f"#/experiments/{site.experiment_id}/runs/{run_id}/artifacts/report.html?{TRAINING}",
        "report.html",
    )
    with window.inside("iframe"):
        said = window.wait_for("A-baseline-seed0", "exact Bayes")
        figures = "return [...document.images].filter(i => i.naturalWidth > 300).length"
        window.until(lambda: window.driver.execute_script(figures) > 3, "figures")
    window.picture("report", settle=2)
    assert "Traceback" not in said


def test_a_registered_model_says_what_it_is(window: Window, site: Site) -> None:
    window.open(f"#/models/icl-A-baseline?{TRAINING}", "icl-A-baseline", "best")
    window.picture("registered_model")
    said = window.open(
        f"#/models/icl-A-baseline/versions/1?{TRAINING}", "icl-A-baseline", "1"
    )
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


def test_every_run_is_readable_within_seconds(window: Window, site: Site) -> None:
    """All metrics of the run; the seconds of each are kept beside the pictures."""
    seconds: dict[str, float] = {}
    for command, printed in site.printed.items():
        metrics = site.client.get_run(printed.run_id).data.metrics
        assert metrics, command
        window.open(printed.links[-1], *metrics)
        seconds[command] = window.seconds
    lines = [f"{command:14} {took:.1f} s\n" for command, took in seconds.items()]
    (PICTURES / "seconds.txt").write_text("".join(lines))
    assert max(seconds.values()) < PATIENCE, seconds
