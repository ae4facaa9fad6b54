"""A scripted HTTP server for tests: answers from a list, remembers every request."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, urlsplit

Step = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Received:
    """One request as it arrived; header names in lower case."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """One answer. `announced` is the Content-Length when it is to be a lie."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        length = len(self.body) if self.announced is None else self.announced
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(self.body)
        handler.close_connection = length != len(self.body)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """A TCP reset instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def raw(data: bytes) -> Step:
    """These bytes and the end of the connection."""

    def step(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return step


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the exercise; a defect in a step shows as a test that fails."""


class Stub:
    """`script(...)` sets the answers in order; the last one is repeated."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.ending = threading.Event()
        self._steps: list[Step] = [Reply(status=500)]
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                stub.received.append(Received(parts.path, dict(parse_qsl(parts.query)), headers, body))
                step = stub._steps.pop(0) if len(stub._steps) > 1 else stub._steps[0]
                try:
                    step(self)
                except OSError:
                    self.close_connection = True

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def script(self, *steps: Step) -> None:
        """Answer with these from now on."""
        self._steps = list(steps)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
