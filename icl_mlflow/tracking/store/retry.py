"""Retries of calls to a store that is busy or away for the moment.

What a run writes goes through its journal, which is patient. This is for what is asked
before there is one: the experiment, the run itself, and what has been there before.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.store.failures import is_denied, meaning

T = TypeVar("T")

#: Seconds for which a call is made again. A single one waits for up to 20 s for a lock.
_PATIENCE = 120.0

#: Seconds between two calls: the first pause and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

#: What a database says that others are writing to.
_BUSY = (
    "database is locked",
    "database table is locked",
    "deadlock",
    "could not serial",
)


def repeated(call: Callable[[], T]) -> T:
    """What a call to a store returns, made again while the store is busy or away.

    Args:
        call: may be made more than once, whether or not an earlier one has succeeded.

    Raises:
        MlflowException: the store refuses, or has been busy for two minutes.
    """
    until, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
    while True:
        try:
            return call()
        except MlflowException as error:
            if not is_passing(error) or time.monotonic() >= until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def is_passing(error: Exception) -> bool:
    """Whether a call failed for a reason that may be gone the next time."""
    said = str(error).lower()
    if any(sign in said for sign in _BUSY):
        return True
    refused = "certificate" in said or "wrong version number" in said
    return bool(meaning(error)) and not (refused or is_denied(error))
