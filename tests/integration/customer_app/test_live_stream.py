"""The live stream, over a real socket and with the database's own notifications."""

import threading
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from kernel import events
from tests.integration.customer_app import town
from tests.integration.customer_app.conftest import Utility, sign_in


def heard(answer: httpx.Response) -> Iterator[str]:
    for line in answer.iter_lines():
        if line.startswith("event: "):
            yield line.removeprefix("event: ")


def happen(utility: Utility, *, topic: str, key: str, **payload: object) -> None:
    """Publish an event and relay it, as the relay does."""
    with psycopg.connect(utility.database_url) as conn:
        events.publish(conn, utility_id=utility.utility_id, topic=topic, key=key, payload=payload, occurred_at=town.NOW)
        conn.commit()
        events.relay_once(conn)


def test_a_stream_needs_a_session(client: httpx.Client) -> None:
    assert client.get("/events?topics=use").status_code == 401


def test_a_customer_hears_of_own_things_and_not_of_the_neighbours(client: httpx.Client, utility: Utility) -> None:
    sign_in(client, "customer")
    own, other = utility.parties["customer"], utility.parties["neighbour"]
    with client.stream("GET", "/events?topics=notices,money,tickets,telemetry") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        names = heard(answer)
        assert next(names) == "ready"
        happen(utility, topic="notice.created", key=f"party:{other}")
        happen(utility, topic="ticket.changed", key="ticket:999999")
        happen(utility, topic="notice.created", key=f"party:{own}")
        # The first connection of the listening thread wakes everybody once; after that only what is one's own.
        first = [next(names)]
        while first[-1] != "live-notices":
            first.append(next(names))
        assert set(first) <= {"live-notices", "live-money"}


def test_a_batch_of_readings_wakes_those_who_look_at_its_meters(client: httpx.Client, utility: Utility) -> None:
    with psycopg.connect(utility.database_url) as conn:
        meters = town.meters(conn, utility_id=utility.utility_id)
        for number, serial in enumerate(("W-neighbour", "W-customer"), start=1_000_001):
            conn.execute(
                """
                INSERT INTO intake_batch
                    (utility_id, batch_id, received_at, source, meter_ids, read_from, read_to, stored)
                VALUES (%(utility_id)s, %(batch_id)s, %(at)s, 'mqtt', %(meters)s, %(at)s, %(at)s, 1)
                """,
                {
                    "utility_id": utility.utility_id,
                    "batch_id": number,
                    "at": town.NOW,
                    "meters": [meters[serial]],
                },
            )
    sign_in(client, "customer")
    with client.stream("GET", "/events?topics=use") as answer:
        names = heard(answer)
        assert next(names) == "ready"
        happen(utility, topic="intake.batch_stored", key="batch:1000001")
        time.sleep(1.5)  # the neighbour's batch has been looked up and told nobody here
        happen(utility, topic="intake.batch_stored", key="batch:1000002")
        assert next(names) == "live-use"
        happen(utility, topic="intake.batch_stored", key="batch:1000003", batch_ids=[1000001, 1000002, 1000003])
        assert next(names) == "live-use"  # named in what the event says, not in its key


@pytest.mark.timeout(30)
def test_open_streams_hold_no_connection_and_do_not_hold_up_the_pages(client: httpx.Client, server: str) -> None:
    sign_in(client, "customer")
    cookies = dict(client.cookies)
    ready = threading.Barrier(13, timeout=20)
    done = threading.Event()

    def watch() -> None:
        with (
            httpx.Client(base_url=server, cookies=cookies, timeout=30, trust_env=False) as watcher,
            watcher.stream("GET", "/events?topics=use,money") as answer,
        ):
            names = heard(answer)
            next(names)
            ready.wait()
            done.wait(timeout=20)

    watchers = [threading.Thread(target=watch, daemon=True) for _ in range(12)]  # the pool has 4 connections
    for watcher in watchers:
        watcher.start()
    ready.wait()
    assert client.get("/home").status_code == 200
    assert "suiden_web_viewers 12.0" in client.get("/metrics").text
    done.set()
    for watcher in watchers:
        watcher.join(timeout=10)
