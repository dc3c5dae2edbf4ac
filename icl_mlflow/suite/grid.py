"""Which members a suite has: seeds and variants as people write them, and the grid."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS

#: Several seeds, as a sequence or as text: ``range(3)`` is ``"0,1,2"`` is ``"0-2"``.
Seeds = str | Iterable[int]

#: Several names, as a sequence or as text with commas.
Names = str | Iterable[str]

#: What every other variant is compared with.
BASELINE = "baseline"

#: In place of names of variants: every one, or what is usual for what is asked.
ALL, USUAL = "all", "default"

#: From how many seeds in a row on they are written as a range.
_RANGE_FROM = 4
_SEEDS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)
_MOST_SEEDS = 10_000


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from ``0,1,2`` or ``0-9`` or both, in order, each once.

    Raises:
        ValueError: no seed, one that is not a whole number of at least 0, or too many.

    >>> parse_seeds("7,0-2")
    (7, 0, 1, 2)
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = _SEEDS.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"seeds must be like 0,1,2 or 0-9, not {text!r}")
        low, high = int(found[1]), int(found[2] or found[1])
        if high < low:
            raise ValueError(
                f"seeds {part.strip()!r} run backwards; write {high}-{low}"
            )
        if high - low + len(seeds) >= _MOST_SEEDS:
            raise ValueError(f"more than {_MOST_SEEDS:,} seeds: {text!r}")
        seeds += range(low, high + 1)
    return tuple(dict.fromkeys(seeds))


def seeds_of(seeds: Seeds) -> tuple[int, ...]:
    """Seeds as people write them, in text or as a sequence; in order, each once.

    Raises:
        ValueError: as for `parse_seeds`.
        TypeError: one number in place of several.

    >>> seeds_of(range(3)), seeds_of("7,0-2")
    ((0, 1, 2), (7, 0, 1, 2))
    """
    if isinstance(seeds, int):
        raise TypeError(
            f"seeds must be several, such as range({seeds}), not {seeds}; "
            f"give seed={seeds} for one model"
        )
    if isinstance(seeds, str):
        return parse_seeds(seeds)
    each = [str(seed) for seed in seeds]
    if not each:
        raise ValueError("give one seed at least, such as seeds=range(3)")
    return parse_seeds(",".join(each))


def variants_of(variants: Names) -> tuple[str, ...]:
    """Variants in text or as a sequence, by their canonical names, each once.

    Raises:
        ValueError: as for `parse_variants`.

    >>> variants_of(["no_labels", "noisy_labels_0.10"])
    ('no_labels', 'noisy_labels_0.1')
    """
    return parse_variants(names_text(variants))


def names_text(names: Names) -> str:
    """Names as the command line takes them.

    Raises:
        ValueError: no name.

    >>> names_text(["no_labels", "no_position"])
    'no_labels,no_position'
    """
    text = names if isinstance(names, str) else ",".join(names)
    if not text:
        raise ValueError("give one name at least, or 'all'")
    return text


def shown_seeds(seeds: Sequence[int]) -> str:
    """Seeds as people write them, short however many there are; `parse_seeds` reads it.

    >>> shown_seeds([0, 1, 2]), shown_seeds([7, *range(20, 1000)])
    ('0,1,2', '7,20-999')
    """
    runs: list[list[int]] = []
    for seed in dict.fromkeys(seeds):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) >= _RANGE_FROM else ",".join(map(str, run))
        for run in runs
    )


def parse_variants(text: str) -> tuple[str, ...]:
    """Canonical names from ``no_labels,noisy_labels_0.10``, in order, each once.

    Raises:
        ValueError: an unknown name, or parts of a combination that contradict.

    >>> parse_variants("no_labels,noisy_labels_0.10")
    ('no_labels', 'noisy_labels_0.1')
    """
    names = [VARIANTS.canonical(part.strip()) for part in text.split(",")]
    return tuple(dict.fromkeys(names))


def with_baseline(variants: Sequence[str]) -> tuple[str, ...]:
    """The variants with the baseline, to compare them with, in first place."""
    return tuple(dict.fromkeys((BASELINE, *variants)))


def grid(
    settings: TrainSettings, variants: Sequence[str], seeds: Sequence[int]
) -> list[TrainSettings]:
    """One member for every (variant, seed), seeds fastest."""
    return [
        replace(settings, variant=variant, seed=seed)
        for variant in variants
        for seed in seeds
    ]
