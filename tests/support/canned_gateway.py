"""A server that gives prepared answers in a gateway's form, for tests of what a command says and asks for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import orjson


@dataclass
class CannedGateway:
    """Answers by method and path, each a status and a document; `requests` and `bodies` list the received calls.

    A status of 0 is an answer that never comes. `before` is called with each call before it is answered.
    """

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    before: Callable[[str], object] = lambda _: None

    def answer(self, call: str, status: int, document: Any = None) -> None:
        """Add the next answer to a call such as `GET /ecgs`; the last one is given again and again."""
        self.answers.setdefault(call, []).append((status, document))

    def next(self, call: str) -> tuple[int, Any]:
        """Return the answer to a call."""
        self.requests.append(call)
        prepared = self.answers.get(call, [(404, {"detail": "Not found"})])
        return prepared.pop(0) if len(prepared) > 1 else prepared[0]


@contextmanager
def canned_gateway() -> Iterator[CannedGateway]:
    """Serve prepared answers while the block runs."""
    gateway = CannedGateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            gateway.bodies.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
            call = f"{self.command} {urlsplit(self.path).path}"
            gateway.before(call)
            status, document = gateway.next(call)
            if status == 0:
                gateway.closing.wait()
                return
            body = b"" if document is None else orjson.dumps(document)
            self.send_response(status)
            if status == 503:
                self.send_header("retry-after", "0.1")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = respond  # noqa: N815 - the names that the base class calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield gateway
        finally:
            gateway.closing.set()
            server.shutdown()
            serving.join()
