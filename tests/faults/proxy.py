"""A proxy before a tracking server that misbehaves as it is told."""

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

#: What a proxy may answer with, in place of what the server says.
ANSWERS = {
    "error 500": (500, "text/html", b"<h1>Internal Server Error</h1>"),
    "error 401": (401, "application/json", b'{"detail": "who are you?"}'),
    "error 404": (404, "text/html", b"<h1>Not Found</h1>"),
    "error 400": (400, "text/html", b"<h1>Bad Request</h1>"),
    "blank": (200, "application/json", b""),
    "other JSON": (200, "application/json", b'{"status": "ok"}'),
    "garbage": (200, "text/html", b"<html>Please sign in to the hotel's WiFi</html>"),
}


class Proxy:
    """Forwards to ``target`` while ``mode`` is ``well``.

    Attributes:
        uri: of the proxy.
        mode: ``well``; a key of `ANSWERS`; ``slow`` (half a second late); ``away``
            (cuts the connection); ``swallow`` (the server does as it is asked, and its
            answer is lost); ``hang`` (takes requests and says nothing).
        forwarded: requests that the server has got.
    """

    def __init__(self, target: str, server: http.server.ThreadingHTTPServer) -> None:
        self.uri = f"http://127.0.0.1:{server.server_port}"
        self.mode = "well"
        self.forwarded = 0
        self._target = target

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Deal with one request."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        mode = self.mode
        if mode in ANSWERS:
            _reply(request, *ANSWERS[mode])
            return
        if mode == "hang":
            while self.mode == "hang":
                time.sleep(0.05)
        if mode in {"hang", "away"}:
            request.close_connection = True
            return
        if mode == "slow":
            time.sleep(0.5)
        self.forwarded += 1
        got = requests.request(
            request.command,
            self._target + request.path,
            data=body,
            headers={"Content-Type": request.headers.get("Content-Type", "")},
            timeout=30,
        )
        if mode == "swallow":
            request.close_connection = True
            return
        kind = got.headers.get("Content-Type", "")
        _reply(request, got.status_code, kind, got.content)


def _reply(
    request: http.server.BaseHTTPRequestHandler, status: int, kind: str, body: bytes
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has hung up is none."""


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """A proxy before the server at ``target``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.answer(self)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with _Listener(("127.0.0.1", 0), Handler) as listener:
        made = Proxy(target, listener)
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            made.mode = "away"
            listener.shutdown()
            thread.join()
