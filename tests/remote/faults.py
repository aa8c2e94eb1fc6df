"""A proxy before a server of HTTP that counts requests and does what networks and servers do wrong."""

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_OWN = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Asked:
    """A request that was made: `bytes` of the stretch it asks for, 0 where it asks for none."""

    method: str
    path: str
    start: int
    bytes: int

    @property
    def is_of_a_file(self) -> bool:
        """Whether it asks for a stretch of a file."""
        return self.method == "GET" and self.bytes > 0


Fault = Callable[["Handler", int, dict[str, str], bytes], None]


@dataclass
class Proxy:
    """Passes requests on to `upstream`, host and port; `fault` answers those for which `when` gives True."""

    upstream: tuple[str, int]
    asked: list[Asked] = field(default_factory=list)
    fault: Fault | None = None
    when: Callable[[Asked, int], bool] = lambda asked, times: True
    before: Callable[[Asked], None] = lambda asked: None
    most_at_once: int = 0
    _now: int = 0
    _times: dict[Asked, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        handler = type("Bound", (Handler,), {"proxy": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """The address that clients use."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        """Answer nothing more."""
        self.server.shutdown()
        self.server.server_close()

    def well(self) -> None:
        """Forget what was asked, and do nothing wrong from now on."""
        self.asked, self._times, self.most_at_once = [], {}, 0
        self.fault, self.when, self.before = None, lambda asked, times: True, lambda asked: None

    def files(self) -> list[Asked]:
        """Return the requests for stretches of files."""
        return [one for one in self.asked if one.is_of_a_file]

    def done(self) -> None:
        """Take note that a request was answered."""
        with self._lock:
            self._now -= 1

    def note(self, asked: Asked) -> Fault | None:
        """Take note of a request; return what is done wrong with it."""
        with self._lock:
            self.asked.append(asked)
            times = self._times[asked] = self._times.get(asked, 0) + 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        self.before(asked)
        return self.fault if self.fault is not None and self.when(asked, times) else None


class Handler(BaseHTTPRequestHandler):
    """One request, passed on."""

    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def pass_on(self) -> None:
        """Ask the server, and answer as it does or as a fault would."""
        try:
            self._pass_on()
        finally:
            self.proxy.done()

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        start, size = (int(found[1]), int(found[2]) + 1 - int(found[1])) if found else (0, 0)
        asked = Asked(self.command, self.path.partition("?")[0], start, size)
        fault = self.proxy.note(asked)
        connection = http.client.HTTPConnection(*self.proxy.upstream, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        told = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
        if self.command == "HEAD" or not content:
            told["Content-Length"] = answer.getheader("Content-Length") or "0"
        connection.close()
        if fault is not None:
            fault(self, answer.status, told, content)
        else:
            self.answer(answer.status, told, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

    def answer(self, status: int, headers: dict[str, str], content: bytes, length: int | None = None) -> None:
        """Send an answer, of a stated length."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


# What can go wrong with one request.


def slow(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Answer in two parts, with pauses."""
    time.sleep(0.05)
    handler.answer(status, headers, content[: len(content) // 2], len(content))
    time.sleep(0.05)
    handler.wfile.write(content[len(content) // 2 :])


def reset(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Break the connection in the middle of an answer."""
    handler.answer(status, headers, content[: len(content) // 2], len(content))
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def unavailable(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Say that there are too many requests."""
    handler.answer(503, {"Content-Type": "application/xml"}, SLOW_DOWN)


def truncated(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Answer with half of the bytes that were asked for, as if that were all."""
    handler.answer(status, headers, content[: len(content) // 2])


def another_version(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Answer with the right length, wrong bytes and the ETag of another version, as a replica that lags behind."""
    told = {name: value for name, value in headers.items() if name.lower() != "etag"}
    handler.answer(status, told | {"ETag": '"0123456789abcdef0123456789abcdef"'}, bytes(len(content)))


def refused(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Let nobody in."""
    handler.answer(403, {"Content-Type": "application/xml"}, DENIED)


def silent(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
    """Answer too late."""
    time.sleep(3)
    handler.close_connection = True


FAULTS = (slow, reset, unavailable, truncated, another_version)
