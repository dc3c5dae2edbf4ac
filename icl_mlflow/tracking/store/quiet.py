"""MLflow as this package wants it while it works: quiet, and not patient for minutes.

What the user has set stays; and when a function of this package returns, environment
and loggers are as they were before.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: No URLs, no progress bars, and no looking around in the working folder for files to
#: add to a model. And a request gives up within seconds, where MLflow would try for
#: minutes: what is not delivered then is delivered later.
_VARIABLES = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # MLflow sets the level of its loggers when it is imported, perhaps only later.
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}

_LEVELS = {
    "mlflow": logging.WARNING,
    "alembic": logging.WARNING,
    # Every failed attempt would be a line; that of the end of a run says it once.
    "mlflow.utils.rest_utils": logging.ERROR,
    "mlflow.exceptions": logging.ERROR,
    # Likewise, with its traceback.
    "mlflow.store.db.utils": logging.CRITICAL,
    "urllib3": logging.ERROR,
}


@dataclass
class _Changes:
    """What is to be taken back.

    Attributes:
        users: how many calls need it at this moment.
        variables: that were not set before.
        levels: of loggers, as they were.
    """

    users: int = 0
    variables: list[str] = field(default_factory=list)
    levels: dict[str, int] = field(default_factory=dict)


_LOCK = threading.Lock()
_CHANGES = _Changes()


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Have MLflow behave while this is open; may be nested, and used by many threads.

    It serves as a decorator too.
    """
    with _LOCK:
        _CHANGES.users += 1
        if _CHANGES.users == 1:
            _change()
    try:
        yield
    finally:
        with _LOCK:
            _CHANGES.users -= 1
            if _CHANGES.users == 0:
                _restore()


def said_by_user(variable: str) -> str | None:
    """The value of a variable that the user has set, or None."""
    return None if variable in _CHANGES.variables else os.environ.get(variable)


def _change() -> None:
    level = _VARIABLES["MLFLOW_LOGGING_LEVEL"]
    # A process of our own has inherited ours.
    is_left_to_us = os.environ.get("MLFLOW_LOGGING_LEVEL", level) == level
    for name, value in _VARIABLES.items():
        if name not in os.environ:
            os.environ[name] = value
            _CHANGES.variables.append(name)
    if is_left_to_us:
        for name, quiet in _LEVELS.items():
            logger = logging.getLogger(name)
            _CHANGES.levels[name] = logger.level
            logger.setLevel(quiet)


def _restore() -> None:
    for name in _CHANGES.variables:
        if os.environ.get(name) == _VARIABLES[name]:
            del os.environ[name]
    for name, level in _CHANGES.levels.items():
        logger = logging.getLogger(name)
        if logger.level == _LEVELS[name]:  # nobody has changed it meanwhile
            logger.setLevel(level)
    _CHANGES.variables.clear()
    _CHANGES.levels.clear()
