"""The frontier's plan, its record, and the page made of it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.frontier import __main__ as frontier
from benchmarks.frontier.alternatives import PUBLISHED
from benchmarks.frontier.log import Made, add, is_current, read
from benchmarks.frontier.recipes import COMPARED, RECIPES, Trial, trials
from benchmarks.frontier.report import draw, draw_compared, write_report
from icl_mlflow.tasks import TASKS


def made(trial: Trial, excess_risk: float) -> Made:
    return Made(
        **vars(trial),
        identity=trial.settings().identity,
        episodes=1,
        seconds=2.5,
        excess_risk=excess_risk,
        processor="some processor",
    )


def test_every_recipe_is_tried_on_every_task_where_it_is_another() -> None:
    planned = list(trials((0, 1), (50_000, 25_000), tuple(RECIPES)))
    assert len(planned) == len(set(planned))
    trainings = [
        (trial.settings().identity, RECIPES[trial.recipe].alternative)
        for trial in planned
    ]
    assert len(trainings) == len(set(trainings))
    for task in PUBLISHED:
        mine = [trial for trial in planned if trial.task == task]
        tried = {trial.recipe for trial in mine if trial.budget == 50_000}
        assert {"one query", "paper", "sampled labels", "pre-norm"} <= tried
        assert ("no curriculum" in tried) == bool(TASKS[task].curricula)
        shorter = [trial for trial in mine if trial.budget == 25_000]
        assert [(t.recipe, t.seed) for t in shorter] == [
            ("one query", 0),
            ("one query", 1),
        ]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_trial_draws_its_budget_and_is_judged_like_all_others(recipe: str) -> None:
    settings = Trial(recipe, "A", 3, 100_000).settings()
    paper = Trial("paper", "A", 3, 100_000).settings()
    drawn = settings.total_steps * settings.batch_size
    assert 0.99 * 100_000 < drawn <= 100_000
    for name in ("seed", "eval_seed", "test_episodes", "val_episodes", "epochs"):
        assert getattr(settings, name) == getattr(paper, name)


def test_what_is_made_is_kept_and_drawn(tmp_path: Path) -> None:
    file = tmp_path / "frontier.csv"
    kept = [
        made(trial, 0.5 / (index + 1))
        for index, trial in enumerate(trials((0, 1), (25_000, 50_000), RECIPES))
    ]
    for one in kept:
        add(file, one)
    assert read(file) == kept
    options = ["--report_only", "--output", str(tmp_path)]
    done = CliRunner().invoke(frontier.main, options, catch_exceptions=False)
    assert done.exit_code == 0
    assert read(file) == kept
    page = (tmp_path / "frontier.md").read_text()
    for task in PUBLISHED:
        assert f"## Task {task}" in page
        assert f"{PUBLISHED[task]} nats" in page
    assert (tmp_path / "frontier.png").stat().st_size > 10_000


def test_the_table_counts_seeds_and_takes_medians(tmp_path: Path) -> None:
    trial = Trial("efficient", "A", 0, 100_000)
    file = tmp_path / "frontier.csv"
    for seed, nats in enumerate((0.02, 0.01, 0.0128)):
        add(file, made(replace(trial, seed=seed), nats))
    options = ["--report_only", "--output", str(tmp_path)]
    CliRunner().invoke(frontier.main, options, catch_exceptions=False)
    (row,) = (
        line
        for line in (tmp_path / "frontier.md").read_text().splitlines()
        if line.startswith("| efficient")
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "efficient",
        "100 000",
        "0.0128",
        "0.0100 to 0.0200",
        "2 of 3",
        "2",
    ]


def test_each_line_is_told_apart_by_colour_and_mark() -> None:
    frame = pd.DataFrame(
        made(Trial(recipe, "A", 0, budget), 0.01)
        for recipe in RECIPES
        for budget in (25_000, 100_000)
    )
    axes = draw(frame).axes[0]
    looks = [(line.get_color(), line.get_marker()) for line in axes.lines]
    own = [look for look in looks if look[1] not in {"None", "*"}]
    assert len(own) == len(set(own)) == len(RECIPES)
    assert axes.get_xlabel() == "training episodes"
    assert axes.get_ylabel() == "excess risk (nats)"


def test_every_recipe_has_a_row_with_its_seeds_and_their_median() -> None:
    nats = {0: 0.01, 1: 0.02, 2: 0.09}
    frame = pd.DataFrame(
        made(Trial(recipe, "A", seed, COMPARED), value)
        for recipe in RECIPES
        for seed, value in nats.items()
    )
    (axes,) = draw_compared(frame).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(RECIPES)
    seeds, median, *_ = axes.lines
    assert list(seeds.get_xdata()) == list(nats.values())
    assert list(median.get_xdata()) == [0.02]
    assert "nats" in axes.get_xlabel()


def test_what_a_recipe_no_longer_is_is_trained_again() -> None:
    kept = made(Trial("efficient", "A", 0, COMPARED), 0.02)
    assert is_current(kept)
    assert not is_current(replace(kept, identity="of other settings"))
    assert not is_current(replace(kept, recipe="given up"))


def test_seconds_of_several_processors_are_not_mixed(tmp_path: Path) -> None:
    one = made(Trial("efficient", "A", 0, COMPARED), 0.02)
    rows = [
        replace(one, seconds=10.0),
        replace(one, seconds=11.0, seed=1),
        replace(one, seconds=12.0, seed=3),
        replace(one, seconds=90.0, seed=2, processor="another"),
        replace(one, budget=100_000, processor="another"),
    ]
    list(write_report(rows, tmp_path))
    lines = (tmp_path / "frontier.md").read_text().splitlines()
    cells = [line.strip("| ").split("|") for line in lines if "| efficient" in line]
    assert [cell[-1].strip() for cell in cells] == ["11", "-"]
