"""What the site takes from the code is all there: options, choices, names."""

import re
from pathlib import Path

import click
import pytest

import icl_mlflow as icl
from docs.generated import GENERATED, on_page_markdown
from icl_mlflow.cli.main import COMMANDS, cli
from icl_mlflow.tracking.store.connection import Store
from tests.conftest import TrainedRuns

ROOT = Path(__file__).parents[2]
#: Names that stand on the page of names as patterns.
PATTERNS = (r".*/(low|high)", r"mlflow\..*")


def test_every_option_of_every_command_is_listed_with_its_default() -> None:
    told = GENERATED["commands"]()
    context = click.Context(cli)
    for name in COMMANDS:
        section = told.partition(f"## {name}\n")[2].partition("\n## ")[0]
        command = cli.get_command(context, name)
        assert command is not None
        options = [p for p in command.params if isinstance(p, click.Option)]
        assert all(f"| `{o.opts[0]}` |" in section for o in options), name
    assert "| `--lr` | float | `0.0003` |" in told


@pytest.mark.parametrize("kind", ["tasks", "variants", "estimators", "analyses"])
def test_every_choice_is_listed(kind: str) -> None:
    told = GENERATED[kind]()
    assert all(f"| `{name}` |" in told for name in getattr(icl, kind.upper()))


def test_every_mark_of_a_page_can_be_filled_in() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        filled = on_page_markdown(page.read_text())
        assert "<!-- generated" not in filled
        assert "](../benchmarks" not in filled or page.parent != ROOT / "docs"


def test_every_metric_and_tag_of_a_training_is_on_the_page_of_names(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    page = (ROOT / "docs" / "reference" / "names.md").read_text()
    known = set(re.findall(r"`([^`]+)`", page))
    run = trained_store.client.get_run(trained_runs.task_b)
    names = [*run.data.metrics, *run.data.tags]
    fresh = [n for n in names if not any(re.fullmatch(p, n) for p in PATTERNS)]
    assert "test/excess_risk" in fresh
    assert set(fresh) <= known
