"""The gateway's own little web server: /metrics, /healthz, /readyz."""

import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kernel.metrics import Metrics


def serve(
    *, port: int, metrics: Metrics, problems: Callable[[], Sequence[str]], refresh: Callable[[], object]
) -> ThreadingHTTPServer:
    """Serve on all addresses of the machine until `shutdown` is called on what is returned. Port 0: any free one.

    `problems` names what keeps the gateway from its work: it is alive all the same, and not ready. `refresh` is called
    before metrics are given.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                refresh()
                self._answer(200, metrics.text(), "text/plain; version=0.0.4")
            elif self.path in ("/healthz", "/readyz"):
                found = problems()
                is_well = not found or self.path == "/healthz"
                self._answer(200 if is_well else 503, _told(found))
            else:
                self._answer(404, b"not found\n")

        def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing of each request."""

    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


def _told(problems: Sequence[str]) -> bytes:
    """Write what is wrong, a line each."""
    lines = [" ".join(problem.split()) for problem in problems]
    return ("\n".join(["waiting", *lines] if lines else ["ok"]) + "\n").encode()
