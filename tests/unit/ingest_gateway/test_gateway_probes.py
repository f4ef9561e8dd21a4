"""What the gateway says of itself over HTTP."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from ingest_gateway import probes
from kernel.metrics import Metrics


class Told:
    """A server of the endpoints, and what it is to say."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.metrics = Metrics()
        self.gauge = self.metrics.gauge("suiden_test", "set when asked")
        self.server = probes.serve(
            port=0, metrics=self.metrics, problems=lambda: self.problems, refresh=lambda: self.gauge.set(7)
        )

    def ask(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.server_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_gateway_that_stores_what_comes_is_alive_and_ready(told: Told) -> None:
    assert told.ask("/healthz") == told.ask("/readyz") == (200, "ok\n")


def test_a_gateway_that_waits_is_alive_and_not_ready_and_both_name_what_is_away(told: Told) -> None:
    told.problems = ["broker: connection refused", "database: the server\n\tclosed the line"]
    text = "waiting\nbroker: connection refused\ndatabase: the server closed the line\n"
    assert told.ask("/healthz") == (200, text)
    assert told.ask("/readyz") == (503, text)


def test_gauges_are_as_they_are_when_asked(told: Told) -> None:
    assert "suiden_test 7.0" in told.ask("/metrics")[1]


def test_there_is_nothing_else(told: Told) -> None:
    assert told.ask("/admin")[0] == 404
