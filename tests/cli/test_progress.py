"""Without a terminal a command says how far it is, in lines; with one, by a bar."""

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

from icl_mlflow.tracking.store.connection import Store
from tests.cli.test_train import Icl
from tests.tiny import OPTIONS

LINE = re.compile(
    r"A-baseline-seed\d: epoch (\d) of 2, train loss [\d.]+, val loss [\d.]+, "
    r"excess risk -?[\d.]+ nats, (?:\d epochs to go in all, )?about .* left"
)


def test_every_epoch_is_a_line_on_stderr(store: Store, icl: Icl) -> None:
    del store
    result = icl("train", *OPTIONS)
    assert result.code == 0
    start, *epochs = result.err.splitlines()
    assert re.match(r"A-baseline-seed0: 2 epochs of 4 steps, on \w+, in fp32 \(", start)
    found = [LINE.fullmatch(line) for line in epochs]
    assert [match and match[1] for match in found] == ["1", "2"]
    assert "epoch" not in result.out


def test_so_is_every_epoch_of_every_seed(store: Store, icl: Icl) -> None:
    del store
    result = icl("train", *OPTIONS, "--seeds", "0,1", "--jobs", "2")
    assert result.code == 0
    start, *epochs = result.err.splitlines()
    assert start.startswith("2 seeds: 2 epochs of 4 steps")
    assert all(LINE.fullmatch(line) for line in epochs), epochs
    names = sorted(line.partition(":")[0] for line in epochs)
    assert names == ["A-baseline-seed0"] * 2 + ["A-baseline-seed1"] * 2
    assert "0 epochs to go in all, about 0 s left" in epochs[-1]


def test_the_smallest_preset_says_that_it_is_no_result(store: Store, icl: Icl) -> None:
    del store
    said = "preset smoke tests the installation; this is no result"
    result = icl("train", *OPTIONS)
    assert said in result.out.splitlines()[-1]
    at_length = icl("train", *OPTIONS, "--preset", "paper", "--epochs", "0")
    assert at_length.code == 0
    assert said not in at_length.out


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "icl_mlflow.cli.main", "train", *OPTIONS]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        os.close(theirs)
        said = b""
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    said += os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
    os.close(ours)
    assert process.returncode == 0, said
    assert b"8/8" in said
    assert b"train loss" not in said
