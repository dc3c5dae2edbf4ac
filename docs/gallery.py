"""The gallery of every figure: ``python -m docs.gallery`` draws it anew.

    python -m docs.gallery                     every part
    python -m docs.gallery questions variants  some of them
    python -m docs.gallery reproduce=RUN_ID    a section, of a run in the store that
                                               MLFLOW_TRACKING_URI names

Models are trained in build/gallery, and found again there: to draw after a change takes
the time of the analyses alone. The pictures lie in docs/gallery; in docs/gallery.md a
section stands between two marks, and what is written around them stays.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

import icl_mlflow as icl
from icl_mlflow.analysis.caption import CaptionedFigure
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import open_client
from icl_mlflow.workflows.figures.run import figures_of

_DOCS = Path(__file__).parent
PAGE, FOLDER = _DOCS / "gallery.md", _DOCS / "gallery"
_STORE = _DOCS.parent / "build" / "gallery"
#: Of a picture: bytes and pixels across at most, and dots an inch.
MOST_BYTES = 60_000
_WIDEST, _DOTS_PER_INCH = 1_400, 110
#: The tutorial's model.
_SETTINGS = icl.TrainSettings.preset("efficient", dim=4, n_context=16, d_model=32)
_VARIANTS, _SEEDS = ("no_position", "frozen_attention"), range(3)
#: An epoch, of what is trained for its figures alone: a quarter.
_FEWER = 1_000
#: The analysis that is followed from epoch to epoch; all are drawn alike.
_FOLLOWED = "llr_regression"

#: Names of sections, each with the id of the run that it shows.
Sections = Iterator[tuple[str, str]]


def trainings() -> Sections:
    """A training, its seeds, variants, and two of them compared."""
    baseline = icl.train(_SETTINGS, seeds=_SEEDS)
    yield "train", baseline.members[0].run_id
    yield "seeds", baseline.run_id
    other = icl.train(_SETTINGS, variant=_VARIANTS[0], seeds=_SEEDS)
    yield "compare", icl.compare(baseline, other).run_id
    yield "ablate", _suite()


def questions() -> Sections:
    """Every question to one model."""
    yield "analyze", icl.analyze("models:/icl-A-baseline@best", "all").run_id


def variants() -> Sections:
    """Every question to variants side by side."""
    yield "suite", icl.analyze(_suite(), "all").run_id


def problems() -> Sections:
    """A grid of problems, and a search for settings, each training a quarter."""
    few = replace(_SETTINGS, train_episodes=_FEWER)
    grid = {"dim": [2, 4], "tau": [0, 3]}
    yield "grid", icl.ablate(few, seeds=range(2), grid=grid).run_id
    yield "search", icl.search(few, "lr=3e-4:1e-2", trials=8).run_id


def checkpoints() -> Sections:
    """One question to the weights after every epoch."""
    logged = icl.train(_SETTINGS, train_episodes=_FEWER, keep_checkpoints="log")
    yield "checkpoints", icl.analyze(logged, [_FOLLOWED], checkpoints=True).run_id


def reproduction() -> Sections:
    """The paper's experiments, each trained for a moment."""
    yield "reproduce", icl.reproduce(preset="smoke", seeds=range(2)).run_id


PARTS: Mapping[str, Callable[[], Sections]] = {
    "trainings": trainings,
    "questions": questions,
    "variants": variants,
    "problems": problems,
    "checkpoints": checkpoints,
    "reproduction": reproduction,
}


def main(*names: str) -> None:
    """Train what is missing, draw, and write the pictures with their captions.

    Args:
        names: of `PARTS`, or ``SECTION=RUN_ID``; every part if none is given.
    """
    FOLDER.mkdir(exist_ok=True)
    for name in names or PARTS:
        section, _, run_id = name.partition("=")
        for each in [(section, run_id)] if run_id else _made(section):
            _write(*each)


def _made(part: str) -> Sections:
    """The sections of a part, with runs of the gallery's own store."""
    _STORE.mkdir(parents=True, exist_ok=True)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{_STORE}/mlflow.db"
    os.chdir(_STORE)
    yield from PARTS[part]()


def _suite() -> str:
    """The id of an ablation; members that have finished before are reused."""
    return icl.ablate(_SETTINGS, variants=_VARIANTS, seeds=_SEEDS).run_id


def _write(section: str, run_id: str) -> None:
    """Draw the figures of a run, and put them into the page."""
    for old in FOLDER.glob(f"{section}-*"):
        old.unlink()
    shown = []
    for name, one in figures_of(EndedRun.of(open_client(), run_id)).items():
        picture = FOLDER / f"{section}-{name}.webp"
        picture.write_bytes(_packed(one))
        image = f"![{name}](gallery/{picture.name})"
        shown.append(f"**`{name}`** {one.caption}\n\n{image}\n")
    start, end = (f"<!-- {word} of {section} -->" for word in ("figures", "end"))
    before, rest = PAGE.read_text().split(start)
    _, after = rest.split(end)
    figures = "\n".join(shown)
    PAGE.write_text(f"{before}{start}\n\n{figures}\n{end}{after}")


def _packed(one: CaptionedFigure) -> bytes:
    """The picture, of as many dots as its bytes allow."""
    dots = min(_DOTS_PER_INCH, _WIDEST / one.figure.get_size_inches()[0])
    while True:
        drawn, packed = io.BytesIO(), io.BytesIO()
        one.figure.savefig(drawn, dpi=dots)
        with Image.open(drawn) as image:
            image.convert("RGB").save(packed, "WEBP", quality=80, method=6)
        if len(packed.getvalue()) <= MOST_BYTES:
            return packed.getvalue()
        dots *= 0.8


if __name__ == "__main__":
    main(*sys.argv[1:])
