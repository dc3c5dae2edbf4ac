"""`icl-mlflow ablate` in a shell: the list, the plan, and what it refuses."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.variants import VARIANTS

Icl = Callable[..., Any]


def test_the_list_names_every_variant_with_its_question(icl: Icl) -> None:
    ended = icl("ablate", "--list")
    assert ended.code == 0
    for name in VARIANTS:
        (line,) = [x for x in ended.out.splitlines() if x.split()[0] == name]
        assert line.endswith(VARIANTS[name].question)


def test_a_dry_run_names_the_members_and_does_nothing(
    new_folder: Path, icl: Icl
) -> None:
    ended = icl(
        "ablate", "--preset", "smoke", "--variants", "no_position",
        "--seeds", "4-5", "--dry_run",
    )  # fmt: skip
    assert ended.code == 0
    members = "A-baseline-seed4, A-baseline-seed5, "
    members += "A-no_position-seed4, A-no_position-seed5"
    assert f"members      {members}" in ended.out
    assert list(new_folder.iterdir()) == []


def test_a_dry_run_explains_the_engine_and_what_it_takes(
    new_folder: Path, icl: Icl
) -> None:
    ended = icl(
        "ablate", "--preset", "smoke", "--device", "cpu", "--seeds", "0-1",
        "--variants", "no_position,no_labels", "--engine", "stacked", "--dry_run",
    )  # fmt: skip
    assert ended.code == 0
    lines = dict(x.split(maxsplit=1) for x in ended.out.splitlines()[-9:])
    assert lines["engine"] == "stacked: as asked for"
    assert lines["stacks"] == "of 4 + 2 members"
    assert lines["at"] == "once      2"
    assert re.fullmatch(r"about \d+ MB a stack, beside .*", lines["memory"])
    assert lines["training"].startswith("about ")
    plain = icl("ablate", "--preset", "smoke", "--device", "cpu", "--dry_run")
    assert "engine       processes: stacks pay on CUDA" in plain.out
    assert list(new_folder.iterdir()) == []


def test_a_dry_run_lists_the_cells_of_a_grid(new_folder: Path, icl: Icl) -> None:
    ended = icl(
        "ablate", "--preset", "smoke", "--grid", "dim=4,8", "--grid", "tau=0,3",
        "--seeds", "0,1", "--dry_run",
    )  # fmt: skip
    assert ended.code == 0
    lines = ended.out.splitlines()
    start = lines.index("cells        4:")
    assert [line.strip() for line in lines[start + 1 : start + 5]] == [
        *("dim=4 tau=0", "dim=4 tau=3", "dim=8 tau=0", "dim=8 tau=3")
    ]
    assert "A-baseline-dim4-tau0-seed0, A-baseline-dim4-tau0-seed1" in ended.out
    assert list(new_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "no_lables"], "did you mean no_labels"),
        (["--variants", ""], "unknown variant ''"),
        (["--variants", "no_labels+noisy_labels_0.2"], "no_labels"),
        (["--variants", "no_nuisance", "--task", "B"], "it is for: A"),
        (["--seeds", ""], "seeds must be like 0,1,2 or 0-9"),
        (["--seeds", "3-1"], "run backwards"),
        (["--variant", "no_labels"], "No such option"),
        (["--task", "Z"], "choose one of: A, B"),
        (["--engine", "stack"], "did you mean stacked"),
        (["--ray_address", "auto"], "ray_address is for engine=ray"),
        (["--grid", "dim"], "a grid is like dim=4,8,16"),
        (["--grid", ""], "a grid is like dim=4,8,16"),
        (["--grid", "tua=3"], "did you mean tau"),
        (["--grid", "dim=4,four"], "dim must be a whole number, not 'four'"),
        (["--grid", "dim=4", "--grid", "dim=8"], "dim is an axis twice"),
        (["--grid", "n_heads=4,5"], "cell n_heads=5: n_heads=5 does not divide"),
        (["--grid", "curriculum_share=0.2,0.4"], "are the same training"),
        (["--grid", "tau=0,3", "--variants", "no_nuisance"], "leave tau out"),
    ],
)
def test_bad_input_is_one_line_and_creates_nothing(
    new_folder: Path, icl: Icl, arguments: list[str], message: str
) -> None:
    ended = icl("ablate", *arguments)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert list(new_folder.iterdir()) == []
