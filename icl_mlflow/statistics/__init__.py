"""Intervals, paired comparisons, multiplicity and power, in numpy and scipy alone."""

from icl_mlflow.statistics.association import (
    FEWEST_CLUSTERS,
    clustered_spearman,
    pearson_interval,
    slope_interval,
    spearman_interval,
)
from icl_mlflow.statistics.interval import (
    Interval,
    bootstrap_interval,
    mean_interval,
    normal_interval_paper,
    numbers_of_row,
    ratio_interval,
    t_interval,
    wilson_interval,
)
from icl_mlflow.statistics.multiplicity import holm
from icl_mlflow.statistics.order import (
    is_equivalent,
    order_chance,
    order_interval,
)
from icl_mlflow.statistics.paired import (
    Comparison,
    PairedDifference,
    paired_difference,
    paired_t,
)
from icl_mlflow.statistics.power import (
    detectable_difference,
    power,
    seeds_needed,
    seeds_needed_range,
)
from icl_mlflow.statistics.ridge import LeftOut, Ridge
from icl_mlflow.statistics.shares import (
    FisherTest,
    binomial_interval,
    fisher_test,
    seeds_to_tell_shares,
)
from icl_mlflow.statistics.soft_logistic import SoftLogistic, soft_logistic
from icl_mlflow.statistics.take_off import take_off_epoch
from icl_mlflow.statistics.trend import falling_at_end

__all__ = [
    "FEWEST_CLUSTERS",
    "Comparison",
    "FisherTest",
    "Interval",
    "LeftOut",
    "PairedDifference",
    "Ridge",
    "SoftLogistic",
    "binomial_interval",
    "bootstrap_interval",
    "clustered_spearman",
    "detectable_difference",
    "falling_at_end",
    "fisher_test",
    "holm",
    "is_equivalent",
    "mean_interval",
    "normal_interval_paper",
    "numbers_of_row",
    "order_chance",
    "order_interval",
    "paired_difference",
    "paired_t",
    "pearson_interval",
    "power",
    "ratio_interval",
    "seeds_needed",
    "seeds_needed_range",
    "seeds_to_tell_shares",
    "slope_interval",
    "soft_logistic",
    "spearman_interval",
    "t_interval",
    "take_off_epoch",
    "wilson_interval",
]
