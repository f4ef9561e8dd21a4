"""What the real wmbusmeters published is taken in by the real gateway, and billed, exact to the yen."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from psycopg import Connection
from psycopg.rows import TupleRow

from scripts.journeys import telegram_utility as journey

pytestmark = [pytest.mark.journey, pytest.mark.store, pytest.mark.gateway]

RECORDED = Path(__file__).resolve().parents[1] / "fixtures" / "wmbusmeters" / "recorded.jsonl"


@dataclass(frozen=True, slots=True)
class Message:
    """One recorded message."""

    topic: str
    payload: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Replayed:
    """A utility that was sent all that is recorded."""

    conn: Connection[TupleRow]
    utility_id: int
    messages: tuple[Message, ...]


def recorded() -> tuple[Message, ...]:
    rows = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    return tuple(
        Message(row["topic"], row["payload"], datetime.fromisoformat(row["published_at"].replace("Z", "+00:00")))
        for row in rows
    )


def publish(mqtt_url: str, messages: Sequence[Message]) -> None:
    """Publish by quality 1, as mosquitto_pub would; return when the broker has all."""
    address = urlsplit(mqtt_url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="journey-wmbusmeters")
    if address.username:
        client.username_pw_set(address.username, address.password)
    client.connect(address.hostname or "", address.port or 1883)
    client.loop_start()
    for message in messages:
        client.publish(message.topic, message.payload, qos=1).wait_for_publish(timeout=20)
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def replayed(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Replayed]:
    """Replay date by date at rate 1, then everything once more, as a bridge does that lost its place."""
    messages = recorded()
    gateway = journey.running_gateway(database_url=database_url, mqtt_url=broker_url, log_path=tmp_path / "gateway.log")
    with psycopg.connect(database_url) as conn:
        utility_id = journey.found(conn)
        with gateway:
            stored = refused = 0
            for date in sorted({message.published_at for message in messages}):
                journey.set_clock(conn, now=date)
                todays = [message for message in messages if message.published_at == date]
                publish(broker_url, todays)
                refused += sum(message.topic == journey.NO_REGISTER_TOPIC for message in todays)
                stored += sum(message.topic != journey.NO_REGISTER_TOPIC for message in todays)
                journey.wait_for_messages(conn, utility_id=utility_id, stored=stored, refused=refused)
            publish(broker_url, messages)
            journey.wait_for_messages(conn, utility_id=utility_id, stored=stored, refused=refused + 1)
        yield Replayed(conn, utility_id, messages)


def test_telegrams_become_registers_and_registers_become_bills(replayed: Replayed) -> None:
    conn, utility_id = replayed.conn, replayed.utility_id

    told = sorted(
        (told["id"], message.published_at, Decimal(str(total)))
        for message in replayed.messages
        for told in [json.loads(message.payload, parse_float=Decimal)]
        for total in [told.get("total_m3", told.get("total_energy_consumption_kwh"))]
        if total is not None
    )
    stored = journey.stored_readings(conn, utility_id=utility_id)
    assert [(one.serial, one.read_at, one.register) for one in stored] == told, "each stored once, as it was sent"
    assert len(stored) == journey.STORED_READINGS

    refused = journey.refused_messages(conn, utility_id=utility_id)
    assert [(one.topic, one.reason, one.times) for one in refused] == [(journey.NO_REGISTER_TOPIC, "no_register", 2)]
    assert len(stored) + len(refused) == len(replayed.messages), "every message is stored or refused"

    assert journey.as_expected(journey.bill_all(conn, utility_id=utility_id)) == journey.EXPECTED_BILLS
