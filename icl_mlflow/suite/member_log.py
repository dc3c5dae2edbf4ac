"""The artifact ``train.log``: what a run did and how it ended, without secrets."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from icl_mlflow.tracking.local.claims import TRAIN_LOG, state_folder
from icl_mlflow.tracking.runs.lifecycle import RunLog
from icl_mlflow.tracking.store.uri import redacted


class _LogFile(logging.FileHandler):
    """A file that leaves out the lines that its disk has no room for.

    Whatever else needs the disk says so in one line; `logging` would print a traceback.
    """

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing."""


class _Discreet(logging.Formatter):
    """Lines without secrets, which the message of an error may hold."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


@contextlib.contextmanager
def train_log(log: RunLog) -> Iterator[logging.Logger]:
    """A logger whose lines become the artifact ``train.log``, however the run ends.

    In a run that is resumed it goes on below the earlier lines.
    """
    file = state_folder(log.run_id) / TRAIN_LOG
    handler = _LogFile(file, encoding="utf-8")
    handler.setFormatter(_Discreet("%(asctime)s %(message)s"))
    logger = logging.Logger(f"icl_mlflow.run.{log.run_id}", level=logging.INFO)
    logger.addHandler(handler)
    try:
        yield logger
    except BaseException as error:
        logger.info("ended by %s: %s", type(error).__name__, error)
        # What ended the run matters more than that this finds no room.
        with contextlib.suppress(OSError):
            _keep(handler, log)
        raise
    _keep(handler, log)


def _keep(handler: logging.FileHandler, log: RunLog) -> None:
    handler.close()
    log.artifact(Path(handler.baseFilename))
