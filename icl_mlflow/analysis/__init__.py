"""Analyses: one question a file, each measured, summarised, drawn and answered."""

from typing import TYPE_CHECKING

from icl_mlflow.registry import Registry

if TYPE_CHECKING:
    from icl_mlflow.analysis.base import Analysis

_HERE = "icl_mlflow.analysis"

ANALYSES: "Registry[Analysis]" = Registry(
    "analysis",
    {
        "scoreboard": f"{_HERE}.scoreboard:SCOREBOARD",
        "calibration": f"{_HERE}.calibration:CALIBRATION",
        "llr_regression": f"{_HERE}.llr_regression:LLR_REGRESSION",
        "kernel_regression": f"{_HERE}.kernel_regression:KERNEL_REGRESSION",
        "logit_lens": f"{_HERE}.logit_lens:LOGIT_LENS",
        "ov_alignment": f"{_HERE}.ov_alignment:OV_ALIGNMENT",
        "head_ablation": f"{_HERE}.head_ablation:HEAD_ABLATION",
        "alignment_vs_impact": f"{_HERE}.alignment_vs_impact:ALIGNMENT_VS_IMPACT",
        "entropy_error": f"{_HERE}.entropy_error:ENTROPY_ERROR",
        "risk_decomposition": f"{_HERE}.risk_decomposition:RISK_DECOMPOSITION",
        "context_length": f"{_HERE}.context_length:CONTEXT_LENGTH",
        "parameter_sweep": f"{_HERE}.parameter_sweep:PARAMETER_SWEEP",
        "named_shifts": f"{_HERE}.named_shifts:NAMED_SHIFTS",
        "label_noise": f"{_HERE}.label_noise:LABEL_NOISE",
        "class_imbalance": f"{_HERE}.class_imbalance:CLASS_IMBALANCE",
    },
    group="icl_mlflow.analyses",
)
