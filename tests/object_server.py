"""An S3 server on loopback for tests, and a proxy before it that counts, delays and harms what passes."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

BUCKET = "filmless-tests"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}
_START_S = 60.0
FAST = "timeout_s=5&retries=2"
"""So that a test of what never succeeds ends soon."""


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's S3 server with one empty bucket; give its endpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _wait_for(server, port)
        make_bucket(endpoint, BUCKET)
        yield endpoint
    finally:
        server.kill()
        server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        assert server.poll() is None, "moto's server did not start: install the group `test` of pyproject.toml"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"moto's server did not answer within {_START_S} s")


def make_bucket(endpoint: str, name: str) -> None:
    """Make a bucket."""
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT")).close()


def url(endpoint: str, prefix: str, options: str = "") -> str:
    """Give the URL of an archive's series below a prefix of the tests' bucket."""
    return f"s3://{BUCKET}/{prefix}?endpoint={quote(endpoint)}" + (f"&{options}" if options else "")


@dataclass(frozen=True)
class Request:
    """One request that came to the proxy."""

    method: str
    path: str
    """With the query."""
    range: str
    response_bytes: int = 0


Fault = Callable[[Request], str]
"""What to do with a request: "" to pass it on, a status such as "500", "reset", "cut" (the body ends before its
length), "short" (a body that is whole, but shorter than was asked for), "stall", or "flip" (one bit of the body)."""


@dataclass
class Proxy:
    """What passed, and what happens to what passes."""

    endpoint: str
    requests: list[Request] = field(default_factory=list)
    latency_s: float = 0.0
    fault: Fault = lambda _: ""

    @property
    def response_bytes(self) -> int:
        """Bytes of all bodies that went to the client."""
        return sum(request.response_bytes for request in self.requests)

    def of(self, method: str) -> list[Request]:
        """Give the requests of one method."""
        return [request for request in self.requests if request.method == method]


@contextlib.contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy before the server at `upstream`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    state = Proxy(f"http://127.0.0.1:{address[1]}")
    server = ThreadingHTTPServer(address, _handler(state, upstream.removeprefix("http://")))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: Proxy, upstream: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def relay(self):
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, self.headers.get("Range", ""))
            time.sleep(state.latency_s)
            fault = state.fault(request)
            if fault == "reset":
                state.requests.append(request)
                return self.reset()
            if fault.isdecimal():
                state.requests.append(request)
                return self.answer(int(fault), [], b"<Error><Code>InternalError</Code></Error>")
            status, headers, body = self.passed_on(asked)
            if fault == "stall":
                time.sleep(3.0)
            if fault == "flip" and body:
                body = bytes([body[0] ^ 1]) + body[1:]
            state.requests.append(Request(request.method, request.path, request.range, len(body)))
            return self.answer(status, headers, body, fault)

        def passed_on(self, asked):
            connection = http.client.HTTPConnection(upstream, timeout=60)
            try:
                connection.request(self.command, self.path, asked, dict(self.headers))
                response = connection.getresponse()
                body = response.read()
                dropped = {"connection", "transfer-encoding", "content-length", "server", "date"}
                kept = [(name, value) for name, value in response.getheaders() if name.lower() not in dropped]
                length = response.headers.get("Content-Length") if self.command == "HEAD" else None
                return response.status, [*kept, ("X-Length", length)] if length else kept, body
            finally:
                connection.close()

        def answer(self, status, headers, body, fault=""):
            self.send_response(status)
            for name, value in headers:
                self.send_header("Content-Length" if name == "X-Length" else name, value)
            sent = body[: len(body) // 2] if fault in ("cut", "short") else body
            if not any(name == "X-Length" for name, _ in headers):
                self.send_header("Content-Length", str(len(sent) if fault == "short" else len(body)))
            self.end_headers()
            self.wfile.write(sent)
            if fault == "cut":
                self.close_connection = True

        def reset(self):
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relay

        def finish(self):
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def handle(self):
            with contextlib.suppress(OSError, ValueError):
                super().handle()

    return Handler


def without_proxies() -> dict[str, str]:
    """Give the environment that S3 clients need to reach the server directly."""
    return {name: "" for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")}


def _serve(upstream: str, latency_s: float) -> None:
    """Be a proxy until standard input ends, its endpoint and then the count of requests told on standard output."""
    with proxy(upstream) as state:
        state.latency_s = latency_s
        print(state.endpoint, flush=True)
        for _ in sys.stdin:
            print(len(state.requests), state.response_bytes, flush=True)
            state.requests.clear()


if __name__ == "__main__":
    _serve(sys.argv[1], float(sys.argv[2]))
