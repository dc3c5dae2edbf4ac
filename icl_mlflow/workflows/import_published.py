"""Import what was published with arXiv 2603.10573: models become runs and versions."""

import glob
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from icl_mlflow.published.history import PublishedHistory, read_histories
from icl_mlflow.published.settings import ImportSettings
from icl_mlflow.tracking.runs.imported import add_history, imported_run, is_adopting
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.given.published import (
    ImportedModel,
    Source,
    log_model,
    read_source,
)

_SUFFIXES = (".pt", ".csv")
_MOST_FILES = 20_000


@dataclass(frozen=True, kw_only=True)
class RefusedFile:
    """A file that was not imported, and why, in one line."""

    file: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class PublishedImport:
    """What came of an import.

    Attributes:
        run_id: of the parent run; None where nothing was new.
        ui_link: the parent's page in the UI.
        models: in the order of their files.
        refused: the files that were not imported.
        left_over: learning curves of models that were not among the files.
    """

    run_id: str | None
    ui_link: str | None
    models: tuple[ImportedModel, ...]
    refused: tuple[RefusedFile, ...]
    left_over: tuple[PublishedHistory, ...]


@dataclass(frozen=True, kw_only=True)
class _Files:
    """What the files hold that could be read."""

    sources: list[Source]
    histories: dict[tuple[str, str, int], PublishedHistory]
    refused: list[RefusedFile]


def published_files(path: str) -> tuple[Path, ...]:
    """The checkpoints and results that a path stands for, in the order of their names.

    Args:
        path: a file, a folder with everything below it, or a pattern.

    Raises:
        ValueError: there are none.
    """
    # A folder may be called like a pattern. Path.glob takes no absolute patterns.
    names = [path] if _is_there(path) else glob.iglob(path, recursive=True)  # noqa: PTH207
    named = _few((Path(name) for name in names), path)
    if not named:
        raise ValueError(f"there is no file or folder {path}")
    below = (file for one in named for file in _walk(one))
    found = {
        file
        for file in _few(below, path)
        if file.is_file() and (file.suffix in _SUFFIXES or file in named)
    }
    if not found:
        raise ValueError(f"{path} holds no file that ends in {' or '.join(_SUFFIXES)}")
    return tuple(sorted(found))


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that is too long
        return False


def _walk(one: Path) -> Iterator[Path]:
    """The path itself, or everything below it; links to folders are not followed."""
    if not one.is_dir():
        yield one
    for folder, _, files in os.walk(one):
        yield from (Path(folder, file) for file in files)


def _few(paths: Iterator[Path], path: str) -> list[Path]:
    """All of them, where somebody has not named half of the disk by mistake."""
    found = list(itertools.islice(paths, _MOST_FILES + 1))
    if len(found) > _MOST_FILES:
        raise ValueError(
            f"{path} holds more than {_MOST_FILES:,} files; "
            "give the folder of the published ones"
        )
    return found


def import_published(
    store: Store,
    settings: ImportSettings,
    *,
    on_file: Callable[[ImportedModel | RefusedFile], None] = lambda _: None,
) -> PublishedImport:
    """Import published checkpoints and results; what is there already stays as it is.

    Each checkpoint becomes a run below one parent, with this package's test metrics,
    and a registered version tagged ``source=published``, which is never ``best``. Rows
    of result files become the metrics of its epochs. A file that cannot be read or
    trusted is refused in one line, and the others go on.

    Args:
        store: where they go.
        settings: which files.
        on_file: called with every model and every refusal.

    Raises:
        ValueError: the path names no file.
    """
    files = _read(published_files(settings.path), settings)
    for refusal in files.refused:
        on_file(refusal)
    known = {
        source.file: imported_run(store, source.sha256, source.experiment.name)
        for source in files.sources
    }
    models = []
    if all(known.values()) and not is_adopting():
        for source in files.sources:
            models.append(_known(store, source, known[source.file], files))
            on_file(models[-1])
        return _import(files, models)
    with _parent(store, settings) as log:
        for source in files.sources:
            earlier = known[source.file]
            if earlier:
                models.append(_known(store, source, earlier, files))
            else:
                history = files.histories.get(source.key)
                models.append(log_model(store, source, history, log.run_id))
            on_file(models[-1])
        log.table("published", _table(models))
        log.table("refused", _refusals(files.refused))
        return _import(files, models, log)


def _read(found: Sequence[Path], settings: ImportSettings) -> _Files:
    files = _Files(sources=[], histories={}, refused=[])
    for file in found:
        try:
            if file.suffix == ".csv":
                files.histories.update({h.key: h for h in read_histories(file)})
            else:
                files.sources.append(read_source(file, settings))
        except ValueError as error:
            files.refused.append(RefusedFile(file=file, reason=str(error)))
    return files


def _known(
    store: Store, source: Source, earlier: str | None, files: _Files
) -> ImportedModel:
    """A model that an earlier import has registered; it gets the epochs it lacks."""
    assert earlier is not None
    history = files.histories.get(source.key)
    if history is not None:
        add_history(store, earlier, history.epochs)
    return ImportedModel(source=source, run_id=earlier, test={}, is_new=False)


def _import(
    files: _Files, models: Sequence[ImportedModel], log: RunLog | None = None
) -> PublishedImport:
    used = {source.key for source in files.sources}
    return PublishedImport(
        run_id=log.run_id if log else None,
        ui_link=log.ui_link() if log else None,
        models=tuple(models),
        refused=tuple(files.refused),
        left_over=tuple(h for key, h in files.histories.items() if key not in used),
    )


@contextmanager
def _parent(store: Store, settings: ImportSettings) -> Iterator[RunLog]:
    with open_run(
        store,
        name="published-models",
        kind="suite",
        params={"path": settings.path, "n_context": settings.n_context},
        tags={"source": "published"},
        description=(
            "Models published with "
            "[arXiv 2603.10573](https://arxiv.org/abs/2603.10573), one run each, on "
            "this package's fixed test episodes: `tables/published.csv`."
        ),
    ) as log:
        yield log


def _table(models: Sequence[ImportedModel]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "experiment": model.source.experiment.name,
                "variant": model.source.settings.variant,
                "seed": model.source.settings.seed,
                "run_id": model.run_id,
                "new": model.is_new,
                **model.test,
            }
            for model in models
        ]
    )


def _refusals(refused: Sequence[RefusedFile]) -> pd.DataFrame:
    rows = [{"file": str(one.file), "reason": one.reason} for one in refused]
    return pd.DataFrame(rows, columns=["file", "reason"])
