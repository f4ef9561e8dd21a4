"""The comparison of store and logs finds each kind of difference; a harness that cannot fail proves nothing."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.multirange import Int8Multirange
from psycopg.types.range import Int8Range

from suiden.torture import fleet, store
from suiden.torture.comparison import Comparison
from suiden.torture.senders import EPOCH, LoggedReading, Sender

MESSAGES = 5
START_US = int(fleet.START.timestamp()) * 1_000_000


class Compared:
    """Three senders that have read a few times, and a store that holds just that."""

    def __init__(self, conn: Connection[TupleRow]) -> None:
        self.conn = conn
        self.truth = store.found(conn, code=fleet.UTILITY, book=fleet.book(), now=fleet.START)
        meters = fleet.meters_by_sender()
        self.senders = [
            Sender(utility=fleet.UTILITY, name=name, password="", serials=meters[name], seed="", loss=0.0, trusts=True)
            for name in ("C-1", "W-SELF-1", "W-SELF-2")
        ]
        self.comparison = Comparison(truth=self.truth, senders=self.senders)

    def read(self, sender: Sender, *, count: int = 1) -> range:
        """Let a sender read, and return the lines that its log has gained."""
        before = sender.entries
        for number in range(before, before + count):
            sender.read(now_us=START_US + number * 1_000_000)
        return range(before, sender.entries)

    def store(self, sender: Sender, entries: Sequence[int]) -> None:
        """Store lines of a log as one batch, as the gateway does."""
        readings = [reading for entry in entries for reading in sender.log.readings(entry)]
        batch = {"utility": self.truth.utility_id, "batch": self.next_batch(), "at": fleet.START}
        self.conn.execute(
            "INSERT INTO intake_batch (utility_id, batch_id, received_at, source, meter_ids, read_from, read_to,"
            " stored) VALUES (%(utility)s, %(batch)s, %(at)s, 'mqtt', %(meters)s, %(first)s, %(last)s, %(stored)s)",
            batch
            | {
                "meters": sorted({self.truth.meters[one.serial] for one in readings}),
                "first": min(instant(one) for one in readings),
                "last": max(instant(one) for one in readings),
                "stored": len(readings),
            },
        )
        for one in readings:
            self.store_reading(one, batch_id=batch["batch"])
        self.conn.execute(
            "INSERT INTO event (utility_id, topic, key, payload, occurred_at)"
            " VALUES (%s, 'intake.batch_stored', %s, %s, %s)",
            [batch["utility"], f"batch:{batch['batch']}", json.dumps({"batch_id": batch["batch"]}), batch["at"]],
        )
        self.number(sender)

    def next_batch(self) -> int:
        row = self.conn.execute("SELECT nextval('intake_batch_id')").fetchone()
        assert row is not None
        return row[0]

    def store_reading(self, one: LoggedReading, *, batch_id: int) -> None:
        row = [self.truth.utility_id, self.truth.meters[one.serial], instant(one), one.register, one.flow]
        self.conn.execute(
            "INSERT INTO reading (utility_id, meter_id, read_at, register, flow, batch_id)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [*row, batch_id],
        )
        self.conn.execute(
            "INSERT INTO meter_latest AS l (utility_id, meter_id, read_at, register, flow, received_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (utility_id, meter_id) DO UPDATE"
            " SET read_at = excluded.read_at, register = excluded.register WHERE excluded.read_at > l.read_at",
            [*row, fleet.START],
        )

    def number(self, sender: Sender, *missing: int) -> None:
        """Note how far a sender's numbers have come."""
        self.conn.execute(
            "INSERT INTO sender_sequence (utility_id, sender_id, through, boot, missing, seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (utility_id, sender_id)"
            " DO UPDATE SET through = excluded.through, boot = excluded.boot, missing = excluded.missing",
            [
                self.truth.utility_id,
                self.truth.senders[sender.name],
                sender.number,
                sender.boot,
                Int8Multirange([Int8Range(number, number + 1) for number in missing]),
                fleet.START,
            ],
        )

    def refuse(self, sender: Sender, entry: int, *, reason: str) -> None:
        readings = [
            {"meter": one.serial, "at": instant(one).isoformat(), "register": one.register}
            for one in sender.log.readings(entry)
        ]
        payload = json.dumps({"seq": entry + 1, "readings": readings}).encode()
        self.conn.execute(
            "INSERT INTO rejected_message (utility_id, topic, payload, payload_bytes, payload_hash, reason, first_at,"
            " last_at, times) VALUES (%s, %s, %s, %s, sha256(%s), %s, %s, %s, %s)",
            [
                *[self.truth.utility_id, sender.name, payload, len(payload), payload, reason],
                *[fleet.START, fleet.START, len(readings)],
            ],
        )

    def differences(self) -> list[str]:
        return self.comparison.differences(self.conn, everything=True)

    def assert_found(self, words: str) -> None:
        found = self.differences()
        assert any(words in one for one in found), found


