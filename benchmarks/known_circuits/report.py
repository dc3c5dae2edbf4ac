"""Every method on every circuit, as a page: `python -m benchmarks.known_circuits`."""

import datetime
import math
from collections.abc import Mapping
from pathlib import Path

import click
import pandas as pd

from benchmarks.known_circuits.methods import METHODS
from benchmarks.known_circuits.reasons import REASONS
from benchmarks.known_circuits.subjects import subject
from benchmarks.known_circuits.verdicts import VERDICTS
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.tables import markdown

_PAGE = Path(__file__).parents[1] / "results" / "known_circuits.md"
#: Method and circuit to the area under the ROC curve, or to what was said.
Found = Mapping[tuple[str, str], float | str]


def measured(circuits: list[str], episodes: int) -> dict[tuple[str, str], float | str]:
    """Every method on these circuits."""
    found: dict[tuple[str, str], float | str] = {}
    for name in circuits:
        circuit, asked = CIRCUITS[name], subject(name, episodes)
        for method in METHODS:
            found[method.name, name] = method.auroc(asked, circuit)
        for verdict, judged in VERDICTS.items():
            found[verdict, name] = judged(asked, circuit)
    return found


def is_right(value: float | str) -> bool:
    """Whether a method found the truth, or had nothing to tell apart."""
    if isinstance(value, str):
        return value == "right"
    return value == 1 or math.isnan(value)


def page(found: Found, episodes: int) -> str:
    """The table, and what is not right in it with its reason."""
    circuits = list(dict.fromkeys(circuit for _, circuit in found))
    judged = {method.name: method.judges for method in METHODS}
    rows = [
        [name, judged.get(name, "the answer as a whole")]
        + [_cell(found[name, circuit]) for circuit in circuits]
        for name in dict.fromkeys(method for method, _ in found)
    ]
    table = markdown(pd.DataFrame(rows, columns=["method", "judges", *circuits]))
    wrong = [key for key, value in found.items() if not is_right(value)]
    said = [f"- {_why(method, circuit, found)}" for method, circuit in wrong]
    made = (
        f"`python -m benchmarks.known_circuits --episodes {episodes}`, "
        f"{datetime.datetime.now(tz=datetime.UTC).date()}. What each circuit is: "
        "`icl-mlflow compile --list`. Numbers are areas under the ROC curve: 1 "
        "where the method scores everything that the truth has above all else. "
        f"{len(found) - len(wrong)} of {len(found)} cells are right."
    )
    return "\n".join(
        [
            "# Methods on models whose circuit is known",
            "",
            made,
            "",
            table,
            "## What is not right, and why",
            "",
            *said,
            "",
        ]
    )


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return "right" if value == "right" else "wrong"
    return "" if math.isnan(value) else f"{value:.2f}"


def _why(method: str, circuit: str, found: Found) -> str:
    value = found[method, circuit]
    shown = value if isinstance(value, str) else f"{value:.2f}"
    reason = REASONS.get((method, circuit)) or REASONS.get((method, ""), "not known.")
    return f"**{method}** on `{circuit}` ({shown}): {reason}"


@click.command(context_settings={"show_default": True})
@click.option("--episodes", default=2_000, help="Episodes of every circuit.")
@click.option("--circuits", default=",".join(CIRCUITS), help="Which ones.")
def main(episodes: int, circuits: str) -> None:
    """Score every method on models whose circuit is known; writes the page."""
    text = page(measured(circuits.split(","), episodes), episodes)
    _PAGE.write_text(text)
    click.echo(text)
