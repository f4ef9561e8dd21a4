"""Received = stored + duplicate + rejected, and the checks that find where it is not."""

from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from ingest_gateway import operations, queries
from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.domain.wire import instant_us
from ingest_gateway.invariants import INVARIANTS
from ingest_gateway.store import counts, readings, reject_bounds, rejects
from kernel import events, invariants
from kernel.database import Scope, enter_scope
from registry.operations import add_login
from tests import gateway_town as town

pytestmark = pytest.mark.store

DAY = timedelta(days=1)


@pytest.fixture
def founded(conn: Connection[TupleRow]) -> Connection[TupleRow]:
    utility_id = town.found(conn)
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor="test", now=town.START))
    return conn


def broken(conn: Connection[TupleRow]) -> dict[str, str | None]:
    found = invariants.check(conn, invariants=INVARIANTS, wall_now=town.START)
    return {result.name.removeprefix("ingest."): result.example for result in found if result.violations}


def count(conn: Connection[TupleRow], *, worker: str = "g", days: int = 0, **parts: int) -> None:
    given = {"received": 0, "stored": 0, "duplicates": 0, "rejected": 0, **parts}
    at = town.START + days * DAY
    counts.add_counts(conn, utility_id=1, source="mqtt", worker=worker, at=at, **given)


def batch(conn: Connection[TupleRow], *, stored: int, days: int = 0) -> None:
    at = town.START + days * DAY
    conn.execute(
        "INSERT INTO intake_batch (utility_id, batch_id, received_at, source, meter_ids, read_from, read_to, stored)"
        " VALUES (1, nextval('intake_batch_id'), %s, 'mqtt', '{1}', %s, %s, %s)",
        (at, at, at, stored),
    )


def test_counts_of_workers_and_days_add_up(founded: Connection[TupleRow]) -> None:
    founded.execute("SET ROLE suiden_gateway")
    count(founded, received=5, stored=3, duplicates=2)
    count(founded, received=1, rejected=1)
    count(founded, worker="h", received=2, stored=2)
    count(founded, days=1, received=4, stored=4)
    count(founded)
    assert queries.intake_totals(founded, utility_id=1) == [counts.IntakeCount("mqtt", 12, 9, 2, 1)]
    rows = founded.execute("SELECT worker, day::text, received FROM intake_count ORDER BY 1, 2").fetchall()
    assert rows == [("g", "2026-04-01", 6), ("g", "2026-04-02", 4), ("h", "2026-04-01", 2)]


def test_what_was_received_and_went_nowhere_is_found(founded: Connection[TupleRow]) -> None:
    count(founded, received=5, stored=3, duplicates=1)
    assert broken(founded)["received_is_not_its_parts"] == (
        "utility 1, mqtt by g on 2026-04-01: received 5, stored 3, duplicate 1, rejected 0"
    )


def test_a_batch_that_was_not_counted_is_found(founded: Connection[TupleRow]) -> None:
    for day in range(5):
        batch(founded, stored=3, days=day)
        count(founded, received=3, stored=3, days=day)
    assert "stored_is_not_its_batches" not in broken(founded)
    batch(founded, stored=2, days=5)
    assert broken(founded)["stored_is_not_its_batches"] == (
        "utility 1, mqtt on 2026-04-06: counted 0 stored, its batches hold 2"
    )


def test_a_batch_without_its_readings_is_found(founded: Connection[TupleRow]) -> None:
    batch(founded, stored=1)
    assert broken(founded)["batch_is_not_its_readings"] == "utility 1, batch 1 of 1 holds 0"


def test_entries_by_hand_and_history_are_counted_in_their_own_transaction(founded: Connection[TupleRow]) -> None:
    login_id = add_login(
        founded, utility_id=1, login_name="r", display_name="R", password="a long one", roles=["reader"], locale="ja"
    )
    entries = [
        operations.HandheldEntry(UUID(int=number), serial, town.START, register, town.START)
        for number, serial, register in ((1, "W-0001", 7), (2, "W-0001", 7), (3, "W-0001", 8), (4, "W-NONE", 1))
    ]
    founded.execute("SET ROLE suiden_app")
    for _ in range(2):
        operations.take_in_entries(founded, utility_id=1, entries=entries, login_id=login_id, now=town.START)
    founded.execute("RESET ROLE")
    block = operations.ReadingBlock(
        meter_id=np.array([town.meter_id(founded, "E-0001")] * 2),
        read_at_us=np.array([instant_us(town.START - DAY), instant_us(town.START)]),
        register=np.array([1, 2]),
    )
    operations.load_history(founded, utility_id=1, readings=block, now=town.START)
    # No entry can be kept of a meter that is not known: sent again, it is refused once more.
    assert queries.intake_totals(founded, utility_id=1) == [
        counts.IntakeCount("handheld", 5, 1, 1, 3),
        counts.IntakeCount("history", 2, 2, 0, 0),
    ]
    assert broken(founded) == {}


def refuse(conn: Connection[TupleRow], number: int, *, hours: int = 0, size: int = 10, readings: int = 1) -> None:
    refusal = Refusal(1, "a/topic", f"{number:010}".encode().ljust(size, b"."), "malformed", "", readings)
    rejects.keep(conn, refusals=[refusal], at=town.START + timedelta(hours=hours))
    counts.add_counts(
        conn,
        utility_id=1,
        source="mqtt",
        worker="g",
        received=readings,
        stored=0,
        duplicates=0,
        rejected=readings,
        at=town.START,
    )


