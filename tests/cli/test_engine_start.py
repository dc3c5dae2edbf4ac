"""An engine that does not start is one line; Ray's own variable says where to go."""

import errno
import importlib.util
import os
import socket
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from typing import Any

import pytest

from icl_mlflow.tracking.store.connection import Store
from tests.tiny import OPTIONS

Icl = Callable[..., Any]

COMMANDS = (
    ["train", *OPTIONS, "--seeds", "0,1"],
    ["ablate", *OPTIONS, "--variants", "baseline", "--seeds", "0,1"],
)

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra ray"
)


def statuses(store: Store) -> list[str]:
    experiments = [e.experiment_id for e in store.client.search_experiments()]
    return [run.info.status for run in store.client.search_runs(experiments)]


@needs_ray
@pytest.mark.parametrize("command", COMMANDS)
def test_a_cluster_that_ray_address_names_in_vain_is_a_line_and_no_run(
    store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    result = icl(*command, "--engine", "ray")
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("Error: no Ray cluster answers at 127.0.0.1:9; ")
    assert "unset RAY_ADDRESS" in line
    assert statuses(store) == []


@needs_ray
def test_a_dry_run_names_the_cluster_that_ray_address_names(
    new_folder: object, icl: Icl, monkeypatch: pytest.MonkeyPatch
) -> None:
    del new_folder
    with socket.create_server(("127.0.0.1", 0)) as cluster:
        address = f"127.0.0.1:{cluster.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        result = icl(*COMMANDS[0], "--engine", "ray", "--dry_run")
        assert f"on the cluster at {address}" in result.out
        monkeypatch.setenv("RAY_ADDRESS", "local")
        result = icl(*COMMANDS[0], "--engine", "ray", "--dry_run")
        assert "on a cluster on this machine" in result.out
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
        options = ["--ray_address", address, "--dry_run"]
        asked = icl(*COMMANDS[0], "--engine", "ray", *options)
        assert f"on the cluster at {address}" in asked.out  # what is given wins


@needs_ray
@pytest.mark.parametrize("command", COMMANDS)
def test_ray_that_does_not_start_is_a_line(
    store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", "/proc/nowhere")
    result = icl(*command, "--engine", "ray")
    assert result.code == 1
    assert "Traceback" not in result.err
    assert "Error: Ray on this machine does not start: " in result.err
    assert "/proc/nowhere" in result.err
    assert statuses(store) == ["FAILED"]


@pytest.mark.parametrize("command", COMMANDS)
def test_processes_that_the_system_does_not_start_are_a_line(
    store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    def refuse(_process: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(SpawnProcess, "start", refuse)
    result = icl(*command, "--engine", "processes")
    assert result.code == 1
    assert "Error: no process can be started: [Errno 11]" in result.err
    assert statuses(store) == ["FAILED"]
