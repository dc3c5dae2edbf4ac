"""The section "More tasks" is made of what was trained, and of exact answers."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.more_tasks import BEGIN, END, TASKS, Made, draw, main, section, write
from benchmarks.more_tasks import settings as settings_of
from icl_mlflow.evaluation import bayes_accuracy, evaluation_set
from icl_mlflow.tasks import TASKS as EVERY

REFERENCES = {
    name: (EVERY[name], evaluation_set(EVERY[name], EVERY[name].sample(200, 8)))
    for name in TASKS
}


def made(task: str, seed: int, risk: float) -> Made:
    return Made(
        task=task, seed=seed, identity=settings_of(task, seed).identity, accuracy=0.75,
        excess_risk=risk, curve="0.3 0.2 0.1", seconds=1.0, processor="some processor",
    )  # fmt: skip


def test_every_task_has_a_row_with_its_exact_figures_and_all_seeds() -> None:
    text = section([made("C", 1, 0.02), made("C", 0, 0.01)], REFERENCES)
    rows = {
        line[2]: [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line[:3] in {f"| {task}" for task in TASKS}
    }
    assert set(rows) == set(TASKS)
    assert rows["C"][1] == ".848095"
    assert rows["D"][1] == ".752806"
    expected = bayes_accuracy(REFERENCES["E"][1].bayes_B)
    assert float(rows["E"][2]) == pytest.approx(expected, abs=5e-5)
    assert rows["C"][-2:] == [".7500 .7500", ".0100 .0200"]
    assert rows["F"][-1] == "-"
    assert "some processor" in text
    assert "more_tasks.png" in text
    assert "more_tasks.png" not in section([], REFERENCES)


def test_the_section_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(f"# Results\n\n{BEGIN}\nold\n{END}\n\n## Rest\n")
    for _ in range(2):
        write(page, section([made("C", 0, 0.01)], REFERENCES))
    text = page.read_text()
    assert text.startswith("# Results\n\n")
    assert text.endswith(f"{END}\n\n## Rest\n")
    assert text.count(BEGIN) == text.count("## More tasks") == 1
    assert "old" not in text


def test_the_page_has_a_place_for_it() -> None:
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1


def test_every_seed_has_its_curve() -> None:
    drawn = draw([made("C", 0, 0.1), made("C", 1, 0.1), made("E", 0, 0.1)])
    assert [len(axes.lines) for axes in drawn.axes if axes.lines] == [2, 1]


def test_another_task_is_answered_with_those_that_it_is_about() -> None:
    found = CliRunner().invoke(main, ["--tasks", "C,A"])
    assert found.exit_code == 2
    assert "no task 'A' here; choose of: C, D, E, F" in found.output
