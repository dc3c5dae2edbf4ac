"""A server as institutes have one: PostgreSQL, a name and a password each, and TLS."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from mlflow.server.handlers import _get_rest_path

from tests.faults.test_starters import on_postgresql
from tests.server import Server

ADMIN = ("admin", "admin-password-of-a-test")
USERS = {"ann": "anns-password-is-long", "bob": "bobs-password-is-long"}

_SETTINGS = """[mlflow]
default_permission = READ
database_uri = {database}
admin_username = {admin}
admin_password = {password}
"""


@dataclass(frozen=True)
class Guarded:
    """A server that asks who somebody is, and what its administrator can do.

    Attributes:
        server: may be stopped and started again.
        certificate: its own, which no authority has signed.
    """

    server: Server
    certificate: Path

    def environment(self, user: str) -> dict[str, str]:
        """What a user sets to work there."""
        return {
            "MLFLOW_TRACKING_URI": self.server.uri,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": dict([ADMIN, *USERS.items()])[user],
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.certificate),
        }

    def grant(self, user: str, kind: str, what: str, permission: str = "EDIT") -> None:
        """Let a user work with what another has made."""
        wanted = {"username": user, "resource_type": kind, "resource_id": what}
        grant = _get_rest_path("/mlflow/users/permissions/grant", version=3)
        self.tell(grant, {**wanted, "permission": permission})

    def tell(self, path: str, wanted: dict[str, str]) -> None:
        """Ask for something that only the administrator may do."""
        answer = requests.post(
            self.server.uri + path,
            json=wanted,
            auth=ADMIN,
            verify=str(self.certificate),
            timeout=30,
        )
        assert answer.ok, answer.text


@contextmanager
def guarded_server(folder: Path) -> Iterator[Guarded]:
    """Start one, with two users who may do what they like with what is theirs."""
    pytest.importorskip("flask_wtf", reason="needs mlflow[auth]")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on this machine")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    make += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    make += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    with on_postgresql(folder) as database:
        settings = folder / "users.ini"
        settings.write_text(
            _SETTINGS.format(database=database, admin=ADMIN[0], password=ADMIN[1])
        )
        server = Server(
            folder,
            database=database,
            options=[
                *("--app-name", "basic-auth"),
                *(
                    "--uvicorn-opts",
                    f"--ssl-keyfile {key} --ssl-certfile {certificate}",
                ),
            ],
            environment={
                "MLFLOW_AUTH_CONFIG_PATH": str(settings),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(16).hex(),
            },
            certificate=certificate,
        )
        try:
            server.start()
            made = Guarded(server, certificate)
            for user, password in USERS.items():
                create = _get_rest_path("/mlflow/users/create")
                made.tell(create, {"username": user, "password": password})
            yield made
        finally:
            server.end()
