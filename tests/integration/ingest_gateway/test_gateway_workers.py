"""Several gateways in one group of the broker: each message to one of them, and nothing stays with one that is gone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations, queries
from kernel.heartbeat import beat, heartbeats
from suiden.embedded.child import last_lines, start_child, stop_child
from tests import gateway_town as town
from tests.gateway_running import UP, enter
from tests.production_broker import ProductionBroker, Visitor, production_broker

pytestmark = [pytest.mark.store, pytest.mark.gateway]

COMMAND = [sys.executable, "-P", "-m", "suiden.cli", "gateway"]
MESSAGES = 600


@pytest.fixture
def broker() -> Iterator[ProductionBroker]:
    with production_broker(sender_names=(town.CONCENTRATOR, "W-SELF")) as started:
        yield started


class Workers:
    """Gateways of one group as processes of their own, and what they stored."""

    def __init__(self, database_url: str, broker: ProductionBroker, folder: Path) -> None:
        self._database_url, self._folder = database_url, folder
        self._environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("SUIDEN_GATEWAY")},
            "DATABASE_URL": database_url,
            "MQTT_URL": broker.service_url,
            "SUIDEN_GATEWAY_SHARE": "intake",
            "SUIDEN_GATEWAY_COMMAND_RESEND_S": "2",
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, worker: str) -> None:
        self._processes[worker] = start_child(
            command=COMMAND,
            log_path=self._folder / f"{worker}.log",
            death_signal=signal.SIGKILL,
            environment={**self._environment, "SUIDEN_GATEWAY_WORKER": worker},
        )
        self.wait_for(lambda: self.health(worker).get("broker_connected") is True)

    def kill(self, worker: str) -> None:
        process = self._processes.pop(worker)
        process.kill()
        process.wait()

    def drain(self, worker: str) -> subprocess.CompletedProcess[str]:
        environment = {**self._environment, "SUIDEN_GATEWAY_WORKER": worker}
        drain = [*COMMAND, "--drain", "--quiet-s", "1"]
        return subprocess.run(drain, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def stop(self) -> None:
        for process in self._processes.values():
            stop_child(process, signals=[(signal.SIGTERM, 20.0)])

    def health(self, worker: str) -> dict[str, object]:
        with psycopg.connect(self._database_url) as conn:
            beats = {one.process: one.health for one in heartbeats(conn)}
        return beats.get(f"gateway:{worker}", {})

    def stored(self) -> int:
        with psycopg.connect(self._database_url) as conn:
            count = conn.execute("SELECT count(*) FROM reading").fetchone()
        assert count is not None
        return int(count[0])

    def wait_for(self, is_so: Callable[[], bool], *, timeout_s: float = 60) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline_s, "".join(last_lines(path) for path in self._folder.glob("*.log"))
            time.sleep(0.05)


@pytest.fixture
def workers(founded: str, broker: ProductionBroker, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(founded, broker, tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def sender(broker: ProductionBroker) -> Iterator[Visitor]:
    visitor = broker.sender(town.CONCENTRATOR)
    yield visitor
    visitor.leave()


def messages(first: int, end: int) -> list[str]:
    """Numbered messages of one reading each, all of them different."""
    return [
        json.dumps({
            "seq": number,
            "readings": [{
                "meter": f"W-{number % 10 + 1:04}",
                "at": (town.START - timedelta(minutes=MESSAGES - number)).isoformat(),
                "register": 1_000 + number,
            }],
        })
        for number in range(first, end)
    ]  # fmt: skip


def received(workers: Workers, worker: str) -> int:
    found = workers.health(worker).get("received", 0)
    assert isinstance(found, int)
    return found


def test_two_workers_store_all_once_between_them_and_what_is_kept_for_a_killed_one_comes_in_when_it_is_drained(
    workers: Workers, sender: Visitor, founded: str
) -> None:
    for worker in ("1", "2"):
        workers.start(worker)
    half = MESSAGES // 2
    sender.publish_many(UP, messages(1, half + 1))
    workers.wait_for(lambda: workers.stored() == half)
    workers.wait_for(lambda: sum(received(workers, worker) for worker in ("1", "2")) == half)
    told = [workers.health(worker) for worker in ("1", "2")]
    assert [one["duplicates"] for one in told] == [0, 0], "no message went to both"
    assert min(received(workers, worker) for worker in ("1", "2")) > 0, "and each had some"

    workers.kill("2")
    sender.publish_many(UP, messages(half + 1, MESSAGES + 1))
    refused = workers.drain("1")
    assert (refused.returncode, "stop it" in refused.stderr) == (1, True), "one that is at work is left alone"
    assert workers.stored() < MESSAGES, "the broker keeps a share for the dead one too"
    with psycopg.connect(founded) as conn:  # the time passes after which it is taken for dead
        conn.execute("UPDATE heartbeat SET seen_at = seen_at - interval '1 minute' WHERE process = 'gateway:2'")
    drained = workers.drain("2")
    assert drained.returncode == 0, drained.stderr
    workers.wait_for(lambda: workers.stored() == MESSAGES)
    assert workers.health("2") == {}, "nobody waits for it any more"

    before = received(workers, "1")
    sender.publish_many(UP, messages(MESSAGES + 1, MESSAGES + 21))
    workers.wait_for(lambda: received(workers, "1") == before + 20)


def test_one_of_two_workers_sends_an_order_and_the_other_waits_with_it(
    workers: Workers, broker: ProductionBroker, founded: str
) -> None:
    for worker in ("1", "2"):
        workers.start(worker)
    meter = broker.sender("W-SELF").subscribe(f"suiden/v1/{town.CODE}/W-SELF/down")
    with psycopg.connect(founded) as conn:
        enter(conn, 1)
        operations.queue_command(
            conn,
            utility_id=1,
            meter_id=town.meter_id(conn, "W-SELF"),
            command="valve.open",
            purpose="operator",
            expires_at=town.START + timedelta(hours=1),
            arguments={},
            at=town.START,
        )
    came_s: list[float] = []
    for _ in range(3):  # at once, and twice again: nobody answers
        meter.received.get(timeout=60)
        came_s.append(time.monotonic())
    assert all(later - earlier > 1.0 for earlier, later in pairwise(came_s)), "every two seconds, by one of them"
    meter.leave()


def test_the_gateway_is_as_well_as_its_worst_worker_and_does_what_all_do(conn: Connection[TupleRow]) -> None:
    town.found(conn)
    seen = datetime(2026, 4, 1, tzinfo=UTC)
    told = {"received": 5, "broker_connected": True, "share": "intake"}
    beat(conn, process="gateway:1", health=told, wall_now=seen)
    beat(conn, process="gateway:2", health=told | {"broker_connected": False}, wall_now=seen - timedelta(seconds=9))
    beat(conn, process="checker", health={"received": 1}, wall_now=seen - timedelta(hours=1))
    found = queries.gateway_health(conn, utility_id=1)
    assert found.health == {"received": 10, "broker_connected": False, "share": "intake"}
    assert found.seen_at == seen - timedelta(seconds=9), "the one that is silent longest"
