"""Headers on every answer, and the time each answer took."""

import time
from dataclasses import dataclass

from prometheus_client import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel.metrics import Metrics

CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'{pay}; frame-ancestors 'none'; "
    "worker-src 'self'"
)
# Plotly writes its own style sheet; the pages that use it say so, and still run no inline script.
CONTENT_POLICY_PLOTS = CONTENT_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")


@dataclass(frozen=True, slots=True)
class WebMetrics:
    answers: Counter
    answer_s: Histogram

    @classmethod
    def of(cls, metrics: Metrics) -> "WebMetrics":
        return cls(
            answers=metrics.counter("suiden_web_answers", "Answers given, by status code", ("status",)),
            answer_s=metrics.histogram("suiden_web_answer_seconds", "Seconds until an answer began"),
        )


class SecureAnswers:
    """ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, *, metrics: WebMetrics, https: bool, pay_origin: str) -> None:
        self._app = app
        self._metrics = metrics
        self._https = https
        # A form that leads to the card provider is answered by a redirect to it, and browsers hold that to form-action.
        self._pay = f" {pay_origin}" if pay_origin else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.monotonic()

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answers.labels(str(message["status"])).inc()
                self._metrics.answer_s.observe(time.monotonic() - started_s)
                self._add_headers(MutableHeaders(scope=message), plots=bool(scope.get("suiden.plots")))
            await send(message)

        await self._app(scope, receive, send_secured)

    def _add_headers(self, headers: MutableHeaders, *, plots: bool) -> None:
        policy = CONTENT_POLICY_PLOTS if plots else CONTENT_POLICY
        headers.setdefault("Content-Security-Policy", policy.format(pay=self._pay))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(self), payment=()")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cache-Control", "no-store")
        if self._https:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
