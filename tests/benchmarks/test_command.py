"""`python -m benchmarks` prints its tables and writes them to a dated file."""

import datetime
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.machine import this_machine
from benchmarks.speed.loops.notebook import VARIABLE
from benchmarks.speed.loops.reference import plain
from benchmarks.speed.parts import PARTS, measure
from benchmarks.speed.plan import Plan

#: First columns of a part's tables where neither notebook nor Lightning takes part.
ROWS = {
    "training": [
        ["textbook", "ours, fp32", "ours, bf16"],
        ["textbook", "ours, fp32", "ours, bf16"],
        ["textbook", "ours, fp32", "ours, bf16"],
    ],
    "neighbours": [
        [
            f"{count} neighbours, {name}"
            for count in (0, 1, 4, 16)
            for name in ("default", "1 thread", "a thread a core, as torch has them")
        ]
    ],
    "suite": [["textbook", "ours, fp32", "ours, bf16"]],
    "growth": [
        [
            "n_context=8 batch_size=64 d_model=32 n_layers=2",
            "n_context=32",
            "n_context=128",
            "batch_size=16",
            "batch_size=256",
            "d_model=16",
            "d_model=64",
            "n_layers=1",
            "n_layers=4",
        ]
    ],
    "evaluation": [
        ["textbook, drawing included", "ours, as in every epoch", "ours, all included"],
        ["ours"],
    ],
    "sampler": [
        [
            "task A, textbook's loader",
            "task A, ours",
            "task A, random numbers alone",
            "task B, textbook's loader",
            "task B, ours",
            "task B, random numbers alone",
        ]
    ],
    "tracking": [["local sqlite", "HTTP server"], ["local sqlite", "HTTP server"]],
    "analysis": [["what is asked by default", "all questions", "one question"]],
    "commands": [
        [
            "python -c pass",
            "icl-mlflow --help",
            "icl-mlflow train --help",
            "icl-mlflow ablate --list",
            "icl-mlflow sync, nothing to do",
            "icl-mlflow train --dry_run",
            "icl-mlflow reap, nothing to do",
            "icl-mlflow train, a refused login",
            "looking up 48 finished members",
        ]
    ],
}


def test_a_part_is_printed_and_written(tmp_path: Path) -> None:
    options = ["--rounds", "1", "--size", "smoke", "--output", str(tmp_path)]
    done = CliRunner().invoke(main, ["sampler", *options], catch_exceptions=False)
    assert done.exit_code == 0
    (file,) = tmp_path.iterdir()
    today = datetime.datetime.now(tz=datetime.UTC).date()
    assert file.name == f"{today}-{this_machine().slug}-sampler.md"
    text = file.read_text()
    assert f"# Benchmark of {today}" in text
    assert "- command: `python -m benchmarks sampler --rounds 1 --size smoke`" in text
    assert re.search(
        r"- versions: python 3\S+, torch \S+, numpy \S+, mlflow \S+,", text
    )
    assert re.search(r"- load average .*: [\d., ]+ before; [\d., ]+ after\n", text)
    table = text[text.index("## Drawing a batch of 64 episodes") :]
    assert table in done.output
    cells = [
        line.split("|") for line in table.splitlines() if line.startswith("| task")
    ]
    assert [row[1].strip() for row in cells] == ROWS["sampler"][0]
    for row in cells:
        low, high = map(float, row[3].split("to"))
        assert 0 < low <= float(row[2]) <= high


def test_an_unknown_part_is_answered_with_those_that_exist() -> None:
    done = CliRunner().invoke(main, ["speed"])
    assert done.exit_code == 2
    assert all(part in done.output for part in PARTS)


def test_the_notebook_takes_part_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert plain(Plan(size="paper")).name == "textbook"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "baseline.py"))
    assert plain(Plan(size="paper")).name == "notebook"
    assert plain(Plan(size="smoke")).name == "textbook"
    done = CliRunner().invoke(main, ["sampler"])  # by the variable, as by the option
    assert done.exit_code == 2
    assert "baseline.py' does not exist" in " ".join(done.output.split())


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_its_rows(part: str) -> None:
    tables = measure(part, Plan(size="smoke", rounds=1))
    found = [
        [row[0] for row in table.rows if row[0] != "Lightning"] for table in tables
    ]
    assert found == ROWS[part]
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.markdown()
