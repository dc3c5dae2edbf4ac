"""The rule of the verdicts on planted truths: `python -m benchmarks.verdicts`."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.verdicts.planted import WORLDS, Plant, World, runs, suite
from icl_mlflow.analysis.ablation.decision import Decision, Kind, decide
from icl_mlflow.statistics import binomial_interval, order_interval, t_interval
from icl_mlflow.tables import markdown

VARIANTS, SEEDS = (1, 4, 12), (2, 3, 5, 10)

_RESULTS = Path(__file__).parents[1] / "results"
_CALLS = {Kind.HURT, Kind.HELPED}


@dataclass(frozen=True, kw_only=True)
class Question:
    """How often does the rule say something, where something is true?

    Attributes:
        name: for tables.
        first: what is planted in the first variant.
        others: what is planted in the others.
        is_said: of the decisions of one suite, the planted variant's first.
        most: how often it may be said; None for a power, the more the better.
    """

    name: str
    first: Plant
    others: Plant
    is_said: Callable[[Sequence[Decision]], bool]
    most: float | None = None


def _any(*kinds: Kind) -> Callable[[Sequence[Decision]], bool]:
    return lambda decisions: any(one.kind in kinds for one in decisions)


def _first(*kinds: Kind) -> Callable[[Sequence[Decision]], bool]:
    return lambda decisions: decisions[0].kind in kinds


_NONE = Plant()
QUESTIONS = (
    Question(
        name="no difference: any hurt or helped",
        first=_NONE,
        others=_NONE,
        is_said=_any(*_CALLS),
        most=0.05,
    ),
    Question(
        name="no difference: any plateau",
        first=_NONE,
        others=_NONE,
        is_said=_any(Kind.PLATEAU),
        most=0.05,
    ),
    Question(
        name="no difference: any hurt, helped or plateau",
        first=_NONE,
        others=_NONE,
        is_said=_any(*_CALLS, Kind.PLATEAU),
        most=0.1,  # two families of tests, each at .05
    ),
    Question(
        name="+.0006 nats in all: any hurt",
        first=Plant(shift=0.0006),
        others=Plant(shift=0.0006),
        is_said=_any(Kind.HURT),
        most=0.05,
    ),
    Question(
        name="+.009 nats in all: any hurt",
        first=Plant(shift=0.009),
        others=Plant(shift=0.009),
        is_said=_any(Kind.HURT),
        most=0.05,
    ),
    Question(
        name="+.01 nats in one: unaffected",
        first=Plant(shift=0.01),
        others=_NONE,
        is_said=_first(Kind.UNAFFECTED),
        most=0.05,
    ),
    Question(
        name="no difference: unaffected",
        first=_NONE,
        others=_NONE,
        is_said=_first(Kind.UNAFFECTED),
    ),
    Question(
        name="+.03 nats in one: hurt",
        first=Plant(shift=0.03),
        others=_NONE,
        is_said=_first(Kind.HURT),
    ),
    Question(
        name="one always stuck: plateau",
        first=Plant(stuck=1.0),
        others=_NONE,
        is_said=_first(Kind.PLATEAU),
    ),
    Question(
        name="one stuck with p = .67: plateau or hurt",
        first=Plant(stuck=0.67),
        others=_NONE,
        is_said=_first(Kind.PLATEAU, Kind.HURT),
    ),
)


def rates(
    rng: np.random.Generator, world: World, n_variants: int, n_seeds: int, n_suites: int
) -> dict[str, float]:
    """How often the rule says what each question asks about."""
    found = dict.fromkeys((question.name for question in QUESTIONS), 0)
    by_plants: dict[tuple[Plant, Plant], list[Question]] = {}
    for question in QUESTIONS:
        by_plants.setdefault((question.first, question.others), []).append(question)
    for (first, others), questions in by_plants.items():
        plants = [first, *[others] * (n_variants - 1)]
        for _ in range(n_suites):
            decisions = decide(suite(rng, world, plants, n_seeds))
            for question in questions:
                found[question.name] += question.is_said(decisions)
    return {name: count / n_suites for name, count in found.items()}


def coverage(
    rng: np.random.Generator, world: World, n_seeds: int, n_groups: int
) -> dict[str, float]:
    """How often intervals of one variant's seeds hold what they are said to hold.

    Of the seeds that took off: `order_interval` and the median, the t interval and the
    mean. Of all seeds: the t interval and the mean, stuck seeds among them, and the
    exact interval and the share that takes off.
    """
    risk_VE, _ = runs(rng, world, 1, 400_000)
    median, mean = float(np.median(risk_VE)), float(risk_VE.mean())
    held: dict[str, list[bool]] = {}
    for _ in range(n_groups):
        risk_VE, took_off_VE = runs(rng, world, 1, n_seeds)
        found = {
            "median: order statistics": (order_interval(risk_VE[0]), median),
            "mean: t interval, before": (t_interval(risk_VE[0]), mean),
            "share: exact": (
                binomial_interval(int(took_off_VE.sum()), n_seeds),
                1 - world.stuck,
            ),
        }
        for name, (interval, truth) in found.items():
            held.setdefault(name, []).append(interval.low <= truth <= interval.high)
    return {name: float(np.mean(each)) for name, each in held.items()}


def rate_tables(n_suites: int, seed: int = 0) -> dict[str, pd.DataFrame]:
    """A table a question: a row for world and number of variants, a column for n."""
    rows: dict[str, list[dict[str, object]]] = {q.name: [] for q in QUESTIONS}
    for index, world in enumerate(WORLDS):
        for n_variants in VARIANTS:
            cells = {}
            for n_seeds in SEEDS:
                rng = np.random.default_rng([seed, index, n_variants, n_seeds])
                cells[n_seeds] = rates(rng, world, n_variants, n_seeds, n_suites)
            for name, found in rows.items():
                row = {f"n = {n}": f"{cells[n][name]:.3f}" for n in SEEDS}
                found.append({"seeds": world.name, "variants": n_variants, **row})
        click.echo(world.name, err=True)
    return {name: pd.DataFrame(found) for name, found in rows.items()}


def coverage_table(n_groups: int, seed: int = 0) -> pd.DataFrame:
    """A row for world and interval, a column for n."""
    rows = []
    for index, world in enumerate(WORLDS):
        cells = {
            n: coverage(np.random.default_rng([seed, index, n]), world, n, n_groups)
            for n in SEEDS
        }
        for name in cells[SEEDS[0]]:
            row = {f"n = {n}": f"{cells[n][name]:.3f}" for n in SEEDS}
            rows.append({"seeds": world.name, "interval": name, **row})
    return pd.DataFrame(rows)


@click.command()
@click.option("--suites", type=click.IntRange(1), default=2_000, show_default=True)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=_RESULTS,
    help="Folder of the Markdown.",
)
def main(suites: int, output: Path) -> None:
    """Simulate suites with planted truths, and write how often the rule is right."""
    tables = rate_tables(suites)
    how = (
        f"`python -m benchmarks.verdicts --suites {suites}`, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {suites:,} suites a cell, so "
        f"a rate of .05 has a standard error of {(0.0475 / suites) ** 0.5:.4f}. What "
        "the words mean: `docs/verdicts.md`; the worlds: "
        "`benchmarks/verdicts/planted.py`."
    )
    parts = ["# The verdicts on planted truths", how]
    for question in QUESTIONS:
        worst = max(
            float(cell)
            for column, cells in tables[question.name].items()
            if str(column).startswith("n =")
            for cell in cells
        )
        goal = (
            "Power: the more the better."
            if question.most is None
            else f"At most {question.most}; the largest is {worst:.3f}."
        )
        parts += [f"## {question.name}", goal, markdown(tables[question.name])]
    what = (
        "How often they hold the truth. Below six seeds the order statistics are the "
        "range, and are shown as the range."
    )
    intervals = markdown(coverage_table(5 * suites))
    parts += ["## Intervals over one variant's seeds", what, intervals]
    output.mkdir(parents=True, exist_ok=True)
    file = output / "verdicts.md"
    file.write_text("\n\n".join(part.strip() for part in parts) + "\n")
    click.echo(f"written: {file}")
