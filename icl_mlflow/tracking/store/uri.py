"""Tracking URIs: made absolute, taken apart, and shown without secrets."""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

#: Where relative paths have been found in this process.
PLACES: dict[Path, Path] = {}

#: Variables with such a word in their names hold secrets; shorter values hide nothing.
_SECRET_WORDS = ("TOKEN", "PASSWORD", "KEY", "SECRET")
_SHORTEST_SECRET = 6

#: A user and what follows, up to the last @: a password may hold one.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
_PASSWORD = re.compile(r"://[^/\s:]*:([^/\s]+)@")


class StoreError(Exception):
    """The tracking store cannot be used; the message is one line and says why."""


def is_of_storage(error: BaseException) -> bool:
    """Whether a tracking store or a disk failed, asked without importing MLflow."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"MlflowException", "StoreError", "OSError"})


def anchored(path: Path) -> Path:
    """A path made absolute: where it is, and if it is nowhere here, where it was.

    So a program that changes its working folder still finds what it has used before.
    """
    here = path.absolute()
    if here.exists():
        PLACES[path] = here
        return here
    before = PLACES.get(path)
    return before if before is not None and before.exists() else here


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the database that ``mlflow ui`` shows in this folder.

    A sqlite file comes back with its absolute path, so that a change of folder, or a
    child process in another one, still finds it.

    Raises:
        StoreError: a URI that names no store that keeps runs.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not given:
        return sqlite_uri(anchored(Path("mlflow.db")))
    scheme = scheme_of(given)
    if scheme in {"", "file"}:
        raise StoreError(
            f"MLflow no longer keeps runs in folders such as {given!r}; set "
            "MLFLOW_TRACKING_URI to sqlite:///FILE or to a server, http://HOST:PORT"
        )
    if scheme not in (*SERVERS, *DATABASES):
        raise StoreError(
            f"unknown scheme {scheme!r} in MLFLOW_TRACKING_URI; choose one of: "
            "http://HOST:PORT, https://HOST:PORT, sqlite:///FILE, "
            "postgresql://..., mysql://..., mssql://..."
        )
    if scheme in SERVERS and not urlsplit(given).hostname:
        raise StoreError(f"MLFLOW_TRACKING_URI is {given!r}, which names no host")
    if scheme == "sqlite":
        return sqlite_uri(anchored(sqlite_file(given)))
    return given.rstrip("/") if scheme in SERVERS else given


def scheme_of(uri: str) -> str:
    """What kind of store a URI names, without the driver: ``sqlite``, ``https``, ...

    >>> [scheme_of(u) for u in ("mysql+pymysql://h/db", "HTTP://h", "./mlruns")]
    ['mysql', 'http', '']
    """
    return urlsplit(uri).scheme.partition("+")[0]


def is_elsewhere(location: str, uri: str) -> bool:
    """Whether files are at another server than the store, to which no password goes.

    The same host by another protocol is another server; storage that has passwords of
    its own, such as ``s3://``, is none.

    >>> is_elsewhere("mlflow-artifacts:/0/ab", "https://mlflow.example.org")
    False
    >>> is_elsewhere("http://mlflow.example.org/0/ab", "https://mlflow.example.org")
    True
    """
    kind, store = scheme_of(location), urlsplit(uri)
    if kind == "mlflow-artifacts":  # speaks as the store does
        host = urlsplit(location).netloc
        return bool(host) and _server(f"{store.scheme}://{host}") != _server(uri)
    return kind in SERVERS and _server(location) != _server(uri)


def _server(uri: str) -> tuple[str, str | None, int | None]:
    """Protocol, host and port of a URI."""
    parts = urlsplit(uri)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual


def sqlite_file(uri: str) -> Path:
    """The database file of a sqlite URI.

    Raises:
        StoreError: a URI without a file, such as a database in memory.

    >>> str(sqlite_file("sqlite:////data/mlflow.db"))
    '/data/mlflow.db'
    """
    path = unquote(uri.partition(":///")[2].partition("?")[0])
    if not path or path == ":memory:":
        raise StoreError(f"{uri!r} names no file, so nothing would be kept")
    return Path(path)


def sqlite_uri(file: Path) -> str:
    """The URI of a database file, absolute."""
    return f"sqlite:///{file.absolute()}"


def artifact_folder(uri: str) -> Path | None:
    """Where runs of a sqlite store keep their files: ``mlruns`` beside the database.

    None for a store that decides for itself.
    """
    if scheme_of(uri) != "sqlite":
        return None
    return sqlite_file(uri).parent / "mlruns"


def shown(uri: str) -> str:
    """A URI for people: without user, password and query.

    >>> shown("https://ann:secret@mlflow.example.org/base?token=x")
    'https://mlflow.example.org/base'
    """
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri.partition("?")[0]
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def without_secrets(text: str, uri: str) -> str:
    """The first line of ``text`` with the password of ``uri`` blotted out."""
    line = next((line for line in text.splitlines() if line.strip()), "no reason given")
    password, user = urlsplit(uri).password or "", urlsplit(uri).username or ""
    for secret in filter(None, {password, unquote(password)}):
        line = line.replace(secret, "***")
    for name in filter(None, {user, unquote(user)}):
        # A short name may be a part of other words, which tell nothing.
        line = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "***", line)
    return redacted(line.replace(uri, shown(uri)))


def redacted(text: str) -> str:
    """``text`` without the values of secret variables and without users in URIs.

    Secret is what a variable holds with TOKEN, PASSWORD, KEY or SECRET in its name, and
    the password of a URI in any variable, also where it is percent-encoded.

    >>> redacted("git clone https://ann:pw@example.org/repo")
    'git clone https://***@example.org/repo'
    """
    text = _CREDENTIALS.sub("***@", text)
    # The longest first: what is left of one that holds another would still tell much.
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets() -> set[str]:
    """The secrets in the environment, in every form that a text may have them in."""
    found: set[str] = set()
    # By name: another thread, such as MLflow's telemetry, may remove one meanwhile.
    for name in list(os.environ):
        value = os.environ.get(name, "")
        if any(word in name.upper() for word in _SECRET_WORDS):
            found.add(value)
        found.update(_PASSWORD.findall(value))
    forms = {f for s in found for f in (s, s.strip(), quote(s, safe=""), unquote(s))}
    return {form for form in forms if len(form) >= _SHORTEST_SECRET}
