"""Intervals, paired comparisons, multiplicity and power, in numpy and scipy alone."""

from icl_mlflow.statistics.association import (
    pearson_interval,
    slope_interval,
    spearman_interval,
)
from icl_mlflow.statistics.interval import (
    Interval,
    bootstrap_interval,
    normal_interval_paper,
    t_interval,
    wilson_interval,
)
from icl_mlflow.statistics.multiplicity import holm
from icl_mlflow.statistics.paired import (
    Comparison,
    PairedDifference,
    paired_difference,
    paired_t,
)
from icl_mlflow.statistics.power import detectable_difference, power, seeds_needed
from icl_mlflow.statistics.take_off import take_off_epoch

__all__ = [
    "Comparison",
    "Interval",
    "PairedDifference",
    "bootstrap_interval",
    "detectable_difference",
    "holm",
    "normal_interval_paper",
    "paired_difference",
    "paired_t",
    "pearson_interval",
    "power",
    "seeds_needed",
    "slope_interval",
    "spearman_interval",
    "t_interval",
    "take_off_epoch",
    "wilson_interval",
]
