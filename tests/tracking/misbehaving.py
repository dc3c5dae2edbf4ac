"""A server before a real one that sends files and lists of files as it is told."""

import http.server
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

Request = http.server.BaseHTTPRequestHandler

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
MANY = 1 << 40
#: What a server that never stops sends at most, so that a test that fails ends.
ENDLESS = 100 << 20


def long_list(request: Request) -> None:
    entries = [{"path": f"{i}", "is_dir": False, "file_size": 1} for i in range(20_000)]
    body = json.dumps({"files": entries}).encode()
    begin(request, {"Content-Length": str(len(body))})
    request.wfile.write(body)


def endless(request: Request) -> None:
    begin(request, {})
    for _ in range(0, ENDLESS, 1 << 16):
        request.wfile.write(b" " * (1 << 16))


def endless_in_chunks(request: Request) -> None:
    begin(request, {"Transfer-Encoding": "chunked"})
    for _ in range(0, ENDLESS, 1 << 16):
        request.wfile.write(b"10000\r\n" + b" " * (1 << 16) + b"\r\n")


def said_to_be_long(request: Request) -> None:
    begin(request, {"Content-Length": str(MANY)})
    request.wfile.write(b" " * 1_000)


def cut_off(request: Request) -> None:
    begin(request, {"Content-Length": "2000"})
    request.wfile.write(b" " * 1_000)


def dripping(request: Request) -> None:
    begin(request, {})
    drip(request)


def dripping_headers(request: Request) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    drip(request)


def packed(request: Request) -> None:
    begin(request, {"Content-Length": "1000", "Content-Encoding": "gzip"})
    request.wfile.write(b" " * 1_000)


def begin(request: Request, headers: dict[str, str]) -> None:
    request.close_connection = True
    request.send_response(200)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()


def drip(request: Request) -> None:
    """A byte now and then, for as long as a test may take."""
    request.close_connection = True
    for _ in range(200):
        request.wfile.write(b" ")
        time.sleep(0.1)


class Misbehaving:
    """A server that forwards to another, but for the files that it is told of.

    Attributes:
        uri: of the server.
        files: how it answers who asks for a file; None to forward.
        lists: how it answers who asks for a list of files.
        hung_up: how often who asked did not wait for the end.
        sizes: what its lists say of the sizes of files, by the end of their names.
    """

    def __init__(self, target: str, port: int) -> None:
        self.uri = f"http://127.0.0.1:{port}"
        self.files: Callable[[Request], None] | None = None
        self.lists: Callable[[Request], None] | None = None
        self.hung_up = 0
        self.sizes: dict[str, int] = {}
        self._target = target

    def answer(self, request: Request) -> None:
        is_list = request.path.startswith(f"{ARTIFACTS}?")
        is_file = request.path.startswith(f"{ARTIFACTS}/")
        how = self.lists if is_list else self.files if is_file else None
        if how is not None and request.command == "GET":
            try:
                how(request)
            except OSError:
                self.hung_up += 1
                raise
            return
        length = int(request.headers.get("Content-Length") or 0)
        got = requests.request(
            request.command,
            self._target + request.path,
            data=request.rfile.read(length),
            headers={"Content-Type": request.headers.get("Content-Type", "")},
            timeout=30,
        )
        body = got.content
        if is_list:
            body = self._resized(body)
        request.send_response(got.status_code)
        request.send_header("Content-Type", got.headers.get("Content-Type", ""))
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _resized(self, body: bytes) -> bytes:
        said = json.loads(body)
        for entry, (name, size) in itertools.product(
            said.get("files", []), self.sizes.items()
        ):
            if entry["path"].endswith(name):
                entry["file_size"] = size
        return json.dumps(said).encode()


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has hung up is what is wanted here."""


@contextmanager
def misbehaving(target: str) -> Iterator[Misbehaving]:
    """A server before the one at ``target``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.answer(self)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with Listener(("127.0.0.1", 0), Handler) as listener:
        made = Misbehaving(target, listener.server_port)
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown()
            thread.join()
