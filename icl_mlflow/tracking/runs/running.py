"""Tell whether any run says that it is running, without importing MLflow.

Mostly none does, and then whoever looks for dead runs need not wait for that import.
"""

import contextlib
import sqlite3
from collections.abc import Mapping
from typing import Any

from icl_mlflow.tracking.store.preflight import LIMIT
from icl_mlflow.tracking.store.server import ask
from icl_mlflow.tracking.store.uri import SERVERS, scheme_of, sqlite_file

_API = "/api/2.0/mlflow"
_PAGE = 1_000
_RUNNING = "SELECT EXISTS (SELECT 1 FROM runs WHERE status = 'RUNNING')"


def may_be_running(uri: str) -> bool:
    """Whether some run may say RUNNING; where that is not known here, it may."""
    try:
        if scheme_of(uri) == "sqlite":
            return _in_file(uri)
        if scheme_of(uri) in SERVERS:
            return _on_server(uri)
    except Exception:  # noqa: BLE001 - MLflow will say what is wrong
        return True
    return True


def _in_file(uri: str) -> bool:
    file = f"{sqlite_file(uri).as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(file, uri=True)) as connection:
        ((found,),) = connection.execute(_RUNNING)
    return bool(found)


def _on_server(uri: str) -> bool:
    experiments = _answer(uri, "experiments/search", {"max_results": _PAGE})
    if experiments.get("next_page_token"):
        return True
    runs = _answer(
        uri,
        "runs/search",
        {
            "experiment_ids": [
                each["experiment_id"] for each in experiments.get("experiments", [])
            ],
            "filter": "attributes.status = 'RUNNING'",
            "max_results": 1,
        },
    )
    return bool(runs.get("runs"))


def _answer(uri: str, call: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = ask(uri, f"{_API}/{call}", body, timeout=LIMIT)
    answer.raise_for_status()
    found: Mapping[str, Any] = answer.json()
    return found
