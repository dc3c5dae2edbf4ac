"""The cells of a suite: finished members by where they stand, and their ceilings."""

from collections.abc import Mapping, Sequence

import pandas as pd

from icl_mlflow.analysis.ablation import effects, grid
from icl_mlflow.analysis.ablation.ceilings import ceilings
from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.suite.axes import cell_of
from icl_mlflow.suite.grid import BASELINE
from icl_mlflow.suite.request import Request
from icl_mlflow.training.results import MemberResult


def cells_of_suite(
    request: Request,
    members: Sequence[MemberResult],
    listed: Sequence[Mapping[str, object]],
) -> list[effects.CellMembers]:
    """The members that finished, with the ceilings of where they stand.

    Without a grid they all stand together.

    Args:
        request: what was asked for.
        members: those that finished and can be read.
        listed: of every member, where it is.
    """
    identities = {one["run_id"]: one["settings_hash"] for one in listed}
    found = []
    for name, planned in request.cells.items():
        here = {member.identity for member in planned}
        where = cell_of(planned[0], request.axes)
        found.append(
            effects.CellMembers(
                where={grid.CELL: name, **where} if request.axes else {},
                members=[m for m in members if identities[m.run_id] in here],
                ceilings=ceilings(planned[0], request.variants),
            )
        )
    return [cell for cell in found if cell.members]


def ceilings_by_label(cells: Sequence[effects.CellMembers]) -> dict[str, Ceilings]:
    """The ceilings of every variant of every cell, by `grid.labels`."""
    rows = [
        ({"variant": name, **cell.where}, found)
        for cell in cells
        for name, found in cell.ceilings.items()
    ]
    labels = grid.labels(pd.DataFrame([where for where, _ in rows]))
    return dict(zip(labels, [found for _, found in rows], strict=True))


def differences(cells: Sequence[effects.CellMembers]) -> dict[str, float]:
    """Run id to a member's difference from its cell's baseline, nats."""
    found: dict[str, float] = {}
    for cell in cells:
        found |= effects.own_differences(cell.members, cell.ceilings, BASELINE)
    return found


def verdicts(
    cells: Sequence[effects.CellMembers], table: pd.DataFrame
) -> dict[str, str]:
    """Run id to the verdict on a member's variant in its cell."""
    rows = table.to_dict("records")
    known = {(row.get(grid.CELL), row["variant"]): str(row["verdict"]) for row in rows}
    return {
        member.run_id: known[cell.where.get(grid.CELL), member.variant]
        for cell in cells
        for member in cell.members
    }
