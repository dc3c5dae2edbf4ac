"""Explanations of failed requests to a store, for the user who made them."""

import os
import re
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from icl_mlflow.tracking.store.server import authorization, user_name

_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
_TOKEN = "MLFLOW_TRACKING_TOKEN"  # nosec B105  # noqa: S105 -- a name

#: What a sign in the text of an error means.
_MEANINGS = {
    "suitable tls ca certificate bundle": "cannot be checked: the file of "
    "MLFLOW_TRACKING_SERVER_CERT_PATH, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE is missing",
    "proxy": "is behind a proxy that cannot be reached; look at HTTP_PROXY, "
    "HTTPS_PROXY, ALL_PROXY, or put the host into NO_PROXY",
    "certificate": "has a certificate that is not trusted; "
    "set MLFLOW_TRACKING_SERVER_CERT_PATH to its authority's file",
    "wrong version number": "does not speak TLS; try http://",
    "refused": "is not reachable: connection refused; is the server running?",
    "timed out": "does not answer in time",
    "resolve": "has a host name that cannot be resolved",
    "name or service": "has a host name that cannot be resolved",
    "unreachable": "is not reachable: no route to the host",
    "connection aborted": "is not reachable: the connection broke off",
    "database is locked": "is locked by another program",
}


#: What is said of a request for which a permission is missing, in lower case.
_DENIED = re.compile(
    r"failed with error code 403|\b403 client error|^permission_denied"
)

#: The path of a request, as far as it says what was asked for.
_REQUEST = re.compile(r"/mlflow(?:-artifacts)?/([a-z-]+(?:/[a-z-]+)*)")

#: By the last part of its path, a request that needs only to read.
_READING = re.compile(r"(get|search|list|alias|history|get-[a-z-]+|search-[a-z-]+)$")


def refusal(uri: str, answer: requests.Response) -> str:
    """Explain an answer of a server that is no list of experiments."""
    code = answer.status_code
    if code == HTTPStatus.FORBIDDEN and "host header" in answer.text.lower():
        return "does not accept this host name; start it with --allowed-hosts"
    if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"does not let us in (HTTP {code}): {_credentials(uri)}"
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"is in trouble: it answers HTTP {code}"
    return f"is not an MLflow tracking server (it answers HTTP {code} to a listing)"


def _credentials(uri: str) -> str:
    """What is wrong with the credentials that were sent, or that none were."""
    sent = authorization().get("Authorization", "")
    if sent.startswith("Basic") or urlsplit(uri).password:
        return f"it does not accept the user and password; look at {_USER}, {_PASSWORD}"
    if sent:
        return f"it does not accept the token of {_TOKEN}"
    if os.environ.get(_USER):
        return f"it wants a password; set {_PASSWORD}"
    return f"it wants a password; set {_USER} and {_PASSWORD}, or {_TOKEN}"


def meaning(error: BaseException, uri: str = "") -> str:
    """Explain an exception of a failed request by its causes; empty if unknown.

    Args:
        error: of the request.
        uri: of the store, which may name a user.
    """
    if denied := _missing_permission(error):
        return f"does not permit this to {whom(uri)}; ask the owner for {denied}"
    causes = " ".join(str(cause) for cause in _chain(error)).lower()
    return next((text for sign, text in _MEANINGS.items() if sign in causes), "")


def is_denied(error: BaseException) -> bool:
    """Whether a request failed for want of a permission, which no repetition brings."""
    return bool(_missing_permission(error))


def whom(uri: str) -> str:
    """Whom the server takes us for."""
    name = user_name(uri)
    return f"user {name!r}" if name else "us"


def _missing_permission(error: BaseException) -> str:
    """Which permission a denied request needs, and on what; empty if it was not denied.

    As MLflow's own basic-auth asks for them, by the path of the request.
    """
    for cause in _chain(error):
        said = str(cause).lower()
        if not _DENIED.search(said):
            continue
        path = found[1] if (found := _REQUEST.search(said)) else "unknown request"
        kind = "READ" if _READING.search(path) else "EDIT"
        of_model = path.startswith(("registered-models", "model-versions"))
        what = "the registered model" if of_model else "the experiment"
        return f"the permission {kind} on {what} ({path})"
    return ""


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
