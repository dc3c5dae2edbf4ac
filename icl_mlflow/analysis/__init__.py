"""Analyses: one question a file, each measured, summarised, drawn and answered."""

from typing import TYPE_CHECKING

from icl_mlflow.registry import Registry

if TYPE_CHECKING:
    from icl_mlflow.analysis.base import Analysis

_PERFORMANCE = "icl_mlflow.analysis.performance"
_ROBUSTNESS = "icl_mlflow.analysis.robustness"
_MECHANISM = "icl_mlflow.analysis.mechanism"
_ATTENTION = f"{_MECHANISM}.attention"
_PATCHING = f"{_MECHANISM}.patching"
_PROBING = "icl_mlflow.analysis.probing"

ANALYSES: "Registry[Analysis]" = Registry(
    "analysis",
    {
        "scoreboard": f"{_PERFORMANCE}.scoreboard:SCOREBOARD",
        "calibration": f"{_PERFORMANCE}.calibration:CALIBRATION",
        "llr_regression": f"{_PERFORMANCE}.llr_regression:LLR_REGRESSION",
        "identification": f"{_PERFORMANCE}.identification:IDENTIFICATION",
        "kernel_regression": f"{_MECHANISM}.kernel_regression:KERNEL_REGRESSION",
        "logit_lens": f"{_MECHANISM}.logit_lens:LOGIT_LENS",
        "logit_attribution": f"{_MECHANISM}.logit_attribution:LOGIT_ATTRIBUTION",
        "probes": f"{_PROBING}.probes:PROBES",
        "tuned_lens": f"{_PROBING}.tuned_lens:TUNED_LENS",
        "ov_alignment": f"{_MECHANISM}.ov_alignment:OV_ALIGNMENT",
        "component_ablation": f"{_MECHANISM}.component_ablation:COMPONENT_ABLATION",
        "alignment_vs_impact": f"{_MECHANISM}.alignment_vs_impact:ALIGNMENT_VS_IMPACT",
        "entropy_error": f"{_PERFORMANCE}.entropy_error:ENTROPY_ERROR",
        "risk_decomposition": f"{_PERFORMANCE}.risk_decomposition:RISK_DECOMPOSITION",
        "context_length": f"{_PERFORMANCE}.context_length:CONTEXT_LENGTH",
        "parameter_sweep": f"{_ROBUSTNESS}.parameter_sweep:PARAMETER_SWEEP",
        "named_shifts": f"{_ROBUSTNESS}.named_shifts:NAMED_SHIFTS",
        "label_noise": f"{_ROBUSTNESS}.label_noise:LABEL_NOISE",
        "symmetry": f"{_ROBUSTNESS}.symmetry:SYMMETRY",
        "class_imbalance": f"{_ROBUSTNESS}.class_imbalance:CLASS_IMBALANCE",
        "qk_circuits": f"{_ATTENTION}.qk_circuits:QK_CIRCUITS",
        "attention_by_role": f"{_ATTENTION}.by_role:ATTENTION_BY_ROLE",
        "activation_patching": f"{_PATCHING}.activation:ACTIVATION_PATCHING",
        "attribution_patching": f"{_PATCHING}.attribution:ATTRIBUTION_PATCHING",
        "path_patching": f"{_PATCHING}.path:PATH_PATCHING",
    },
    group="icl_mlflow.analyses",
)
