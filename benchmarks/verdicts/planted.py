"""Suites whose truth is known: seeds that agree, that start late, that stay stuck.

Every suite has a baseline and variants, all with the same seeds; a variant is the
baseline's own distribution but for what is planted in it.

Shape suffixes: V = variants and the baseline (first), E = seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from icl_mlflow.analysis.ablation.decision import Evidence

#: The excess risk of a model that only guesses, on task A: nats.
PLATEAU = 0.2463


@dataclass(frozen=True, kw_only=True)
class World:
    """How the excess risks of seeds come about.

    A seed is stuck with one probability and late with another; else it is early. Early
    and late risks are log-normal, times what runs of the same seed share.

    Attributes:
        name: for tables.
        stuck: share of runs that never take off.
        late: share of runs that take off late.
        early_risk: median of the others, nats.
        late_risk: median of those that are late, nats.
        spread: of the logarithm, within each kind.
        shared: of the logarithm, common to runs of one seed.
    """

    name: str
    stuck: float = 0.0
    late: float = 0.0
    early_risk: float = 0.01
    late_risk: float = 0.04
    spread: float = 0.15
    shared: float = 0.1


#: Seeds that agree, the mixtures of two kinds, and the hardest: two tight clumps.
WORLDS = (
    World(name="seeds agree"),
    World(name="10 % late", late=0.1),
    World(name="30 % late", late=0.3),
    World(name="10 % stuck", stuck=0.1),
    World(name="30 % stuck", stuck=0.3),
    World(name="30 % late, 30 % stuck", late=0.3, stuck=0.3),
    World(name="50 % late, two tight clumps", late=0.5, late_risk=0.2, spread=0.02),
)


@dataclass(frozen=True, kw_only=True)
class Plant:
    """What is true of a variant, and not of the baseline.

    Attributes:
        shift: added to the risk of every run that takes off, nats.
        stuck: share of runs that never take off; None for the world's own.
    """

    shift: float = 0.0
    stuck: float | None = None


def suite(
    rng: np.random.Generator, world: World, plants: Sequence[Plant], n_seeds: int
) -> list[Evidence]:
    """The evidence on one suite, a variant a plant."""
    risk_VE, took_off_VE = runs(rng, world, len(plants) + 1, n_seeds)
    for index, plant in enumerate(plants, 1):
        risk_VE[index] += plant.shift
        if plant.stuck is not None:
            took_off_VE[index] = rng.random(n_seeds) >= plant.stuck
    both_VE = took_off_VE & took_off_VE[0]
    gap_VE = risk_VE - risk_VE[0]
    return [
        Evidence(
            took_off=int(took_off_VE[index].sum()),
            n_seeds=n_seeds,
            baseline_took_off=int(took_off_VE[0].sum()),
            baseline_seeds=n_seeds,
            gaps=gap_VE[index, both_VE[index]].tolist(),
        )
        for index in range(1, len(plants) + 1)
    ]


def runs(
    rng: np.random.Generator, world: World, n_variants: int, n_seeds: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Excess risk of every run if it takes off, and whether it does: (V, E) each."""
    shape = (n_variants, n_seeds)
    is_late_VE = rng.random(shape) < world.late
    median_VE = np.where(is_late_VE, world.late_risk, world.early_risk)
    shared_E = world.shared * rng.standard_normal(n_seeds)
    risk_VE = median_VE * np.exp(shared_E + world.spread * rng.standard_normal(shape))
    return risk_VE, rng.random(shape) >= world.stuck
