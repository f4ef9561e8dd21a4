"""Counters and gauges that operators watch, behind one small type."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

LATENCY_BUCKETS_S = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.015,
    0.03,
    0.06,
    0.125,
    0.25,
    0.5,
    1,
    2,
    5,
)


class Metrics:
    """The metrics of one process; tests make their own, so that nothing is shared."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def counter(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def gauge(self, name: str, help_text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, help_text, labels, registry=self.registry)

    def histogram(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, buckets=LATENCY_BUCKETS_S, registry=self.registry)

    def text(self) -> bytes:
        """Give all of them in Prometheus's text format."""
        return generate_latest(self.registry)
