"""What is published over a real broker is stored once, or kept with the reason it was refused for."""

import ctypes
import json
import secrets
import threading
import time
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ingest_gateway import operations, queries
from ingest_gateway.domain import decoders
from ingest_gateway.domain.wire import Telegram
from tests import gateway_town as town
from tests.gateway_running import AT, UP, Client, Running, enter, known_protocol, reading, reasons

pytestmark = [pytest.mark.store, pytest.mark.gateway]

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "wmbusmeters" / "recorded.jsonl"


def test_each_message_is_stored_once_or_kept_with_its_reason(running: Running, client: Client) -> None:
    good = {
        "seq": 1,
        "readings": [
            reading("W-0001", flow=12.5, pressure_kpa=301.5, battery_pct=88, flags=["tamper", "never heard of"]),
            reading("E-0001", register=5_000, voltage_v=[101.25]),
            {"meter": "W-0002", "at": 1_775_012_400_000, "register": 7},
        ],
    }
    client.publish(UP, good)
    client.publish(UP, good)  # a duplicate: three readings
    client.publish(UP, {"readings": [reading("W-0001", register=101)]})
    client.publish(UP, b"{not json")
    client.publish(UP, b"\xff\xfe")
    client.publish(UP, b'{"readings":' + b"[" * 1000 + b"]" * 1000 + b"}")
    client.publish(UP, b'{"readings":[{"meter":"W-0003","at":1,"flow":NaN}]}')
    client.publish(UP, b'{"readings":[' + b" " * 300_000 + b"]}")
    client.publish(UP, {"readings": [reading("W-9999")]})
    client.publish(UP, {"readings": [reading("W-SELF")]})
    client.publish(UP, {"readings": [reading("W-0003", at="2026-04-01T03:15:01Z")]})
    client.publish(UP, {"readings": [reading("W-0003", at="2020-01-01T00:00:00Z")]})
    client.publish(UP, {"readings": [reading("W-0003", register=10**9)]})
    client.publish(UP, {"readings": [reading("W-0003", register=None)]})
    client.publish(UP, {"readings": [reading("W-0003", voltage_v=[100.0])]})
    client.publish(UP, {"readings": [{"meter": "W-0004", "at": AT, "register": 1.5}, reading("W-0005")]})
    client.publish("suiden/v1/hinode/nobody/up", {"readings": [reading("W-0001")]})
    client.publish("suiden/v1/elsewhere/C-1/up", {"readings": [reading("W-0001")]})
    client.publish("suiden/v2/hinode/C-1/up", {"readings": []})
    running.wait_for_received(24)
    assert running.counts() == {"received": 24, "stored": 4, "duplicate": 3, "rejected": 17}
    assert reasons(running) == {
        "clock_ahead": 1,
        "conflict": 1,
        "malformed": 3,
        "no_register": 1,
        "not_finite": 1,
        "not_this_sender": 1,
        "out_of_range": 1,
        "too_deep": 1,
        "too_large": 1,
        "too_old": 1,
        "unit_mismatch": 1,
        "unknown_format": 1,
        "unknown_meter": 1,
        "unknown_sender": 1,
        "unknown_utility": 1,
    }
    stored = running.ask(
        """
        SELECT m.serial, r.register, r.flow, r.pressure_kpa, r.voltage_1_v, r.battery_pct, r.flags
        FROM reading r JOIN meter m USING (utility_id, meter_id) ORDER BY m.serial
        """
    )
    assert stored == [
        ("E-0001", 5000, None, None, 101.25, None, 0),
        ("W-0001", 100, 12.5, 301.5, None, 88, 1 | 1 << 30),
        ("W-0002", 7, None, None, None, None, 0),
        ("W-0005", 100, None, None, None, None, 0),
    ]
    assert running.ask("SELECT payload_bytes, length(payload) FROM rejected_message WHERE reason = 'too_large'") == [
        (300_015, 65_536)
    ]
    assert running.ask("SELECT utility_id FROM rejected_message WHERE reason = 'unknown_utility'") == [(None,)]


