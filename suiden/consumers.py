"""The process `suiden checker`: the event relay and every consumer of events."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg
import structlog

from ingest_gateway import consumers as ingest_consumers
from ingest_gateway.domain.checking.lane import Patience
from kernel import events, heartbeat
from kernel.clock import Clock, UtilityClock, wall_now
from kernel.database import Pool, open_pool
from maintenance_tracker import consumers as maintenance_consumers
from rating_engine import consumers as rating_consumers
from suiden.settings import CheckerSettings
from suiden.threads import Threads

log = structlog.get_logger()

IDLE_S = 0.25
BEAT_S = 2.0
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Consumer:
    """A name, whose offset is kept, and what it does with each topic."""

    name: str
    handlers: Mapping[str, events.Handler]
    when_idle: Callable[[Pool], None] | None = None


def all_consumers(*, clock: Clock, patience: Patience) -> list[Consumer]:
    """List the consumers of events, each with its own offset."""
    checker = ingest_consumers.checker_consumer(clock=clock, patience=patience)
    return [
        Consumer("rollup", ingest_consumers.rollup_handlers()),
        Consumer("checker", checker.handlers, checker.when_idle),
        Consumer("tracker", maintenance_consumers.handlers()),
        Consumer("money", rating_consumers.handlers()),
    ]


def run(settings: CheckerSettings, *, stop: threading.Event) -> None:
    """Relay and consume events until `stop`.

    :raises ThreadEnded: if a thread ended before; the others were stopped, so that the process is started anew
    """
    database_url = settings.database_url
    pool = open_pool(database_url, role="suiden_worker", process="checker", max_size=8)
    clock = UtilityClock(pool)
    patience = Patience(early_s=settings.early_s, settled_s=settings.settled_s)
    consumers = all_consumers(clock=clock, patience=patience)
    wake = {consumer.name: threading.Event() for consumer in consumers}
    published = threading.Event()
    threads = Threads(stop=stop)
    threads.start(
        "listener",
        lambda: events.listen(database_url, channel=events.PUBLISHED, wake=lambda _: published.set(), stop=stop),
    )
    threads.start("relay", lambda: _relay(pool=pool, published=published, wake=wake, stop=stop))
    threads.start("rollups", lambda: ingest_consumers.keep_rollups(pool, clock=clock, stop=stop))
    for consumer in consumers:
        threads.start(
            consumer.name,
            lambda consumer=consumer: _consume(
                pool=pool, consumer=consumer, clock=clock, wake=wake[consumer.name], stop=stop
            ),
        )
    threads.start("heartbeat", lambda: _beat(pool=pool, threads=threads, stop=stop))
    try:
        threads.join()
    finally:
        _say_how_it_is(pool, threads=threads)
        pool.close()


def _relay(
    *, pool: Pool, published: threading.Event, wake: Mapping[str, threading.Event], stop: threading.Event
) -> None:
    while not stop.is_set():
        published.wait(IDLE_S)
        published.clear()
        try:
            with pool.connection() as conn:
                numbered = events.relay_once(conn)
        except psycopg.Error as error:
            log.warning("events.relay_interrupted", error=str(error))
            stop.wait(RETRY_S)
            continue
        if numbered:
            for consumer_wake in wake.values():
                consumer_wake.set()


def _consume(*, pool: Pool, consumer: Consumer, clock: Clock, wake: threading.Event, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            passed = events.consume_once(pool, consumer=consumer.name, handlers=consumer.handlers, clock=clock)
            if passed == 0 and consumer.when_idle is not None:
                consumer.when_idle(pool)
        except psycopg.Error as error:
            log.warning("events.consumer_interrupted", consumer=consumer.name, error=str(error))
            stop.wait(RETRY_S)
            continue
        if passed == 0:
            wake.wait(IDLE_S)
            wake.clear()


def _beat(*, pool: Pool, threads: Threads, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        _say_how_it_is(pool, threads=threads)


def _say_how_it_is(pool: Pool, *, threads: Threads) -> None:
    try:
        with pool.connection() as conn:
            health = {**threads.health(), "waiting": events.backlog(conn)}
            heartbeat.beat(conn, process="checker", health=health, wall_now=wall_now())
    except psycopg.Error as error:
        log.warning("heartbeat.failed", error=str(error))
