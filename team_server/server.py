"""The tracking server itself: its files in one folder, its command, its variables."""

import configparser
import io
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from team_server.certificates import (
    authority_command,
    request_command,
    signature_command,
)
from team_server.postgresql import Cluster, write_secret

ADMINISTRATOR = "admin"

#: What people type on the machine itself.
_LOCAL = ("localhost", "127.0.0.1")


@dataclass(frozen=True, kw_only=True)
class TeamServer:
    """A server that asks who somebody is.

    Attributes:
        folder: of all its files.
        port: that it answers on.
        database_port: of its PostgreSQL.
        host: the address that it listens on: 0.0.0.0 for other machines.
        names: host names by which other machines know it.
        workers: processes that answer.
    """

    folder: Path
    port: int
    database_port: int
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    workers: int = 2

    @property
    def uri(self) -> str:
        """Where users find it."""
        return f"https://{(*self.names, '127.0.0.1')[0]}:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate that users need: MLFLOW_TRACKING_SERVER_CERT_PATH."""
        return self.folder / "ca.pem"

    @property
    def cluster(self) -> Cluster:
        """Its database."""
        return Cluster(
            folder=self.folder / "postgresql",
            port=self.database_port,
            password_file=self.folder / "pgpass",
        )

    def prepare(self) -> None:
        """Make what is not there yet: the database, certificates, secrets, settings."""
        # PostgreSQL, which may run as another user, has to get through.
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        self._artifacts.mkdir(mode=0o700, exist_ok=True)
        if not self.cluster.folder.exists():
            self.cluster.create()
        if not self.authority.exists():
            _openssl(self.authority_command())
            self.authority.chmod(0o644)  # for every user
        for command in self.certificate_commands():
            _openssl(command)
        if not self._variables.exists():
            lines = [f"{name}={value}\n" for name, value in self.variables().items()]
            write_secret(self._variables, "".join(lines))
        self._write_settings()

    def authority_command(self) -> list[str]:
        """What makes the authority of its certificate."""
        return authority_command(self.authority, self._authority_key)

    def certificate_commands(self) -> list[list[str]]:
        """What makes its certificate, which is made again at every start."""
        request, names = self.folder / "server.csr", [*self.names, *_LOCAL]
        return [
            request_command(request, self._key, names),
            signature_command(
                self._certificate, request, self.authority, self._authority_key
            ),
        ]

    def command(self) -> list[str]:
        """What starts it."""
        tls = {"--ssl-keyfile": self._key, "--ssl-certfile": self._certificate}
        known = [*self.names, *_LOCAL]
        return [
            *(sys.executable, "-m", "mlflow", "server"),
            *("--app-name", "basic-auth"),
            *("--backend-store-uri", self.cluster.uri),
            *("--artifacts-destination", str(self._artifacts)),
            *("--host", self.host),
            *("--port", str(self.port)),
            *("--workers", str(self.workers)),
            *("--allowed-hosts", ",".join(f"{name}:{self.port}" for name in known)),
            *("--cors-allowed-origins", self.uri),
            *("--uvicorn-opts", " ".join(f"{k} {v}" for k, v in tls.items())),
        ]

    def environment(self) -> dict[str, str]:
        """The variables that it needs, beside those of the shell."""
        lines = self._variables.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def password(self) -> str:
        """The administrator's first one."""
        return self.environment()["MLFLOW_AUTH_ADMIN_PASSWORD"]

    def user_environment(self, name: str, password: str) -> dict[str, str]:
        """What a user sets to work there."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.authority),
        }

    @property
    def _authority_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def _artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def _certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def _key(self) -> Path:
        return self.folder / "server.key"

    @property
    def _variables(self) -> Path:
        return self.folder / "server.env"

    @property
    def _settings(self) -> Path:
        return self.folder / "basic_auth.ini"

    def variables(self) -> dict[str, str]:
        """Its variables, with new secrets."""
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(self._settings),
            "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_urlsafe(18),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
            # Seven processes of 240 MB each, for evaluations of language models.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **self.cluster.environment(),
        }

    def settings(self) -> dict[str, str]:
        """Of the users, who are kept in the same database."""
        return {
            "default_permission": "READ",
            "database_uri": self.cluster.uri,
            "admin_username": ADMINISTRATOR,
            # Without it every request of everybody costs a slow hash.
            "auth_cache_ttl_seconds": "60",
        }

    def _write_settings(self) -> None:
        file = configparser.ConfigParser()
        file["mlflow"] = self.settings()
        text = io.StringIO()
        file.write(text)
        write_secret(self._settings, text.getvalue())


def _openssl(command: Sequence[str]) -> None:
    """Its keys are its owner's alone, whatever the umask."""
    subprocess.run(command, check=True, capture_output=True, umask=0o077)
