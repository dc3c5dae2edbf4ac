"""Settings of trainings and models that take a moment, for every test that needs any.

A test whose numbers depend on other settings declares its own.
"""

from collections.abc import Mapping
from typing import Any

#: A training of a moment, beside the preset ``smoke``.
MOMENT: Mapping[str, int] = {
    "train_episodes": 256,
    "val_episodes": 64,
    "test_episodes": 64,
    "threads": 1,
}

#: The same on a command line, and as parameters of an MLflow project.
OPTIONS = (
    "--preset",
    "smoke",
    *(w for k, v in MOMENT.items() for w in (f"--{k}", f"{v}")),
)
PARAMETERS = ("preset=smoke", *(f"{name}={value}" for name, value in MOMENT.items()))

#: A model that is only built, kept and read.
MODEL: Mapping[str, int] = {"dim": 3, "n_context": 4, "d_model": 8, "n_heads": 2}

#: Sixty steps in which a tiny model learns: well under a second.
TRAINING: Mapping[str, Any] = {
    "dim": 2,
    "n_context": 6,
    "d_model": 16,
    "n_heads": 2,
    "epochs": 3,
    "train_episodes": 640,
    "batch_size": 32,
    "lr": 3e-3,
    "val_episodes": 400,
    "test_episodes": 500,
    "device": "cpu",
    "threads": 1,
}