def test_every_message_in_a_burst_is_accounted_for(running: Running, client: Client) -> None:
    start = town.START - timedelta(hours=10)
    for number in range(1, 101):
        at = (start + timedelta(minutes=number)).isoformat()
        client.publish(UP, {"seq": number, "readings": [reading(f"W-{n:04}", at, number) for n in range(1, 11)]})
    running.wait_for_received(1000)
    assert running.counts() == {"received": 1000, "stored": 1000, "duplicate": 0, "rejected": 0}
    assert running.ask("SELECT count(*)::int, sum(stored)::int FROM intake_batch")[0][1] == 1000
    batches = running.ask("SELECT count(*) FROM intake_batch")
    assert running.ask("SELECT count(*) FROM event WHERE topic = 'intake.batch_stored'") == batches
    running.wait_for(lambda: (UP[:-2] + "ack", {"through": 100, "missing": []}) in client.received)


def test_a_message_that_no_table_or_decoder_was_made_for_does_not_keep_the_others_out(
    running: Running, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = decoders.decode

    def stumbling(*, topic: str, payload: bytes, bridges: decoders.Bridges, max_bytes: int) -> Telegram:
        if payload == b"stumble":
            raise KeyError("something that nobody thought of")
        return decode(topic=topic, payload=payload, bridges=bridges, max_bytes=max_bytes)

    monkeypatch.setattr(decoders, "decode", stumbling)
    client.publish("wmbusmeters/" + secrets.token_hex(3_000), {"id": "too long for any index"})
    client.publish("wmbusmeters/house", b"stumble")
    client.publish(UP, {"readings": [reading("W-0001")]})
    running.wait_for_received(3)
    assert running.counts() == {"received": 3, "stored": 1, "duplicate": 0, "rejected": 2}
    assert reasons(running) == {"malformed": 1, "unknown_topic": 1}


def test_late_data_is_stored_and_does_not_move_the_newest_reading_back(running: Running, client: Client) -> None:
    client.publish(UP, {"readings": [reading("W-0001", "2026-04-01T03:00:00Z", 300, pressure_kpa=280.0)]})
    running.wait_for_received(1)
    client.publish(UP, {"readings": [reading("W-0001", "2026-04-01T01:00:00Z", 100, pressure_kpa=310.0)]})
    running.wait_for_received(2)
    assert running.ask("SELECT register, pressure_kpa FROM meter_latest") == [(300, 280.0)]
    assert running.counts()["stored"] == 2


def test_one_reading_that_is_too_high_does_not_shut_a_meter_out(running: Running, client: Client) -> None:
    registers = [1_000, 90_000_000, 1_002, 1_003, 1_004, 1_005, 1_006]
    for number, register in enumerate(registers[:5]):
        client.publish(UP, {"readings": [reading("W-0001", f"2026-04-01T01:{number:02}:00Z", register)]})
        running.wait_for_received(number + 1)
    assert running.ask("SELECT register, fallen_register, fallen_readings FROM meter_latest") == [
        (90_000_000, 1_004, 3)
    ]
    last = [reading("W-0001", f"2026-04-01T01:{number:02}:00Z", registers[number]) for number in (5, 6)]
    client.publish(UP, {"readings": last})
    running.wait_for_received(7)
    assert running.counts() == {"received": 7, "stored": 4, "duplicate": 0, "rejected": 3}
    assert running.ask("SELECT register, fallen_register, fallen_readings FROM meter_latest") == [(1_006, None, None)]


def test_a_register_that_falls_is_refused_until_someone_says_that_it_is_true(running: Running, client: Client) -> None:
    client.publish(UP, {"readings": [reading("W-0001", "2026-04-01T02:00:00Z", 500_000)]})
    running.wait_for_received(1)
    client.publish(UP, {"readings": [reading("W-0001", "2026-04-01T02:15:00Z", 100)]})
    client.publish(UP, {"readings": [reading("W-0001", "2026-04-01T02:30:00Z", 499_990)]})  # it swings back a little
    running.wait_for_received(3)
    assert reasons(running) == {"register_backwards": 1}
    with psycopg.connect(running.database_url) as conn:
        utility_id, reject_id = conn.execute("SELECT utility_id, reject_id FROM rejected_message").fetchone() or (0, 0)
        enter(conn, utility_id)
        replayed = operations.replay_reject(
            conn, utility_id=utility_id, reject_id=reject_id, accept_backwards=True, at=town.START
        )
    assert replayed == operations.Replayed(stored=1, duplicates=0, rejected=0)
    assert running.ask("SELECT count(*) FROM reading") == [(3,)]


def test_a_gap_in_the_numbers_is_told_until_it_is_filled(running: Running, client: Client) -> None:
    ack = UP[:-2] + "ack"
    client.publish(UP, {"seq": 1, "readings": [reading("W-0001", "2026-04-01T01:00:00Z", 1)]})
    client.publish(UP, {"seq": 4, "readings": [reading("W-0001", "2026-04-01T01:03:00Z", 4)]})
    running.wait_for(lambda: (ack, {"through": 4, "missing": [2, 3]}) in client.received)
    client.publish(UP, {"seq": 3, "readings": [reading("W-0001", "2026-04-01T01:02:00Z", 3)]})
    running.wait_for(lambda: (ack, {"through": 4, "missing": [2]}) in client.received)
    with psycopg.connect(running.database_url) as conn:
        health = queries.gateway_health(conn, utility_id=1)
    assert [(gap.through, gap.missing_count, gap.filled) for gap in health.gaps] == [(4, 1, 1)]
    client.publish(UP, {"seq": 2, "readings": [reading("W-0001", "2026-04-01T01:01:00Z", 2)]})
    running.wait_for(lambda: (ack, {"through": 4, "missing": []}) in client.received)


def test_recorded_telegrams_of_wmbusmeters_land_on_their_meters(running: Running, client: Client) -> None:
    with psycopg.connect(running.database_url) as conn:
        conn.execute("UPDATE utility_clock SET utility_anchor = '2026-04-02T00:00:00Z'")
    time.sleep(2.5)  # the gateway looks at the clock row every two seconds
    lines = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    for line in lines:
        client.publish(line["topic"], line["payload"].encode())
    running.wait_for_received(len(lines))
    stored = running.ask(
        "SELECT m.serial, r.register FROM reading r JOIN meter m USING (utility_id, meter_id) ORDER BY serial, read_at"
    )
    assert ("33225544", 123_529) in stored
    assert ("10101010", 15_694_050) in stored
    counts = running.counts()
    assert counts["received"] == counts["stored"] + counts["duplicate"] + counts["rejected"]
    assert counts["stored"] >= 5


def test_mqtt_5_is_spoken_where_the_broker_does_and_3_1_1_elsewhere(founded: str, broker_url: str) -> None:
    running = Running(founded, broker_url)
    try:
        is_embedded = known_protocol(broker_url) != broker_url
        assert running.health()["broker_protocol"] == ("3.1.1" if is_embedded else "5")
    finally:
        running.close()


def test_a_database_that_does_not_answer_is_given_up_and_asked_again(founded: str, broker_url: str) -> None:
    running, client = Running(founded, known_protocol(broker_url), deadline_s=1.0), Client(broker_url)
    try:
        with psycopg.connect(founded) as conn:
            conn.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
            client.publish(UP, {"readings": [reading("W-0001")]})
            running.wait_for(lambda: running.health().get("database_ok") is False)
            assert running.count("received") == 0
        running.wait_for_received(1)
        assert running.ask("SELECT count(*) FROM reading") == [(1,)]
    finally:
        client.close()
        running.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_connection_comes_back_after_its_thread_died(running: Running, client: Client) -> None:
    thread = next(thread for thread in threading.enumerate() if thread.name == "mqtt")
    raise_in(thread, SystemExit)
    running.wait_for(lambda: running.health().get("thread_restarts") == 1 and running.health()["broker_connected"])
    client.publish(UP, {"readings": [reading("W-0001")]})
    running.wait_for_received(1)
    assert running.counts()["stored"] == 1


def raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(error))