def kept(conn: Connection[TupleRow]) -> list[int]:
    rows = conn.execute("SELECT left(convert_from(payload, 'UTF8'), 10)::int FROM rejected_message").fetchall()
    return sorted(number for (number,) in rows)


def test_what_was_sent_again_goes_first_then_the_oldest_and_what_went_is_counted(
    founded: Connection[TupleRow],
) -> None:
    for number in range(6):
        refuse(founded, number, hours=number, readings=number + 1)
    newest = queries.rejected_page(founded, utility_id=1, before=None, limit=1)[0]
    rejects.mark_replayed(founded, utility_id=1, reject_id=newest.reject_id, at=town.START)
    founded.execute("SET ROLE suiden_worker")
    assert operations.forget_rejected(founded, last_before=town.START, keep=4) == 2
    assert kept(founded) == [1, 2, 3, 4]
    assert operations.forget_rejected(founded, last_before=town.START, keep=4, keep_bytes=25) == 2
    assert kept(founded) == [3, 4]
    (dropped,) = queries.rejected_dropped(founded, utility_id=1)
    assert (dropped.messages, dropped.readings, dropped.bytes) == (4, 1 + 2 + 3 + 6, 40)
    assert queries.rejected_room(founded, utility_id=1) == reject_bounds.Room(messages=2, bytes=20, waiting=2)
    assert "rejected_is_not_kept" not in broken(founded)


def test_a_refused_message_that_vanished_uncounted_is_found(founded: Connection[TupleRow]) -> None:
    refuse(founded, 1, readings=3)
    founded.execute("DELETE FROM rejected_message")
    assert broken(founded)["rejected_is_not_kept"] == "counted 3 refused readings; 0 are kept and 0 were dropped"


def test_a_flood_of_refused_messages_stays_bounded_without_the_timed_job(
    founded: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "ROOM_MESSAGES", 50)
    monkeypatch.setattr(rejects, "LOOK_FOR_ROOM_EVERY", 20)
    founded.execute("SET ROLE suiden_gateway")
    for start in range(0, 1_000, 10):
        flood = [Refusal(1, "a/topic", b"%d" % (start + n), "malformed", "") for n in range(10)]
        rejects.keep(founded, refusals=flood, at=town.START + timedelta(seconds=start))
    room = queries.rejected_room(founded, utility_id=1)
    assert 50 <= room.messages <= 50 + 20
    assert sum(one.messages for one in queries.rejected_dropped(founded, utility_id=1)) == 1_000 - room.messages


def test_the_web_keeps_refused_messages_and_leaves_making_room_to_others(
    founded: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "ROOM_MESSAGES", 1)
    monkeypatch.setattr(rejects, "LOOK_FOR_ROOM_EVERY", 1)
    founded.execute("SET ROLE suiden_app")
    for number in range(3):
        refuse(founded, number)
    assert kept(founded) == [0, 1, 2]
    with pytest.raises(errors.InsufficientPrivilege):
        reject_bounds.drop(founded, last_before=None, keep=1, keep_bytes=1)


def test_of_a_flood_of_refused_messages_some_are_kept_and_all_are_counted(founded: Connection[TupleRow]) -> None:
    founded.execute("SET ROLE suiden_gateway")
    flood = [Refusal(1, "t", b"%d" % (number % 12), "malformed", "", 2) for number in range(24)]
    rejects.keep(founded, refusals=[*flood, Refusal(None, "t", b"13", "unknown_topic", "")], at=town.START, most=5)
    kept = founded.execute("SELECT count(*), sum(times) FROM rejected_message").fetchone()
    assert kept == (5, 20)
    [own] = reject_bounds.dropped(founded, utility_id=1)
    [of_nobody] = reject_bounds.dropped(founded, utility_id=None)
    assert (own.reason, own.messages, own.readings) == ("malformed", 7, 28)
    assert (of_nobody.reason, of_nobody.messages, of_nobody.readings) == ("unknown_topic", 1, 1)
    count(founded, received=48, rejected=48)
    founded.execute("RESET ROLE")
    assert broken(founded).keys() == {"rejected_is_not_kept"}  # what names no utility is not counted yet
    counts.add_counts(
        founded,
        utility_id=None,
        source="mqtt",
        worker="g",
        received=1,
        stored=0,
        duplicates=0,
        rejected=1,
        at=town.START,
    )
    assert broken(founded) == {}


def test_old_batches_are_forgotten_once_nothing_follows_them_any_more(founded: Connection[TupleRow]) -> None:
    for number, source in enumerate(("mqtt", "handheld", "mqtt", "mqtt"), start=1):
        readings.insert_batch(
            founded,
            utility_id=1,
            batch_id=number,
            received_at=town.START + (number - 4) * DAY,
            source=source,
            meter_ids=[1],
            read_from=town.START,
            read_to=town.START,
            stored=1,
        )
    event = {"key": "batch:3", "payload": {"batch_id": 3}, "occurred_at": town.START}
    events.publish(founded, utility_id=1, topic="intake.batch_stored", **event)
    founded.execute("SET ROLE suiden_worker")
    assert operations.forget_batches(founded, received_before=town.START) == 1
    left = founded.execute("SELECT batch_id FROM intake_batch ORDER BY batch_id").fetchall()
    assert [batch_id for (batch_id,) in left] == [2, 3, 4]
    founded.execute("SET ROLE NONE")
    founded.execute("DELETE FROM event")
    founded.execute("SET ROLE suiden_worker")
    assert operations.forget_batches(founded, received_before=town.START) == 1
