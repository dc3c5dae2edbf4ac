"""Two users work at one server that knows them by password, over TLS and PostgreSQL."""

import datetime
import stat
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.local.liveness import heartbeat
from tests.faults.trainings import SMALL
from tests.team_server.team import Team, User, assert_whole, trainings

pytestmark = pytest.mark.slow

SHARED = ["--experiment", "shared"]
MODEL = "icl-A-baseline"
FEW = ["--analyses", "calibration", "--episodes", "100"]

Users = Callable[[str], User]


def test_two_users_share_an_experiment_and_a_model(
    team: Team, user: Users, client: MlflowClient
) -> None:
    ann, bob = user("ann"), user("bob")
    first = ann.does("train", *SMALL, *SHARED)
    assert first.code == 0
    members = ["--variants", "no_labels", "--seeds", "0-1"]
    suite = ann.does("ablate", *SMALL, *SHARED, *members)
    assert suite.code == 0
    assert ann.does("analyze", "--run_id", first.run_id, *FEW).code == 0
    (other,) = [
        run.info.run_id
        for run in trainings(client, "shared")
        if run.info.run_name == "A-no_labels-seed0"
    ]
    compared = ["compare", first.run_id, other, "--episodes", "100"]
    assert ann.does(*compared).code == 0

    experiment = client.get_experiment_by_name("shared").experiment_id
    n_runs = len(client.search_runs([experiment]))
    for denied in (
        bob.does("train", *SMALL, *SHARED, "--seed", "5"),
        bob.does("ablate", *SMALL, *SHARED, *members),
        bob.does("analyze", "--run_id", first.run_id, *FEW),
        bob.does(*compared),
    ):
        assert denied.code == 4
        assert denied.error == (
            f"Error: storage: {team.uri} does not let user 'bob' add runs to "
            "experiment 'shared'; ask its owner for the permission EDIT, or choose an "
            "experiment of your own"
        )
    assert len(client.search_runs([experiment])) == n_runs

    team.grant("bob", "experiment", experiment)
    second = bob.does("train", *SMALL, *SHARED, "--seed", "7")
    assert second.code == 0
    assert f"the registered model {MODEL} is ann's, and bob may not edit" in second.err
    assert_whole(client, second.run_id)  # nothing else of it waits for a permission
    team.grant("bob", "registered_model", MODEL)
    assert bob.does("sync").code == 0
    third = bob.does("train", *SMALL, *SHARED, "--seed", "8")
    assert third.code == 0
    assert bob.does("ablate", *SMALL, *SHARED, *members).code == 0
    assert bob.does("analyze", "--run_id", first.run_id, *FEW).code == 0
    assert bob.does(*compared).code == 0

    for run in trainings(client, "shared"):
        assert_whole(client, run.info.run_id)
    versions = client.search_model_versions(f"name='{MODEL}'")
    # Seeds 0 and 1 of hers, one of which the suite has trained, and 7 and 8 of his.
    assert len({v.run_id for v in versions}) == len(versions) == 4
    assert {v.run_id for v in versions} >= {second.run_id, third.run_id}
    for one in (ann, bob):
        assert one.does("sync").out.strip() == "nothing waits to be delivered"
        assert "no dead runs" in one.does("reap").out


def test_what_one_may_not_read_is_named_and_costs_nothing(
    team: Team, user: Users, client: MlflowClient
) -> None:
    ann, bob = user("ann"), user("bob")
    run_id = ann.does("train", *SMALL, "--experiment", "closed", "--task", "B").run_id
    experiment = client.get_experiment_by_name("closed").experiment_id
    team.grant("bob", "experiment", experiment, "DENY")
    team.grant("bob", "registered_model", "icl-B-baseline", "DENY")
    for what, denied in {
        "experiment": bob.does("train", *SMALL, "--experiment", "closed"),
        "run": bob.does("analyze", "--run_id", run_id, *FEW),
        "model": bob.does("analyze", "--model", "models:/icl-B-baseline/1", *FEW),
        "export": bob.does("export", run_id, "--output", "out"),
        "compare": bob.does("compare", run_id, "models:/icl-B-baseline/1"),
    }.items():
        wanted = "registered model" if what == "model" else "experiment"
        assert denied.code == 2, what
        assert denied.error.startswith(
            f"Error: {team.uri} does not permit this to user 'bob'; ask the owner for "
            f"the permission READ on the {wanted} ("
        ), what
    assert len(client.search_runs([experiment])) == 1


