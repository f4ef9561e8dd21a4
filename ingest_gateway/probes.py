"""The gateway's own little web server: /metrics, /healthz, /readyz."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kernel.metrics import Metrics


def serve(
    *, port: int, metrics: Metrics, is_live: Callable[[], bool], is_ready: Callable[[], bool]
) -> ThreadingHTTPServer:
    """Serve on all addresses of the machine until `shutdown` is called on what is returned. Port 0: any free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, metrics.text(), "text/plain; version=0.0.4")
            elif self.path == "/healthz":
                self._answer_yes_or_no(yes=is_live())
            elif self.path == "/readyz":
                self._answer_yes_or_no(yes=is_ready())
            else:
                self._answer(404, b"not found\n")

        def _answer_yes_or_no(self, *, yes: bool) -> None:
            self._answer(200 if yes else 503, b"ok\n" if yes else b"not ready\n")

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
