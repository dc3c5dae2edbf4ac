"""Work in parallel processes: all of it is accounted for, whatever dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.suite.engines.process_pool import run_in_processes, usable_cores


def square(number: int, send: Callable[[Any], None]) -> int:
    send(("working on", number))
    return number**2


def die_of_minus_one(number: int, _send: Callable[[Any], None]) -> int:
    if number == -1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == -2:
        raise ValueError("no\nnegative numbers")
    return number


def answer_and_die(number: int, send: Callable[[Any], None]) -> int:
    """Zero answers, and its process is killed before it can be given another piece."""
    if number == 0:
        killer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGKILL))
        killer.daemon = True
        killer.start()
        send(os.getpid())
    return number


def answer_at_length_and_die(number: int, send: Callable[[Any], None]) -> bytes:
    """Zero is killed in the middle of an answer that no pipe can hold."""
    answer_and_die(number, send)
    return bytes(50_000_000 if number == 0 else 1)


def until_it_is_dead(_index: int, process_id: int) -> None:
    """Let the parent hear nothing more before a worker has died."""
    os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)


def answer_what_cannot_be_sent(number: int, _send: Callable[[Any], None]) -> Any:
    return threading.Lock() if number == 0 else number


@dataclass(frozen=True)
class Deadly:
    """A piece that kills the first few workers which receive it."""

    folder: str
    victims: int

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        killed = len(list(Path(self.folder).iterdir()))
        if killed < self.victims:
            Path(self.folder, str(killed)).touch()
            os.kill(os.getpid(), signal.SIGKILL)


def victims_of(piece: Deadly, _send: Callable[[Any], None]) -> int:
    return piece.victims


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


def test_a_worker_that_dies_after_its_answer_costs_nothing() -> None:
    outcomes = run_in_processes(
        [0, 1, 2], answer_and_die, n_processes=1, on_message=until_it_is_dead
    )
    assert [outcome.value for outcome in outcomes] == [0, 1, 2]


def test_an_answer_that_is_cut_off_costs_its_own_piece_alone() -> None:
    heard: list[int] = []
    outcomes = run_in_processes(
        [0, 1, 2],
        answer_at_length_and_die,
        n_processes=1,
        on_message=until_it_is_dead,
        on_outcome=lambda index, _outcome: heard.append(index),
    )
    assert [outcome.value for outcome in outcomes] == [None, b"\0", b"\0"]
    assert outcomes[0].error == "its process was killed by SIGKILL"
    assert heard == [0, 1, 2]


def test_an_answer_that_cannot_be_sent_costs_its_own_piece_alone() -> None:
    outcomes = run_in_processes([0, 1], answer_what_cannot_be_sent, n_processes=1)
    assert outcomes[0].error == "TypeError: cannot pickle '_thread.lock' object"
    assert outcomes[1].value == 1


@pytest.mark.parametrize(("victims", "value"), [(1, 1), (2, None)])
def test_a_piece_that_was_not_begun_with_is_given_out_once_more(
    tmp_path: Path, victims: int, value: int | None
) -> None:
    pieces = [Deadly(str(tmp_path), victims), Deadly(str(tmp_path), 0)]
    outcomes = run_in_processes(pieces, victims_of, n_processes=1)
    assert [outcome.value for outcome in outcomes] == [value, 0]
    assert len(list(tmp_path.iterdir())) == victims


def test_no_more_cores_are_used_than_this_process_may_use() -> None:
    code = (
        "import os; from icl_mlflow.suite.engines.process_pool import usable_cores\n"
        "print(usable_cores())\n"
        "os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n"
        "print(usable_cores())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(usable_cores()), "1"]


def test_ctrl_c_while_workers_import_ends_them_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import multiprocessing, pathlib, time\n"
        "if multiprocessing.current_process().name != 'MainProcess':\n"
        f"    pathlib.Path({str(tmp_path)!r}, 'importing').touch()\n"
        "    time.sleep(30)\n"
        "def work(piece, send): return piece\n"
    )
    (tmp_path / "script.py").write_text(
        "import sys\n"
        "from icl_mlflow.suite.engines.process_pool import run_in_processes\n"
        "from slow_to_import import work\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        run_in_processes([1, 2], work, n_processes=2)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        wait_for(tmp_path / "importing")
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, b"")


def test_workers_import_side_by_side_however_large_their_pieces(
    tmp_path: Path,
) -> None:
    (tmp_path / "meeting.py").write_text(
        "import multiprocessing, os, pathlib, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "if multiprocessing.current_process().name != 'MainProcess':\n"
        "    (here / f'{os.getpid()}.worker').touch()\n"
        "    deadline = time.monotonic() + 10\n"
        "    while len(list(here.glob('*.worker'))) < 2:\n"
        "        assert time.monotonic() < deadline, 'alone'\n"
        "        time.sleep(0.05)\n"
        "def work(piece, send): return len(piece)\n"
    )
    (tmp_path / "script.py").write_text(
        "from icl_mlflow.suite.engines.process_pool import run_in_processes\n"
        "from meeting import work\n"
        "if __name__ == '__main__':\n"
        "    pieces = [bytes(5_000_000), bytes(5_000_000)]\n"
        "    outcomes = run_in_processes(pieces, work, n_processes=2)\n"
        "    print([outcome.value for outcome in outcomes])\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[5000000, 5000000]\n", "")


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_nothing_to_do_is_done_at_once() -> None:
    assert run_in_processes([], square, n_processes=2) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_parent_unwinds_the_workers(
    tmp_path: Path, sent: signal.Signals
) -> None:
    code = (
        "import signal, sys\n"
        "from icl_mlflow.suite.engines.process_pool import run_in_processes\n"
        "from tests.suite.engines.test_process_pool import sleep_until_ended\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "if __name__ == '__main__':\n"
        f"    run_in_processes([{str(tmp_path)!r}], sleep_until_ended, n_processes=1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
    ) as process:
        wait_for(tmp_path / "started")
        process.send_signal(sent)
        process.communicate(timeout=30)
    assert (tmp_path / "unwound").exists()
