"""Links lead where readers look; an experiment says what it is; a view is shared."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from icl_mlflow.tracking.store import ui
from icl_mlflow.tracking.store.connection import Store, connect

NOTE = "mlflow.note.content"


def query_of(link: str) -> dict[str, list[str]]:
    """What a link asks of the page, which stands behind the ``#``."""
    return parse_qs(urlsplit(link).fragment.partition("?")[2])


def test_every_link_opens_the_view_of_trainings(store: Store) -> None:
    links = [
        store.run_link("4f2a"),
        store.run_link("4f2a", "report.html"),
        store.model_link("icl-A-baseline", "3"),
        store.comparison_link("4f2a", ["a", "b"], by=["variant"]),
    ]
    for link in links:
        assert link.startswith("http://127.0.0.1:5000/#/")
        assert query_of(link)["workflowType"] == ["machine_learning"]
    page = f"experiments/{store.experiment_id}/runs/4f2a"
    assert f"/#/{page}?" in links[0]
    assert f"/#/{page}/artifacts/report.html?" in links[1]
    assert "/#/models/icl-A-baseline/versions/3?" in links[2]


def test_a_comparison_shows_the_members_in_charts_grouped(store: Store) -> None:
    parent = "0a" * 16
    link = store.comparison_link(parent, ["r1", "r2"], by=["variant"])
    asked = query_of(link)
    assert asked["compareRunsMode"] == ["CHART"]
    (key,) = asked["viewStateShareKey"]
    tags = store.client.get_experiment(store.experiment_id).tags
    view = json.loads(tags[f"mlflow.sharedViewState.{key}"])
    assert view["searchFilter"] == "attributes.run_id IN ('r1', 'r2')"
    assert view["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "variant"}]
    assert "metrics.`test/difference_from_baseline`" in view["selectedColumns"]
    first = [(one["metricKey"], one["type"]) for one in view["compareRunCharts"]]
    assert first[:2] == [
        ("test/difference_from_baseline", "BAR"),
        ("test/excess_risk", "BAR"),
    ]
    table = query_of(ui.as_table(link))
    assert table == {k: v for k, v in asked.items() if k != "compareRunsMode"}


def test_the_means_of_parents_are_in_no_group_of_a_comparison(store: Store) -> None:
    """Also of the one that has trained a member before."""
    client, where = store.client, store.experiment_id
    earlier, parent = (client.create_run(where).info.run_id for _ in range(2))
    reused, member = (client.create_run(where).info.run_id for _ in range(2))
    client.set_tag(reused, "mlflow.parentRunId", earlier)
    store.comparison_link(parent, [reused, member], by=["variant"])
    tags = client.get_experiment(where).tags
    view = json.loads(tags[f"mlflow.sharedViewState.{parent[:16]}"])
    assert view["runsVisibilityMap"] == {earlier: False, parent: False}


def test_the_filter_of_a_comparison_finds_its_members(store: Store) -> None:
    client, where = store.client, store.experiment_id
    members = [client.create_run(where).info.run_id for _ in range(3)]
    wanted = ui._filter("0a1b", members[:2])
    assert {r.info.run_id for r in client.search_runs([where], wanted)} == {
        *members[:2]
    }
    many = ui._filter(members[0], members * 40)
    client.set_tag(members[2], "mlflow.parentRunId", members[0])
    assert [r.info.run_id for r in client.search_runs([where], many)] == [members[2]]


def test_without_the_right_to_share_a_view_the_runs_are_found_all_the_same(
    store: Store,
) -> None:
    # MLflow refuses the tag of an experiment that is not there, as of another's.
    nowhere = Store(store.tracking_uri, "404", store.client)
    link = nowhere.comparison_link("4f2a", ["r1"], by=["seed"])
    assert query_of(link)["searchFilter"] == ["attributes.run_id IN ('r1')"]


@pytest.mark.usefixtures("store")
def test_a_new_experiment_says_what_it_is() -> None:
    store = connect("fresh")
    tags = store.client.get_experiment(store.experiment_id).tags
    first, *others = tags[NOTE].splitlines()
    assert any("`test/excess_risk`" in line for line in others)
    assert "[all trainings in a table](http://127.0.0.1:5000/#/experiments/" in first
    view = json.loads(tags["mlflow.sharedViewState.trainings"])
    assert view["searchFilter"] == "tags.kind = 'train'"


def test_an_experiment_that_is_somebody_elses_stays_as_it_is(store: Store) -> None:
    client = store.client
    described = client.create_experiment("mine", tags={NOTE: "my own words"})
    used = client.create_experiment("used")
    client.create_run(used)
    connect("mine")
    connect("used")
    assert client.get_experiment(described).tags[NOTE] == "my own words"
    assert NOTE not in client.get_experiment(used).tags


def test_the_run_that_mlflow_run_has_opened_counts_as_ours(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = store.client
    here = client.create_experiment("by mlflow run")
    monkeypatch.setenv("MLFLOW_RUN_ID", client.create_run(here).info.run_id)
    connect()
    assert NOTE in client.get_experiment(here).tags
