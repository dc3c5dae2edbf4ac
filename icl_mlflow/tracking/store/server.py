"""Ask a tracking server as MLflow would, without importing MLflow.

That import takes seconds. What must be known first, such as whether the server lets us
in at all, is asked here, with the credentials and certificates that MLflow would take.
"""

import base64
import configparser
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from icl_mlflow.tracking.store.mlflow_internals import request

#: Variables that make MLflow sign or mark its requests in other ways than these here.
_EXTENSIONS = (
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_WORKSPACE",
)
#: Of packages that add headers to MLflow's requests.
_HEADER_PLUGINS = "mlflow.request_header_provider"

_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


def ask(uri: str, path: str, body: Any = None, *, timeout: float) -> requests.Response:
    """The server's answer to one request: a GET, or a POST where there is a body.

    Args:
        uri: of the server; may hold a user and a password.
        path: of the request, with its leading slash.
        body: JSON to send.
        timeout: seconds to wait for each part of the answer.

    Raises:
        Exception: there was no answer; what is behind it says why.
    """
    method = "GET" if body is None else "POST"
    if _is_extended():
        return _ask_by_mlflow(uri, path, method, body, timeout)
    return requests.request(
        method,
        uri.rstrip("/") + path,
        json=body,
        headers=authorization(),
        verify=_verified_by(),
        cert=os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
        timeout=timeout,
    )


def _is_extended() -> bool:
    return any(os.environ.get(name) for name in _EXTENSIONS) or bool(
        entry_points(group=_HEADER_PLUGINS)
    )


def _ask_by_mlflow(
    uri: str, path: str, method: str, body: Any, timeout: float
) -> requests.Response:
    return request(
        uri,
        path,
        method,
        max_retries=0,
        timeout=timeout,
        raise_on_status=False,
        **({} if body is None else {"json": body}),
    )


def user_name(uri: str) -> str:
    """By which the server knows us; empty if by a token, or by none."""
    return unquote(urlsplit(uri).username or "") or _user_and_password()[0] or ""


def _user_and_password() -> tuple[str | None, str | None]:
    """Of the variables, else of MLflow's file of credentials."""
    file = configparser.ConfigParser()
    file.read(Path("~/.mlflow/credentials").expanduser())
    kept = dict(file["mlflow"]) if file.has_section("mlflow") else {}
    user, password = (
        os.environ.get(name) or kept.get(name.lower()) for name in (_USER, _PASSWORD)
    )
    return user, password


def authorization() -> dict[str, str]:
    """The header with user and password, else with a token; a URI's user goes first."""
    user, password = _user_and_password()
    if user and password:
        pair = base64.standard_b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _verified_by() -> str | bool:
    """The file of the authority that certificates must be signed by, or whether any."""
    authority = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower()
    return authority or insecure not in {"true", "1"}