def test_a_run_that_is_another_users_gets_no_link_to_its_analysis(
    user: Users, client: MlflowClient
) -> None:
    ann, bob = user("ann"), user("bob")
    run_id = ann.does("train", *SMALL, "--experiment", "anns").run_id
    asked = bob.does("analyze", "--run_id", run_id, *FEW, "--experiment", "bobs")
    assert asked.code == 0
    (line,) = [one for one in asked.err.splitlines() if "another user's" in one]
    assert f"run {run_id} is another user's, and does not get the tag" in line
    assert client.get_run(asked.run_id).info.status == "FINISHED"
    assert bob.does("sync").out.strip() == "nothing waits to be delivered"


def test_what_is_denied_while_a_run_is_under_way_waits_for_the_permission(
    team: Team, user: Users, client: MlflowClient
) -> None:
    ann, bob = user("ann"), user("bob")
    assert ann.does("train", *SMALL, "--experiment", "lent").code == 0
    experiment = client.get_experiment_by_name("lent").experiment_id
    team.grant("bob", "experiment", experiment)
    process = bob.starts(
        "train", *SMALL, "--experiment", "lent", "--seed", "3",
        "--train_episodes", "20000",
    )  # fmt: skip
    mine = under_way(client, "lent", seed="3")
    with team.as_administrator() as admin:
        admin.revoke_user_permission("bob", "experiment", experiment)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0
    (line,) = [one for one in err.splitlines() if "not delivered" in one]
    why = "does not permit this to user 'bob'; ask the owner for the permission EDIT on"
    assert f"{team.uri} {why} the experiment (runs/" in line
    refused = bob.does("sync")
    assert refused.code == 4
    assert why in refused.error
    team.grant("bob", "experiment", experiment)
    team.grant("bob", "registered_model", MODEL)
    assert bob.does("sync").code == 0
    assert_whole(client, mine.info.run_id)


def under_way(client: MlflowClient, experiment: str, seed: str) -> Run:
    """The training of this seed, as soon as the server has a number of it."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        for run in trainings(client, experiment):
            if run.data.tags["seed"] == seed and "train/loss" in run.data.metrics:
                return run
        time.sleep(0.1)
    raise AssertionError("it has not begun")


def test_a_dead_run_is_left_to_its_owner(user: Users, client: MlflowClient) -> None:
    ann, bob = user("ann"), user("bob")
    assert ann.does("train", *SMALL, "--experiment", "left").code == 0
    experiment = client.get_experiment_by_name("left").experiment_id
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    beat = replace(heartbeat(), machine="elsewhere", host="kermit", pid=7)
    beat = replace(beat, time=then.isoformat(timespec="seconds"))
    tags = {"heartbeat": beat.text, "mlflow.user": "ann"}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    tried = bob.does("reap", "--yes")
    assert tried.code == 4
    assert "left to ann, whose run it is: it takes the permission EDIT" in tried.out
    assert client.get_run(run_id).info.status == "RUNNING"
    assert ann.does("reap", "--yes").code == 0
    assert client.get_run(run_id).info.status == "KILLED"


def test_a_server_that_is_killed_five_times_has_every_row_once(
    team: Team, user: Users, client: MlflowClient
) -> None:
    ann = user("ann")
    long = [*SMALL, "--train_episodes", "40000", "--experiment", "restarts"]
    process = ann.starts("train", *long)
    under_way(client, "restarts", seed="0")
    for _ in range(5):
        team.processes.kill()
        time.sleep(1)
        team.processes.start()
        time.sleep(4)
    assert process.poll() is None, "it ended before the last restart"
    out, err = process.communicate(timeout=300)
    print(out, err)
    assert process.returncode == 0
    assert ann.does("sync").code == 0
    (run,) = trainings(client, "restarts")
    assert_whole(client, run.info.run_id)


@pytest.mark.parametrize("what", ["umask 000", "no HOME", "read-only folder"])
def test_odd_surroundings_change_nothing(
    user: Users, client: MlflowClient, what: str
) -> None:
    ann = user("ann")
    experiment = ["--experiment", what.replace(" ", "-")]
    if what == "no HOME":
        ann = ann.without("HOME")
    if what == "read-only folder":
        ann.folder.chmod(0o555)
    umask = 0 if what == "umask 000" else -1
    done = ann.does("train", *SMALL, *experiment, umask=umask)
    ann.folder.chmod(0o755)
    assert done.code == 0
    assert_whole(client, done.run_id)
    assert stat.S_IMODE((ann.folder / "state" / "icl-mlflow").stat().st_mode) == 0o700
