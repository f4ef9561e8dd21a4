"""The process `suiden checker`: the event relay and every consumer of events."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
import structlog

from ingest_gateway import consumers as ingest_consumers
from kernel import events, heartbeat
from kernel.clock import Clock, UtilityClock, wall_now
from kernel.database import Pool, open_pool
from maintenance_tracker import consumers as maintenance_consumers
from rating_engine import consumers as rating_consumers

log = structlog.get_logger()

IDLE_S = 0.25
BEAT_S = 2.0
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Consumer:
    """A name, whose offset is kept, and what it does with each topic."""

    name: str
    handlers: Mapping[str, events.Handler]


def all_consumers() -> list[Consumer]:
    """List the consumers of events, each with its own offset."""
    return [
        Consumer("rollup", ingest_consumers.rollup_handlers()),
        Consumer("checker", ingest_consumers.checker_handlers()),
        Consumer("tracker", maintenance_consumers.handlers()),
        Consumer("money", rating_consumers.handlers()),
    ]


def run(*, database_url: str, stop: threading.Event) -> None:
    """Relay and consume events until `stop`."""
    pool = open_pool(database_url, role="suiden_worker", process="checker", max_size=8)
    clock = UtilityClock(pool)
    wake = {consumer.name: threading.Event() for consumer in all_consumers()}
    threads = [
        threading.Thread(
            target=_relay, kwargs={"database_url": database_url, "pool": pool, "wake": wake, "stop": stop}
        ),
        threading.Thread(target=_beat, kwargs={"pool": pool, "stop": stop}),
        threading.Thread(target=ingest_consumers.keep_rollups, args=(pool,), kwargs={"clock": clock, "stop": stop}),
    ]
    threads += [
        threading.Thread(
            target=_consume,
            kwargs={"pool": pool, "consumer": consumer, "clock": clock, "wake": wake[consumer.name], "stop": stop},
            name=consumer.name,
        )
        for consumer in all_consumers()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()


def _relay(*, database_url: str, pool: Pool, wake: Mapping[str, threading.Event], stop: threading.Event) -> None:
    published = threading.Event()
    listener = threading.Thread(
        target=events.listen,
        args=(database_url,),
        kwargs={"channel": events.PUBLISHED, "wake": lambda _: published.set(), "stop": stop},
        daemon=True,
    )
    listener.start()
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
        except psycopg.Error as error:
            log.warning("events.consumer_interrupted", consumer=consumer.name, error=str(error))
            stop.wait(RETRY_S)
            continue
        if passed == 0:
            wake.wait(IDLE_S)
            wake.clear()


def _beat(*, pool: Pool, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        try:
            with pool.connection() as conn:
                heartbeat.beat(conn, process="checker", health={"waiting": events.backlog(conn)}, wall_now=wall_now())
        except psycopg.Error as error:
            log.warning("heartbeat.failed", error=str(error))
