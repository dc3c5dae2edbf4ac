"""Who hears of the epochs of trainings: the progress that is shown, and others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from icl_mlflow.cli.progress import epochs_progress
from icl_mlflow.suite.request import (
    Request,
)
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings

#: Called with the name of a run and each of its epochs.
OnEpoch = Callable[[str, Epoch], None]


def nothing(_name: str, _epoch: Epoch) -> None:
    """Nobody hears of it."""


def heard_epochs(
    request: Request,
    members: Sequence[TrainSettings],
    label: str,
    on_epoch: OnEpoch,
    *,
    quiet: bool,
) -> AbstractContextManager[OnEpoch]:
    """What hears of the epochs of a suite: the progress that is shown, and others."""
    if quiet:
        return nullcontext(on_epoch)
    return _both(epochs_progress(request.names(members), label), on_epoch)


@contextmanager
def _both(
    shown: AbstractContextManager[OnEpoch], on_epoch: OnEpoch
) -> Iterator[OnEpoch]:
    with shown as show:

        def hear(name: str, epoch: Epoch) -> None:
            show(name, epoch)
            on_epoch(name, epoch)

        yield hear
