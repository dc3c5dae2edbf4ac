"""Effects as planted: on one half of the pairs, and on the other."""

from collections.abc import Sequence

import pandas as pd


def halves(
    rows: Sequence[tuple[str, str, str, float, float]], columns: Sequence[str]
) -> pd.DataFrame:
    """Effects on a label flip; the second half is what is told, within .05.

    Args:
        rows: three names and the effect on either half.
        columns: of the names.
    """
    names = [*columns, "first_half", "second_half"]
    frame = pd.DataFrame(rows, columns=names).assign(pair="label flip")
    frame["effect"] = frame["share"] = frame["second_half"]
    for name in ("effect", "share", "second_half"):
        frame[f"{name}_low"] = frame[name] - 0.05
        frame[f"{name}_high"] = frame[name] + 0.05
    return frame
