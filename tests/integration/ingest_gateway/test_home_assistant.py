"""A customer's Home Assistant gets what its own meters tell, on a real Mosquitto, and nobody else's."""

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import home_assistant
from ingest_gateway.operations import homes
from ingest_gateway.operations.homes import HomeOpen, HomeUnknown
from ingest_gateway.queries.homes import home_meters
from kernel import events
from registry import queries as registry
from suiden import broker_access
from suiden.embedded.access import hash_password
from tests import gateway_town as town
from tests.gateway_running import enter
from tests.production_broker import ProductionBroker, production_broker

pytestmark = [pytest.mark.store, pytest.mark.gateway]

ALL = "homeassistant/#"


def opened(conn: Connection[TupleRow], number: str) -> str:
    party_id = registry.party_ids(conn, utility_id=1, numbers=[number])[number]
    return homes.open_home(
        conn, utility_id=1, party_id=party_id, password_hash=hash_password(number), actor="test", at=town.START
    )


def closed(conn: Connection[TupleRow], number: str) -> None:
    party_id = registry.party_ids(conn, utility_id=1, numbers=[number])[number]
    homes.close_home(conn, utility_id=1, party_id=party_id, actor="test", at=town.START)


def read(conn: Connection[TupleRow], serial: str, register: int, at: datetime = town.START) -> None:
    """Have a meter's newest reading be this one, as the settlement of a batch does, and tell of it."""
    conn.execute(
        """
        INSERT INTO meter_latest (utility_id, meter_id, read_at, received_at, register, flow)
        VALUES (1, %(meter_id)s, %(at)s, %(at)s, %(register)s, 12.5)
        ON CONFLICT (utility_id, meter_id) DO UPDATE SET register = excluded.register, read_at = excluded.read_at
        """,
        {"meter_id": town.meter_id(conn, serial), "at": at, "register": register},
    )
    conn.execute("SELECT pg_notify(%s, '[\"*\"]')", [events.POSITIONED])
    conn.commit()


@pytest.fixture
def broker() -> Iterator[ProductionBroker]:
    with production_broker() as started:
        yield started


@contextmanager
def running(database_url: str, broker: ProductionBroker) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(
        target=home_assistant.run, kwargs={"database_url": database_url, "mqtt_url": broker.service_url, "stop": stop}
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


class Home:
    """A customer's Home Assistant: it asks for everything under its prefix, and keeps the newest of each topic."""

    def __init__(self, broker: ProductionBroker, *, name: str, password: str) -> None:
        self.seen: dict[str, str] = {}
        self._visitor = broker.sender(name, password=password)
        assert self._visitor.refusal == ""
        self._visitor.subscribe(ALL)

    def wait_for(self, is_so: Callable[[dict[str, str]], bool], *, timeout_s: float = 20) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not is_so(self.seen):
            assert time.monotonic() < deadline_s, self.seen
            with suppress(queue.Empty):
                topic, payload = self._visitor.received.get(timeout=0.1)
                self.seen[topic] = payload

    def registers(self) -> dict[str, float]:
        """Give the meters' registers by the names of their devices, as Home Assistant would show them."""
        found: dict[str, float] = {}
        for topic, payload in self.seen.items():
            if topic.endswith("_register/config") and payload:
                described = json.loads(payload)
                state = self.seen.get(described["state_topic"])
                if state:
                    found[described["device"]["name"]] = json.loads(state)["register"]
        return found

    def leave(self) -> None:
        self._visitor.leave()


def give_logins(conn: Connection[TupleRow], broker: ProductionBroker) -> None:
    found = broker_access.logins(conn, bridges={})
    broker_access.write(broker.secrets, found, by_password=False, wall_now=datetime.now(UTC))
    broker.read_access_again()


def test_a_home_gets_its_own_meters_as_they_are_read_and_no_other_home_sees_them(
    founded: str, broker: ProductionBroker
) -> None:
    with psycopg.connect(founded) as conn:
        enter(conn, 1)
        user, landlord = opened(conn, town.USER), opened(conn, town.LANDLORD)
        conn.commit()
        give_logins(conn, broker)
        for serial, register in (("W-SELF", 123_456), ("E-0001", 9_000), ("W-OTHER", 1)):
            read(conn, serial, register)
        mine = Home(broker, name=user, password=town.USER)
        other = Home(broker, name=landlord, password=town.LANDLORD)
        with running(founded, broker):
            mine.wait_for(lambda _: mine.registers() == {"水道メーター W-SELF": 123.456, "電気メーター E-0001": 9.0})
            read(conn, "W-SELF", 123_460, town.START + timedelta(minutes=15))
            mine.wait_for(lambda _: mine.registers()["水道メーター W-SELF"] == 123.460)
        late = Home(broker, name=user, password=town.USER)
        late.wait_for(lambda _: len(late.registers()) == 2)
        assert late.registers()["水道メーター W-SELF"] == 123.460, "what is kept is there at once for who comes later"
        assert all(topic.startswith(f"homeassistant/sensor/{user}/") for topic in late.seen)
        with pytest.raises(AssertionError):
            other.wait_for(bool, timeout_s=0.5)
        for home in (late, other):
            home.leave()


def test_what_was_published_is_taken_back_when_a_home_is_closed_also_after_a_restart(
    founded: str, broker: ProductionBroker
) -> None:
    with psycopg.connect(founded) as conn:
        enter(conn, 1)
        user = opened(conn, town.USER)
        conn.commit()
        read(conn, "W-SELF", 123_456)
        gateway = Gatekeeper(broker)
        with running(founded, broker):
            gateway.wait_for(lambda seen: any(topic.endswith("/state") for topic in seen))
        enter(conn, 1)
        closed(conn, town.USER)
        conn.commit()
        with running(founded, broker):
            gateway.wait_for(lambda seen: bool(seen) and not any(seen.values()))
        gateway.leave()
        assert user not in {one.name for one in broker_access.logins(conn, bridges={})}


class Gatekeeper(Home):
    """Our own process's view: everything that is published for homes."""

    def __init__(self, broker: ProductionBroker) -> None:
        self.seen = {}
        self._visitor = broker.service("watcher").subscribe(ALL)


def test_a_home_sees_the_meters_of_points_that_its_party_uses_now(conn: Connection[TupleRow]) -> None:
    town.found(conn)
    enter(conn, 1)
    opened(conn, town.USER)
    opened(conn, town.LANDLORD)
    seen = {home.locale: [one.serial for one in home.meters] for home in home_meters(conn, utility_id=1, at=town.START)}
    assert {locale: sorted(serials) for locale, serials in seen.items()} == {"ja": ["E-0001", "W-SELF"], "en": []}
    before = home_meters(conn, utility_id=1, at=town.FOUNDED - timedelta(days=1))
    assert [home.meters for home in before] == [(), ()]


def test_a_party_has_one_login_at_a_time(conn: Connection[TupleRow]) -> None:
    town.found(conn)
    enter(conn, 1)
    first = opened(conn, town.USER)
    with pytest.raises(HomeOpen), conn.transaction():
        opened(conn, town.USER)
    closed(conn, town.USER)
    with pytest.raises(HomeUnknown):
        closed(conn, town.USER)
    assert opened(conn, town.USER) != first, "an old password opens nothing"
