"""The page of a diagram in Markdown: the claims, and where every pool ended."""

import pandas as pd

from icl_mlflow.analysis.diversity.claims import Claim, last_rows
from icl_mlflow.analysis.diversity.measure import INSIDE, OUTSIDE
from icl_mlflow.statistics import order_interval
from icl_mlflow.tables import markdown

_ABOUT = (
    "At the last checkpoint; the mean over seeds, in brackets their interval. The "
    "share is 1 for exact Bayes under the pool and 0 for exact Bayes under the prior; "
    "risks in nats, over Bayes that knows where episodes come from."
)


def page(table: pd.DataFrame, found: list[Claim], command: str, what: str) -> str:
    """The section that a results page has of a diagram.

    Args:
        table: of `icl_mlflow.analysis.diversity.measure.table_of`.
        found: of `icl_mlflow.analysis.diversity.claims.claims`.
        command: that made it.
        what: was trained, in a sentence.
    """
    verdicts = pd.DataFrame(
        [
            {
                "arXiv": claim.paper,
                "claim": claim.statement,
                "verdict": claim.verdict,
                "found": claim.found,
            }
            for claim in found
        ]
    )
    return "\n\n".join(
        [
            "## Memorise or generalise? Pools of few and of many tasks",
            f"```sh\n{command}\n```",
            what,
            "![The memorising share by steps and pool](phase_diagram.png)",
            markdown(verdicts).rstrip(),
            _ABOUT,
            markdown(ends(table)).rstrip(),
            "![Share and risk along training](trajectories.png)\n",
        ]
    )


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """One row a pool: its last checkpoint, for readers."""
    inside, outside = (last_rows(table, where) for where in (INSIDE, OUTSIDE))
    rows = []
    for pool, own in inside.groupby("pool"):
        other = outside[outside["pool"] == pool]
        rows.append(
            {
                "tasks in the pool": f"{pool:,}",
                "share, in the pool": _shown(own["share"]),
                "share, out of it": _shown(other["share"]),
                "risk, in the pool": _shown(own["excess_risk"]),
                "risk, out of it": _shown(other["excess_risk"]),
                "Bayes under the pool, out of it": f"{other['other_risk'].mean():.3f}",
            }
        )
    return pd.DataFrame(rows)


def _shown(values: pd.Series) -> str:
    if values.isna().any():
        return "undefined"
    found = order_interval(values.to_numpy())
    if found.n == 1:
        return f"{found.mean:.3f}"
    return f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"
