"""A sign of life tells one process from every other, and a live one from a dead one."""

import datetime
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from icl_mlflow.tracking.local.liveness import heartbeat, parse

MINUTE = datetime.timedelta(minutes=1)


def test_a_sign_of_life_is_read_as_it_was_given() -> None:
    beat = heartbeat()
    assert parse(beat.text) == beat
    assert beat.pid == os.getpid()
    assert beat.age() < MINUTE


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": "7"},
        {"pid": True},
        {"host": None},
        {"time": "yesterday"},
        {"time": "2026-01-01T00:00:00"},  # in which time zone?
        {"unheard_of": 1},
    ],
)
def test_what_was_not_written_here_is_no_sign(changes: dict[str, object]) -> None:
    assert parse(json.dumps(asdict(heartbeat()) | changes)) is None


@pytest.mark.parametrize("text", ["", "still here", "[]", "{}", '{"pid": 1, "pid": 2}'])
def test_other_text_is_no_sign(text: str) -> None:
    assert parse(text) is None


def test_a_process_of_this_machine_is_dead_when_it_is_however_long_it_is_silent() -> (
    None
):
    long_ago = replace(heartbeat(), time="2000-01-01T00:00:00+00:00")
    assert not long_ago.is_dead(MINUTE)
    program = "from icl_mlflow.tracking.local.liveness import heartbeat;"
    said = subprocess.run(
        [sys.executable, "-c", f"{program} print(heartbeat().text)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ended = parse(said)
    assert ended is not None
    assert ended.is_here
    assert ended.is_dead(datetime.timedelta.max)


def test_a_number_that_was_given_again_is_another_process() -> None:
    beat = heartbeat()
    earlier = replace(beat, started=f"{beat.started}1")
    assert earlier.is_dead(datetime.timedelta.max)
    assert earlier.process != beat.process


@pytest.mark.parametrize("changes", [{"machine": "elsewhere"}, {"host": "kermit"}])
def test_elsewhere_silence_is_death(changes: dict[str, str]) -> None:
    now = datetime.datetime.now(datetime.UTC)
    then = (now - 2 * MINUTE).isoformat(timespec="seconds")
    beat = replace(heartbeat(), time=then, **changes)
    assert not beat.is_here
    assert beat.is_dead(MINUTE)
    assert not beat.is_dead(3 * MINUTE)
