"""Work in parallel processes: all of it is accounted for, whatever dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.launch.processes import run_in_processes


def square(number: int, send: Callable[[Any], None]) -> int:
    send(("working on", number))
    return number**2


def die_of_minus_one(number: int, _send: Callable[[Any], None]) -> int:
    if number == -1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == -2:
        raise ValueError("no\nnegative numbers")
    return number


def sleep_until_ended(folder: str, _send: Callable[[Any], None]) -> None:
    """Leave a file that says how the worker ended."""
    Path(folder, "started").touch()
    try:
        time.sleep(60)
    except SystemExit:
        Path(folder, "unwound").touch()
        raise


def test_values_come_in_order_and_messages_with_their_index() -> None:
    heard: list[tuple[int, Any]] = []
    outcomes = run_in_processes(
        [3, 1, 2],
        square,
        n_processes=2,
        on_message=lambda index, message: heard.append((index, message)),
    )
    assert [outcome.value for outcome in outcomes] == [9, 1, 4]
    assert sorted(heard) == [
        (0, ("working on", 3)),
        (1, ("working on", 1)),
        (2, ("working on", 2)),
    ]


def test_a_killed_worker_costs_its_own_piece_alone() -> None:
    pieces = [1, -1, 2, -2, 3]
    outcomes = run_in_processes(pieces, die_of_minus_one, n_processes=1)
    assert [outcome.value for outcome in outcomes] == [1, None, 2, None, 3]
    assert outcomes[1].error == "its process was killed by SIGKILL"
    assert outcomes[3].error == "ValueError: no negative numbers"


def test_nothing_to_do_is_done_at_once() -> None:
    assert run_in_processes([], square, n_processes=2) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_parent_unwinds_the_workers(
    tmp_path: Path, sent: signal.Signals
) -> None:
    code = (
        "import signal, sys\n"
        "from icl_mlflow.launch.processes import run_in_processes\n"
        "from tests.launch.test_processes import sleep_until_ended\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "if __name__ == '__main__':\n"
        f"    run_in_processes([{str(tmp_path)!r}], sleep_until_ended, n_processes=1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(sent)
        process.communicate(timeout=30)
    assert (tmp_path / "unwound").exists()
