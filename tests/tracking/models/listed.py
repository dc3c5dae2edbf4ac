"""Versions as the registry lists them, without a registry."""

import math

from icl_mlflow.tracking.models.versions import RegisteredVersion


def listed(
    version: int, risk: float, test_risk: float = math.nan, problem: str = "standard"
) -> RegisteredVersion:
    """A version of ``icl-A-baseline`` with these risks."""
    return RegisteredVersion(
        name="icl-A-baseline",
        version=version,
        run_id="0a1b2c",
        task="A",
        variant="baseline",
        seed=str(version),
        problem=problem,
        sha256="0a" * 32,
        source="",
        validation_risk=risk,
        test_risk=test_risk,
        test_accuracy=0.75,
        created=0,
        description="",
    )
