"""Tables of diagrams whose truth is planted: by formula, not by training."""

import numpy as np
import pandas as pd

from icl_mlflow.analysis.diversity.measure import INSIDE, OUTSIDE, table_of

POOLS = (4, 16, 64, 256, 1024)
STEPS = (40, 80, 160, 320, 640, 1280, 2560)


def planted(
    *, half: float = 64.0, transient: bool = True, noise: float = 0.0
) -> pd.DataFrame:
    """Models that memorise pools below ``half`` at the end, sooner the smaller.

    Args:
        half: the pool whose models end with a share of one half; 0 for none.
        transient: the risk out of the pool falls first, then rises with the share.
        noise: standard deviation of every share.
    """
    rng = np.random.default_rng(0)
    rows = []
    for pool in POOLS:
        for seed in range(3):
            for step in STEPS:
                answers = 256 * step
                odds = 3 * (answers / (256 * STEPS[-1])) ** 0.5
                odds -= 3 * (pool / half) ** 0.6 if half else 9
                share = 1 / (1 + np.exp(-odds)) + noise * rng.normal()
                share = float(np.clip(share, 0, 1))
                early = 0.4 * np.exp(-step / 100)
                risk = early + (share if transient else 0.0) * 0.5
                where = {"pool": pool, "seed": seed, "epoch": 0, "step": step}
                where |= {"answers": answers, "to_pool": 1 - share, "apart": 1.0}
                where |= {"to_prior": share, "relative": 2 * share - 1}
                where |= {"share": share, "share_low": share, "share_high": share}
                where |= {"learned": True}
                own = {"excess_risk": early, "other_risk": 0.2}
                rows.append({**where, "where": INSIDE, **own})
                other = {"excess_risk": risk + 0.01 * seed, "other_risk": 1.5}
                rows.append({**where, "where": OUTSIDE, **other})
    return table_of(rows)
