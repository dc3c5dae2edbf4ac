"""Settings of a diagram: its pools and seeds, and what its presets are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from icl_mlflow.settings import check, setting
from icl_mlflow.suite.grid import parse_seeds
from icl_mlflow.training.settings import DOUBLING, PRESETS, TrainSettings

#: Several sizes, as a sequence or as text.
Pools = str | Iterable[int]

USUAL_PRESET = "efficient"
USUAL_POOLS = "4,8,16,32,64,128,256,512,1024,2048,4096,8192,16384"

#: Enough to choose an epoch by, of which there are many.
_JUDGED_ON = {"val_episodes": 1_000, "test_episodes": 2_000}
#: What differs from the presets of that name: short epochs, so that checkpoints that
#: double reach from the first steps to the last.
_EPOCHS: Mapping[str, Mapping[str, Any]] = {
    "paper": {"epochs": 256, "train_episodes": 4_096},
    "efficient": {"epochs": 64, "train_episodes": 640, **_JUDGED_ON},
    "smoke": {"epochs": 4, "train_episodes": 640},
}
#: What the settings of a diagram are where no option is given, by preset.
DIAGRAM_PRESETS: Mapping[str, Mapping[str, Any]] = {
    name: {**PRESETS[name], **_EPOCHS[name], "keep_checkpoints": DOUBLING}
    for name in PRESETS
}


@dataclass(frozen=True, kw_only=True)
class DiagramSettings:
    """The pools and seeds of `diagram`, and what is asked of every checkpoint."""

    preset: str = setting(
        USUAL_PRESET, "Named defaults; any option given wins.", choices=lambda: PRESETS
    )
    pools: str = setting(
        USUAL_POOLS, "Sizes of the pool, such as 4,64,1024.", group="Diagram"
    )
    seeds: str = setting("0,1,2", "Seeds of every pool, such as 0,1,2 or 0-9.")
    episodes: int = setting(
        1_000,
        "Episodes in the pool, and as many out of it, that every checkpoint answers.",
        minimum=100,
        maximum=1_000_000,
    )
    page: str | None = setting(
        None, "Markdown file to write the results to, its figures beside it."
    )
    experiment: str | None = setting(
        None, "MLflow experiment (MLFLOW_EXPERIMENT_NAME or Default if not given)."
    )
    dry_run: bool = setting(
        default=False, text="Print what would be trained, and do nothing."
    )

    def __post_init__(self) -> None:
        check(self)
        parse_seeds(self.seeds)
        parse_pools(self.pools)


def preset_settings(preset: str | None, given: Mapping[str, Any]) -> TrainSettings:
    """The settings of a diagram from Python: those of a preset, and what is given.

    Raises:
        ValueError: no such preset, or what `TrainSettings` refuses.

    >>> preset_settings("smoke", {"tau": 1}).keep_checkpoints
    'doubling'
    """
    name = preset or USUAL_PRESET
    TrainSettings.preset(name, epochs=1)  # refuses a wrong name with the right ones
    return TrainSettings(**{**DIAGRAM_PRESETS[name], **given})


def parse_pools(text: str) -> tuple[int, ...]:
    """Sizes from ``4,64,1024``, in order, each once.

    Raises:
        ValueError: fewer than two, or one that is no whole number above 0.

    >>> parse_pools("64, 4")
    (4, 64)
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) for word in words):
        raise ValueError(f"pools must be like 4,64,1024, not {text!r}")
    found = tuple(sorted({int(word) for word in words}))
    if len(found) == 1:
        raise ValueError(f"a diagram has several pools, such as 4,64, not {text!r}")
    return found
