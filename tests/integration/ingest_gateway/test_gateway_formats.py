"""A message of each format, published over a real broker, is stored as the reading it says, or kept with its reason."""

import json
from collections.abc import Iterator

import cbor2
import psycopg
import pytest

from ingest_gateway import operations
from suiden.torture.decoders import samples
from tests import gateway_town as town
from tests.gateway_running import UP, Client, Running, enter, known_protocol, reasons

pytestmark = [pytest.mark.store, pytest.mark.gateway]

CONCENTRATED = ("chirpstack", "sparkplug", "shelly")
BRIDGES = {
    **{name: {"utility": town.CODE, "sender": town.CONCENTRATOR} for name in CONCENTRATED},
    "tasmota": {"utility": town.CODE, "sender": "+", "zone": "Asia/Tokyo"},
    "wmbusmeters": {"utility": town.CODE, "sender": town.BRIDGE},
    "csv": {"zone": "Asia/Tokyo"},
}
STORED = """
    SELECT m.serial, r.read_at AT TIME ZONE 'UTC', r.register, r.export_register, r.flow, r.voltage_1_v, r.battery_pct
    FROM reading r JOIN meter m USING (utility_id, meter_id) ORDER BY m.serial, r.read_at
"""


@pytest.fixture
def bridged(founded: str, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A gateway that every format is set up for."""
    monkeypatch.setenv("SUIDEN_GATEWAY_BRIDGES", json.dumps(BRIDGES))
    started = Running(founded, known_protocol(broker_url))
    yield started
    started.close()


def message(form: str, name: str, **meters: str) -> tuple[str, bytes]:
    """Give a sample, with the serials of its meters changed."""
    sample = next(sample for sample in samples(form) if sample.name == name)
    topic, payload = sample.topic, sample.payload
    for old, new in meters.items():
        serial = old.replace("_", "-")
        topic, payload = topic.replace(serial, new), payload.replace(serial.encode(), new.encode())
    return topic, payload


def stored(running: Running) -> dict[str, list[tuple[object, ...]]]:
    found: dict[str, list[tuple[object, ...]]] = {}
    for serial, at, *measures in running.ask(STORED):
        found.setdefault(serial, []).append((at.isoformat(), *measures))
    return found


def test_a_message_of_each_format_is_stored(bridged: Running, client: Client) -> None:
    in_cbor = {"seq": 1, "readings": [{"meter": "W-0001", "at": 1_775_010_600_000, "register": 7, "flow": 1.5}]}
    tasmota = '{"Time":"2026-04-01T11:30:00","Keller":{"total_m3":4567.891,"flow_lh":-3,"Meter_number":"W-SELF"}}'
    shelly = (
        '{"src":"E-0002","dst":"E-0002/events","method":"NotifyStatus",'
        '"params":{"ts":1775010600.00,"emdata:0":{"id":0,"total_act":6737.0,"total_act_ret":2.0}}}'
    )
    client.publish(f"{UP}/cbor", cbor2.dumps(in_cbor))
    client.publish(*message("csv", "a water meter of an M-Bus concentrator", W_0001="W-0002"))
    client.publish(*message("chirpstack", "a total and what the radio says", W_0001="W-0003"))
    client.publish(*message("sparkplug", "the birth of a water meter", W_0001="W-0004"))
    client.publish(*message("wmbusmeters", "recorded wmbusmeters/33225544"))
    client.publish("tele/W-SELF/SENSOR", tasmota.encode())
    client.publish("house/events/rpc", shelly.encode())
    bridged.wait_for_received(7)
    assert stored(bridged) == {
        "33225544": [("2025-03-31T15:00:00", 123_529, None, None, None, None)],
        "E-0002": [("2026-04-01T02:30:00", 6_737, 2, None, None, None)],
        "W-0001": [("2026-04-01T02:30:00", 7, None, 1.5, None, None)],
        "W-0002": [("2026-04-01T02:00:00", 959_160, None, 0.0, None, None)],
        "W-0003": [("2026-04-01T02:34:15.775023", 123_456, None, None, None, 88)],
        "W-0004": [("2026-04-01T03:00:00", 123_456, None, None, None, 88)],
        "W-SELF": [("2026-04-01T02:30:00", 4_567_891, None, -3.0, None, None)],
    }
    assert bridged.counts() == {"received": 7, "stored": 7, "duplicate": 0, "rejected": 0}
    bridged.wait_for(lambda: (UP[:-2] + "ack", {"through": 1, "missing": []}) in client.received)


def test_what_cannot_be_read_is_counted_with_its_reason(bridged: Running, client: Client) -> None:
    client.publish(f"{UP}/cbor", b"\x81" * 40)
    client.publish(*message("csv", "a heat meter of an M-Bus concentrator"))
    client.publish(*message("chirpstack", "as documented: no codec"))
    client.publish(*message("sparkplug", "an alias alone"))
    client.publish(*message("shelly", "a component that nobody knows"))
    client.publish(*message("shelly", "nothing of a meter"))  # no reading, and none is missing
    client.publish("tele/E-0001/SENSOR", b'{"Time":"2026-04-01T11:30:00","SML":{"Total_in":1}}')  # it has no login
    client.publish(*message("tasmota", "no meter"))
    bridged.wait_for_received(7)
    assert reasons(bridged) == {
        "no_register": 2,
        "too_deep": 1,
        "unit_mismatch": 1,
        "unknown_format": 2,
        "unknown_sender": 1,
    }
    assert bridged.counts() == {"received": 7, "stored": 0, "duplicate": 0, "rejected": 7}


def test_a_part_of_a_batch_that_was_refused_can_be_replayed(bridged: Running, client: Client) -> None:
    names = "meter;at;total_m3;total_kwh\n"
    client.publish(f"{UP}/csv", f"{names}W-0001;2026-04-01 10:00:00;500,000;\n".encode())
    bridged.wait_for_received(1)
    second = "W-0001;2026-04-01 11:00:00;0,100;\nE-0001;2026-04-01 11:00:00;;12,5\n"
    client.publish(f"{UP}/csv", (names + second).encode())
    bridged.wait_for_received(3)
    assert reasons(bridged) == {"register_backwards": 1}
    with psycopg.connect(bridged.database_url) as conn:
        utility_id, reject_id = conn.execute("SELECT utility_id, reject_id FROM rejected_message").fetchone() or (0, 0)
        enter(conn, utility_id)
        replayed = operations.replay_reject(
            conn, utility_id=utility_id, reject_id=reject_id, accept_backwards=True, at=town.START
        )
    assert replayed == operations.Replayed(stored=1, duplicates=0, rejected=0)
    assert [(at, register) for at, register, *_ in stored(bridged)["W-0001"]] == [
        ("2026-04-01T01:00:00", 500_000),
        ("2026-04-01T02:00:00", 100),
    ]
    assert [register for _, register, *_ in stored(bridged)["E-0001"]] == [12_500]