def instant(one: LoggedReading) -> datetime:
    return EPOCH + timedelta(microseconds=one.read_at_us)


@pytest.fixture
def equal(conn: Connection[TupleRow]) -> Compared:
    compared = Compared(conn)
    for sender in compared.senders:
        compared.store(sender, compared.read(sender, count=MESSAGES))
    assert compared.differences() == []
    return compared


def test_what_is_stored_as_it_was_logged_is_equal_again_and_again(equal: Compared) -> None:
    for sender in equal.senders:
        equal.store(sender, equal.read(sender, count=3))
    assert equal.differences() == []
    assert equal.differences() == []


def test_a_reading_that_was_never_stored_is_found(equal: Compared) -> None:
    sender = equal.senders[0]
    entries = equal.read(sender, count=2)
    equal.store(sender, entries[:1])
    equal.assert_found("readings of C-1 differ")


# What the gateway must never do, done by hand: the store's own rules do not forbid all of it to the owner.
CHANGES: dict[str, tuple[LiteralString, str]] = {
    "lost": ("DELETE FROM reading WHERE ctid = (SELECT min(ctid) FROM reading)", "not stored"),
    "added": (
        """
        INSERT INTO reading (utility_id, meter_id, read_at, register, flow, batch_id)
        SELECT utility_id, meter_id, read_at + interval '7 ms', register, flow, batch_id FROM reading
        ORDER BY read_at, meter_id LIMIT 1
        """,
        "not logged",
    ),
    "changed": (
        "UPDATE reading SET register = register + 1 WHERE ctid = (SELECT min(ctid) FROM reading)",
        "not stored",
    ),
    "counted wrongly": ("UPDATE intake_batch SET stored = stored + 1", "batches say"),
    "told to nobody": ("DELETE FROM event WHERE topic = 'intake.batch_stored'", "told to nobody"),
    "latest moved back": (
        "UPDATE meter_latest SET read_at = read_at - interval '1 s' WHERE ctid = (SELECT min(ctid) FROM meter_latest)",
        "newest readings differ",
    ),
    "latest of another register": ("UPDATE meter_latest SET register = register + 1", "newest readings differ"),
    "numbers behind": ("UPDATE sender_sequence SET through = through - 1", "the gateway says"),
    "numbers missing": ("UPDATE sender_sequence SET missing = '{[2,3)}'", "are missing"),
}


def test_each_change_to_the_store_is_found(equal: Compared) -> None:
    equal.conn.execute("SET session_replication_role = replica")  # no trigger stands in the way
    for query, words in CHANGES.values():
        with equal.conn.transaction(force_rollback=True):
            equal.conn.execute(query)
            equal.assert_found(words)
    assert equal.differences() == []


def test_a_wrong_clock_excuses_what_was_refused_for_it_and_nothing_else(equal: Compared) -> None:
    sender = equal.senders[1]
    sender.suspect(is_wrong=True)
    (excused,) = equal.read(sender)
    sender.suspect(is_wrong=False)
    equal.number(sender)
    equal.assert_found("neither stored nor kept")
    equal.refuse(sender, excused, reason="clock_ahead")
    assert equal.differences() == []
    (other,) = equal.read(sender)
    equal.number(sender)
    equal.refuse(sender, other, reason="clock_ahead")
    equal.assert_found("refused without cause")
    equal.assert_found("refused without cause")


def test_what_a_wrong_clock_excuses_may_be_stored_later(equal: Compared) -> None:
    sender = equal.senders[1]
    sender.suspect(is_wrong=True)
    entries = equal.read(sender)
    equal.number(sender)
    equal.refuse(sender, entries[0], reason="clock_ahead")
    assert equal.differences() == []
    equal.store(sender, entries)
    assert equal.differences() == []


def test_another_reason_than_a_clock_excuses_nothing(equal: Compared) -> None:
    sender = equal.senders[1]
    sender.suspect(is_wrong=True)
    (entry,) = equal.read(sender)
    equal.number(sender)
    equal.refuse(sender, entry, reason="conflict")
    equal.assert_found("refused without cause")


def test_what_a_sender_forgot_is_stored_or_shown_as_a_gap(equal: Compared) -> None:
    sender = equal.senders[0]
    (entry,) = equal.read(sender)
    sender.forgotten[sender.number] = entry
    equal.number(sender)
    equal.assert_found("no gap is shown")
    equal.number(sender, sender.number)
    assert equal.differences() == []
    equal.store(sender, [entry])
    assert equal.differences() == []
