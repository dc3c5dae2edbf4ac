"""A row enters the list of records by the command alone, where it is earned."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import records
from benchmarks.frontier.log import add_line
from benchmarks.records import (
    TARGETS,
    Finished,
    add_row,
    known,
    reaches,
    row,
    train,
)


def finished(*nats: float) -> list[Finished]:
    return [
        Finished(
            task="A",
            recipe="--lr 1",
            commit="abc1234",
            processor="some processor",
            seed=seed,
            nats=value,
            wall=20.0 + seed,
            cpu=30.0,
            episodes=40_000,
            load="0.5, 0.5, 0.5",
        )
        for seed, value in enumerate(nats)
    ]


@pytest.mark.parametrize(
    ("nats", "is_reached"),
    [
        ((0.010, 0.011, 0.0128, 0.02, 0.09), True),
        ((0.010, 0.011, 0.0129, 0.02, 0.09), False),
        ((0.001, 0.001, 0.001, 0.001), False),  # too few seeds
    ],
)
def test_the_median_of_five_seeds_decides(
    nats: tuple[float, ...], is_reached: bool
) -> None:
    assert reaches(finished(*nats), TARGETS["published"]["A"]) == is_reached


def test_a_row_says_what_was_reached_how_soon_and_by_what(tmp_path: Path) -> None:
    file = tmp_path / "records.md"
    found = finished(0.010, 0.011, 0.0120, 0.02, 0.09)
    for target in ("published", "0.0005"):
        add_row(file, row(found, target))
    lines = file.read_text().splitlines()
    head, rule, first, second = lines[-4:]
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    values = [cell.strip() for cell in first.strip("|").split("|")]
    told = dict(zip(columns, values, strict=True))
    assert rule == "|" + "---|" * len(columns)
    assert told["target"] == "A published (0.0128 nats)"
    assert told["nats, median"] == "0.0120"
    assert told["range"] == "0.0100 to 0.0900"
    assert (told["seconds, wall"], told["CPU"]) == ("22.0", "30.0")
    assert (told["episodes"], told["seeds"]) == ("40 000", "5")
    assert (told["recipe"], told["commit"]) == ("`--lr 1`", "abc1234")
    assert second.startswith("|")


def test_four_seeds_are_no_record(tmp_path: Path) -> None:
    options = ["--task", "A", "--seeds", "0-3", "--output", str(tmp_path / "list.md")]
    done = CliRunner().invoke(records.main, options)
    assert done.exit_code == 2
    assert "at least 5 seeds" in done.output
    assert not (tmp_path / "list.md").exists()


def test_what_is_trained_is_found_again_by_its_commit_and_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_processor", lambda: "some processor")
    file = tmp_path / "records.csv"
    found = finished(0.01, 0.02)
    for one in found:
        add_line(file, one)
    again = known(file, task="A", recipe="--lr 1", commit="abc1234")
    assert list(again.values()) == found
    assert not known(file, task="A", recipe="--lr 1", commit="another")
    assert not known(file, task="B", recipe="--lr 1", commit="abc1234")


@pytest.mark.slow
def test_the_whole_command_is_timed_and_judged_by_its_test_set() -> None:
    one = train("A", "--preset smoke", "abc1234", seed=3)
    assert (one.seed, one.commit) == (3, "abc1234")
    assert one.episodes == 2 * 1_280
    assert 0 < one.nats < 1
    assert one.wall > 1
    assert one.cpu > 1
