"""Messages that were lost for good are asked for by the gateway itself, and the store is whole again in the end."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from suiden import consumers
from suiden.settings import CheckerSettings
from tests import gateway_town as town
from tests.gateway_running import Client, Running, known_protocol, reading

pytestmark = [pytest.mark.store, pytest.mark.gateway]

QUARTER = timedelta(minutes=15)
SELF = f"suiden/v1/{town.CODE}/W-SELF"


@pytest.fixture
def asking(founded: str, broker_url: str) -> Iterator[Running]:
    """A gateway that looks for gaps often, with the process that finds them behind it."""
    started = Running(founded, known_protocol(broker_url), gap_look_s=0.2, backfill_grace_s=60)
    stop = threading.Event()
    follower = threading.Thread(
        target=consumers.run, args=[CheckerSettings(database_url=founded)], kwargs={"stop": stop}
    )
    follower.start()
    yield started
    stop.set()
    follower.join(20)
    started.close()


class Meter:
    """A meter that remembers what it showed and speaks for itself; some of its messages get lost."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._number = 0

    def say(self, slots: list[int], *, is_lost: bool = False, answers: list[dict[str, object]] | None = None) -> None:
        """Say what it showed at some quarters of an hour before noon; it forgets the message at once."""
        self._number += 1
        readings = [self._reading(slot) for slot in slots]
        body = {"seq": self._number, "oldest": self._number, "readings": readings, "answers": answers or []}
        if not is_lost:
            self._client.publish(f"{SELF}/up", body)

    def obey(self, order: dict[str, object]) -> None:
        args = order["args"]
        assert isinstance(args, dict)
        first, last = (datetime.fromisoformat(args[name]) for name in ("from", "to"))
        asked = [slot for slot in range(-40, 1) if first <= town.START + QUARTER * slot <= last]
        self.say(asked, answers=[{"id": order["id"], "state": "done", "at": town.START.isoformat()}])

    def orders(self) -> list[dict[str, object]]:
        return [payload for topic, payload in self._client.received if topic == f"{SELF}/down"]

    def _reading(self, slot: int) -> dict[str, object]:
        return reading("W-SELF", (town.START + QUARTER * slot).isoformat(), 1_000 + slot)


def test_lost_messages_are_asked_for_and_the_gap_closes(asking: Running, client: Client) -> None:
    meter = Meter(client)
    for slot in range(-12, 1):
        meter.say([slot], is_lost=slot in (-8, -7, -6, -2))
    asking.wait_for(lambda: gaps(asking) == [(3, "open"), (1, "open")])
    assert missing(asking) == 0, "the meter said that it keeps none of those messages"
    assert meter.orders() == [], "within its grace nothing is asked"
    pass_time(asking, timedelta(minutes=2))
    asking.wait_for(lambda: len(meter.orders()) == 1)
    meter.obey(meter.orders()[0])
    asking.wait_for(lambda: gaps(asking) == [(0, "filled"), (0, "filled")])
    assert asking.ask("SELECT count(*) FROM reading") == [(13,)]
    assert asking.ask("SELECT state FROM meter_command") == [("done",)]
    assert asking.ask("SELECT read_at FROM meter_latest") == [(town.START,)], "late data never moves the newest back"
    asking.wait_for(lambda: asking.ask("SELECT sum(readings)::int FROM meter_day") == [(13,)])


def test_the_gateway_says_how_it_stands_with_gaps(asking: Running, client: Client) -> None:
    Meter(client).say([-12, -4, 0])
    asking.wait_for(lambda: len(gaps(asking)) == 2)
    asking.wait_for(lambda: asking.health().get("gaps_open") == 2)
    assert asking.health()["readings_missing"] == 10


def gaps(running: Running) -> list[tuple[int, str]]:
    rows = running.ask("SELECT missing, state FROM reading_gap ORDER BY after_at")
    return [(missing, state) for missing, state in rows]


def missing(running: Running) -> int:
    """Count the numbers that the sender still keeps and that never came."""
    return running.ask(
        "SELECT coalesce(sum(greatest(upper(part) - greatest(lower(part), kept_from), 0)), 0)::int"
        " FROM sender_sequence, unnest(missing) AS part"
    )[0][0]


def pass_time(running: Running, by: timedelta) -> None:
    with psycopg.connect(running.database_url) as conn:
        conn.execute("UPDATE utility_clock SET utility_anchor = utility_anchor + %s", [by])
