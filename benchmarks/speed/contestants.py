"""Who takes part on this machine, and who would be measured elsewhere only?"""

import importlib.util
from collections.abc import Mapping

from icl_mlflow.training.compute.precision import has_bf16_products


def precisions() -> tuple[str, ...]:
    """Of our steps; bf16 where the processor multiplies it, or a step takes minutes."""
    return ("fp32", "bf16") if has_bf16_products() else ("fp32",)


def ours() -> Mapping[str, str]:
    """Our contestants by the name in the tables, each with its precision."""
    return {f"ours, {precision}": precision for precision in precisions()}


def has_lightning() -> bool:
    """Whether Lightning is installed."""
    return importlib.util.find_spec("lightning") is not None


def skipped() -> list[str]:
    """Contestants that do not take part here, each with the reason."""
    found = []
    if not has_bf16_products():
        found.append("ours, bf16 (no instructions for bfloat16)")
    if not has_lightning():
        found.append("Lightning (not installed)")
    return found
