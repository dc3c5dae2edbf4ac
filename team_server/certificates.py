"""An authority of one's own, and the certificate that it signs for a server: commands.

Each is one of `openssl`, as docs/server.md has them.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_DAYS_OF_AUTHORITY, _DAYS_OF_SERVER = 3650, 365


def authority_command(certificate: Path, key: Path) -> list[str]:
    """Makes an authority: its certificate is for everybody, its key for nobody else."""
    return [
        *("openssl", "req", "-x509", *_KEY, "-days", f"{_DAYS_OF_AUTHORITY}"),
        *("-subj", "/CN=Authority of our tracking server"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", f"{key}", "-out", f"{certificate}"),
    ]


def request_command(request: Path, key: Path, names: Sequence[str]) -> list[str]:
    """Makes a server's key, and the request for a certificate of these names.

    Args:
        request: the file to write.
        key: the file to write.
        names: host names and addresses of the server, as clients type them.
    """
    return [
        *("openssl", "req", *_KEY, "-subj", f"/CN={names[0]}"),
        *("-addext", f"subjectAltName={','.join(map(_alternative, names))}"),
        *("-addext", "extendedKeyUsage=serverAuth"),
        *("-keyout", f"{key}", "-out", f"{request}"),
    ]


def signature_command(
    certificate: Path, request: Path, authority: Path, authority_key: Path
) -> list[str]:
    """Signs a request; the certificate holds for a year."""
    return [
        *("openssl", "x509", "-req", "-in", f"{request}", "-copy_extensions", "copy"),
        *("-CA", f"{authority}", "-CAkey", f"{authority_key}", "-CAcreateserial"),
        *("-days", f"{_DAYS_OF_SERVER}", "-out", f"{certificate}"),
    ]


def _alternative(name: str) -> str:
    """A name as a certificate has it.

    >>> _alternative("mlflow.example.org"), _alternative("127.0.0.1")
    ('DNS:mlflow.example.org', 'IP:127.0.0.1')
    """
    try:
        ip_address(name)
    except ValueError:
        return f"DNS:{name}"
    return f"IP:{name}"
