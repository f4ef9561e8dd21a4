"""What intake writes: by COPY, by hand, as history; and what is read of it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from ingest_gateway import operations, queries
from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.domain.wire import instant_us
from ingest_gateway.operations.intake import Taken
from ingest_gateway.store import rejects
from kernel import clock
from kernel.database import Scope, enter_scope
from kernel.period import Period
from registry.operations import add_login
from tests import gateway_town as town
from tests.gateway_intake import Intake, Message
from tests.gateway_running import UP

pytestmark = pytest.mark.store

READING = '{{"meter":"{}","at":"2026-04-01T{:02}:00:00Z","register":{}}}'


@pytest.fixture
def founded(conn: Connection[TupleRow]) -> Connection[TupleRow]:
    utility_id = town.found(conn)
    enter(conn, utility_id)
    return conn


def enter(conn: Connection[TupleRow], utility_id: int = 1) -> None:
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor="test", now=town.START))


def message(*readings: tuple[str, int, int]) -> Message:
    body = ",".join(READING.format(meter, hour, register) for meter, hour, register in readings)
    return Message(UP, b'{"readings":[%s]}' % body.encode())


def take(conn: Connection[TupleRow], *messages: Message) -> Taken:
    """Take messages in by the gateway's own way, and settle them; the transaction after it is the test's."""
    conn.commit()
    taken = Intake(conn).take(messages)
    enter(conn)
    return taken


def stored(conn: Connection[TupleRow]) -> list[TupleRow]:
    return conn.execute("SELECT meter_id, read_at, register FROM reading ORDER BY meter_id, read_at").fetchall()


def test_the_gateways_role_may_do_all_of_it(founded: Connection[TupleRow]) -> None:
    founded.execute("SET ROLE suiden_gateway")
    first = take(founded, message(("W-0001", 1, 5)))
    second = take(founded, message(("W-0001", 1, 5), ("W-0001", 1, 6), ("W-0002", 1, 9)))
    third = take(founded, message(("W-0001", 1, 5)), message(("W-0001", 0, 4)))
    assert (first.stored, second.stored, second.duplicates, second.rejected) == (1, 1, 1, 1)
    assert (third.stored, third.duplicates) == (1, 1)


def test_copy_refuses_what_others_stored_and_it_is_sorted_out_one_by_one(founded: Connection[TupleRow]) -> None:
    intake = Intake(founded)
    batch = [message(("W-0001", 1, 5), ("W-0001", 2, 6))]
    prepared = intake.prepare(batch)
    Intake(founded, worker="another").take([message(("W-0001", 1, 5))])
    with pytest.raises(errors.UniqueViolation):
        intake.commit(prepared)
    founded.rollback()
    enter(founded)
    assert [row[2] for row in stored(founded)] == [5]
    founded.rollback()
    again = intake.commit_one_by_one(prepared)
    assert (again.received, again.stored, again.duplicates) == (2, 1, 1)


def test_our_ack_and_the_newest_reading_come_with_the_settlement_and_not_before(
    founded: Connection[TupleRow],
) -> None:
    numbered = Message(UP, b'{"seq":1,"boot":"a","readings":[' + READING.format("W-0001", 1, 5).encode() + b"]}")
    intake = Intake(founded)
    intake.commit(intake.prepare([numbered]))
    followed = (
        "SELECT (SELECT count(*) FROM meter_latest) + (SELECT count(*) FROM sender_sequence), count(*) FROM event"
    )
    enter(founded)
    assert [row[2] for row in stored(founded)] == [5]
    assert founded.execute(followed.encode()).fetchone() == (0, 0)
    assert [ack.through for ack in intake.settle().values()] == [1]
    enter(founded)
    assert founded.execute(followed.encode()).fetchone() == (2, 1)


def reader(conn: Connection[TupleRow]) -> int:
    return add_login(
        conn,
        utility_id=1,
        login_name="reader",
        display_name="検針員",
        password="suiden",
        roles=["reader"],
        locale="ja",
    )


def entry(serial: str, register: int, *, at: datetime = town.START) -> operations.HandheldEntry:
    return operations.HandheldEntry(
        entry_id=uuid4(), serial=serial, read_at=at, register=register, entered_at=at, note="門の内", reason_code=""
    )


def test_entries_by_hand_are_validated_stored_once_and_answered_alike_when_sent_again(
    founded: Connection[TupleRow],
) -> None:
    login_id = reader(founded)
    given_entries = [
        entry("W-0001", 1_000),
        entry("W-NONE", 1_000),
        entry("W-0002", 10**9),
        entry("W-0003", 5, at=town.START + timedelta(days=2)),
    ]
    given_entries.append(entry("W-0001", 2_000))  # the same instant, another value: for review
    founded.execute("SET ROLE suiden_app")
    for _ in range(2):
        outcomes = operations.take_in_entries(
            founded, utility_id=1, entries=given_entries, login_id=login_id, now=town.START
        )
        assert [(one.outcome, one.reject_reason) for one in outcomes] == [
            ("stored", None),
            ("rejected", "unknown_meter"),
            ("rejected", "out_of_range"),
            ("rejected", "clock_ahead"),
            ("rejected", "conflict"),
        ]
    founded.execute("RESET ROLE")
    assert [row[2] for row in stored(founded)] == [1_000]
    assert founded.execute("SELECT count(*) FROM event WHERE topic = 'intake.batch_stored'").fetchone() == (1,)
    assert founded.execute("SELECT register FROM meter_latest").fetchall() == [(1_000,)]


@pytest.mark.parametrize(("rate", "outcome"), [(None, "clock_ahead"), (1.0, "clock_ahead"), (4_320.0, None)])
def test_how_far_ahead_a_handheld_may_be_follows_from_how_fast_the_clock_runs(
    founded: Connection[TupleRow], rate: float | None, outcome: str | None
) -> None:
    login_id = reader(founded)
    founded.execute("DELETE FROM utility_clock")
    if rate is not None:
        clock.set_time(founded, utility_now=town.START, rate=rate, running=True)
    founded.execute("SET ROLE suiden_app")
    ahead = entry("W-0001", 1_000, at=town.START + timedelta(hours=1))
    [answer] = operations.take_in_entries(founded, utility_id=1, entries=[ahead], login_id=login_id, now=town.START)
    assert answer.reject_reason == outcome


def test_a_message_from_an_hour_ahead_is_refused_again_where_the_clock_runs_as_on_the_wall(
    founded: Connection[TupleRow],
) -> None:
    clock.set_time(founded, utility_now=town.START, rate=1.0, running=True)
    take(founded, message(("W-NEW", 1, 5)))
    reject_id = queries.rejected_page(founded, utility_id=1, before=None, limit=1)[0].reject_id
    founded.execute("UPDATE meter SET serial = 'W-NEW' WHERE serial = 'W-0002'")
    an_hour_before = datetime(2026, 4, 1, 0, tzinfo=UTC)
    replayed = operations.replay_reject(
        founded, utility_id=1, reject_id=reject_id, accept_backwards=False, at=an_hour_before
    )
    assert replayed == operations.Replayed(stored=0, duplicates=0, rejected=1)


def test_registers_are_the_newest_at_or_before_an_instant_and_say_how_they_were_come_by(
    founded: Connection[TupleRow],
) -> None:
    login_id = reader(founded)
    take(founded, message(("W-0001", 1, 5), ("W-0001", 2, 7), ("W-0002", 0, 3)))
    operations.take_in_entries(founded, utility_id=1, entries=[entry("W-0004", 9)], login_id=login_id, now=town.START)
    ids = {serial: town.meter_id(founded, serial) for serial in ("W-0001", "W-0002", "W-0003", "W-0004")}
    operations.revise_reading(
        founded,
        utility_id=1,
        meter_id=ids["W-0002"],
        read_at=datetime(2026, 4, 1, 0, tzinfo=UTC),
        register=4,
        method="edited",
        reason="a digit was misread",
        decided_by="office",
        at=town.START,
    )
    founded.execute("SET ROLE suiden_worker")

    def registers(at: datetime, max_age: timedelta) -> dict[int, tuple[int, str]]:
        found = queries.registers_at(founded, utility_id=1, meter_ids=list(ids.values()), at=at, max_age=max_age)
        return {meter_id: (one.register, one.method) for meter_id, one in found.items()}

    assert registers(town.START, timedelta(days=1)) == {
        ids["W-0001"]: (7, "read"),
        ids["W-0002"]: (4, "edited"),
        ids["W-0004"]: (9, "handheld"),
    }
    assert registers(datetime(2026, 4, 1, 1, 59, tzinfo=UTC), timedelta(days=1))[ids["W-0001"]] == (5, "read")
    assert registers(town.START, timedelta(minutes=90)) == {ids["W-0001"]: (7, "read"), ids["W-0004"]: (9, "handheld")}


def test_the_newest_reading_keeps_what_the_batch_said_before_it(founded: Connection[TupleRow]) -> None:
    said = b"""{"readings":[{"meter":"W-0001","at":"2026-04-01T01:00:00Z","register":7,"battery_pct":80},
                            {"meter":"W-0001","at":"2026-04-01T01:15:00Z","pressure_kpa":300.0}]}"""
    take(founded, Message(UP, said))
    newest = founded.execute("SELECT register, battery_pct, pressure_kpa FROM meter_latest").fetchall()
    assert newest == [(7, 80, 300.0)]


def test_readings_outside_the_scope_are_refused_and_not_silently_empty(founded: Connection[TupleRow]) -> None:
    founded.execute("SELECT set_config('suiden.utility_id', '', true)")
    with pytest.raises(queries.ScopeMissing):
        queries.registers_at(founded, utility_id=1, meter_ids=[1], at=town.START, max_age=timedelta(days=1))


def test_pages_read_the_newest_readings_a_series_and_whether_data_has_landed(founded: Connection[TupleRow]) -> None:
    take(founded, message(("W-0001", 1, 5), ("W-0001", 2, 7), ("E-0001", 1, 3), ("W-9999", 1, 1)))
    meter_id = town.meter_id(founded, "W-0001")
    founded.execute("SET ROLE suiden_app")
    period = Period(town.START - timedelta(days=1), town.START)
    found = queries.readings(founded, utility_id=1, meter_id=meter_id, period=period, limit=10)
    assert [reading.register for reading in found] == [7, 5]
    assert queries.latest(founded, utility_id=1, meter_ids=[meter_id])[meter_id].register == 7
    page = queries.latest_page(founded, utility_id=1, after="", limit=3, kind="water")
    assert [(row.serial, row.register) for row in page] == [("0014a807", None), ("12353648", None), ("33225544", None)]
    following = queries.latest_page(founded, utility_id=1, after="W-0000", limit=1)
    assert [(row.serial, row.point_number, row.register) for row in following] == [("W-0001", "P-W-0001", 7)]
    landed = queries.landed(founded, utility_id=1, meter_id=meter_id)
    assert landed.latest is not None
    assert [sender.name for sender in landed.senders] == [town.CONCENTRATOR]
    rejected = queries.rejected_page(founded, utility_id=1, before=None, limit=10)
    assert [(one.reason, one.times) for one in rejected] == [("unknown_meter", 1)]
    assert queries.rejected_page(founded, utility_id=1, before=rejected[0].reject_id, limit=10) == []


def test_a_refused_message_can_be_replayed_once_its_cause_is_gone(founded: Connection[TupleRow]) -> None:
    take(founded, message(("W-NEW", 1, 5), ("W-0001", 1, 6)))
    reject_id = queries.rejected_page(founded, utility_id=1, before=None, limit=1)[0].reject_id
    founded.execute("UPDATE meter SET serial = 'W-NEW' WHERE serial = 'W-0002'")
    founded.execute("SET ROLE suiden_app")
    for expected in (operations.Replayed(1, 0, 0), operations.Replayed(0, 1, 0)):
        replayed = operations.replay_reject(
            founded, utility_id=1, reject_id=reject_id, accept_backwards=False, at=town.START
        )
        assert replayed == expected


def test_refused_messages_are_bounded_by_age_and_by_number_for_each_utility(founded: Connection[TupleRow]) -> None:
    def refuse(utility_id: int | None, number: int, at: datetime) -> None:
        refusal = Refusal(utility_id, "a/topic", f"{utility_id} {number}".encode(), "malformed", "")
        rejects.keep(founded, refusals=[refusal], at=at)

    for number in range(5):
        for utility_id in (1, None):
            refuse(utility_id, number, town.START + timedelta(hours=number))
    refuse(2, 0, town.START)
    founded.execute("SET ROLE suiden_worker")
    assert operations.forget_rejected(founded, last_before=town.START, keep=3) == 4
    newest = founded.execute(
        "SELECT convert_from(payload, 'UTF8') FROM rejected_message WHERE utility_id = 1"
    ).fetchall()
    assert sorted(newest) == [("1 2",), ("1 3",), ("1 4",)]
    assert operations.forget_rejected(founded, last_before=town.START + timedelta(hours=3), keep=3) == 3
    left = founded.execute("SELECT utility_id, count(*) FROM rejected_message GROUP BY utility_id").fetchall()
    assert sorted(left, key=str) == [(1, 2), (None, 2)]


def test_history_is_loaded_with_every_column_and_the_newest_reading_of_each_meter(
    founded: Connection[TupleRow],
) -> None:
    first_us = instant_us(town.START - timedelta(days=2))
    count = 2_000
    meters = np.array([town.meter_id(founded, "W-0001"), town.meter_id(founded, "E-0001")], dtype=np.int64)
    flow = np.where(np.arange(count) % 3 == 0, np.nan, 1.5)
    block = operations.ReadingBlock(
        meter_id=np.repeat(meters, count // 2),
        read_at_us=np.tile(first_us + np.arange(count // 2, dtype=np.int64) * 60_000_000, 2),
        register=np.arange(count, dtype=np.int64),
        flow=flow,
        battery_pct=np.where(np.arange(count) % 2 == 0, -1, 77),
        flags=np.full(count, 3, dtype=np.int64),
    )
    founded.execute("SET ROLE suiden_worker")
    assert operations.load_history(founded, utility_id=1, readings=block, now=town.START) == count
    counted = founded.execute(
        "SELECT count(*), count(flow), count(battery_pct), sum(register), min(flags), count(pressure_kpa) FROM reading"
    ).fetchone()
    assert counted == (count, int(np.isfinite(flow).sum()), count // 2, count * (count - 1) // 2, 3, 0)
    newest = founded.execute("SELECT register FROM meter_latest ORDER BY meter_id").fetchall()
    assert sorted(newest) == [(count // 2 - 1,), (count - 1,)]
    assert founded.execute("SELECT count(*) FROM event WHERE topic = 'intake.batch_stored'").fetchone() == (0,)


def test_a_history_whose_arrays_do_not_fit_is_refused(founded: Connection[TupleRow]) -> None:
    one, two = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.int64)
    block = operations.ReadingBlock(meter_id=one, read_at_us=one, register=two)
    with pytest.raises(operations.HistoryUnusable, match="register has 2"):
        operations.load_history(founded, utility_id=1, readings=block, now=town.START)


def test_the_web_cannot_store_readings_of_another_utility(founded: Connection[TupleRow]) -> None:
    founded.execute("SET ROLE suiden_app")
    with pytest.raises(errors.InsufficientPrivilege), founded.transaction():
        founded.execute("INSERT INTO reading (utility_id, meter_id, read_at, batch_id) VALUES (2, 1, '2026-04-01Z', 1)")
    founded.execute("INSERT INTO reading (utility_id, meter_id, read_at, batch_id) VALUES (1, 1, '2026-04-01Z', 1)")


def test_the_web_cannot_read_another_utilitys_readings(founded: Connection[TupleRow]) -> None:
    take(founded, message(("W-0001", 1, 5)))
    founded.execute("SET ROLE suiden_app")
    with pytest.raises(errors.InsufficientPrivilege), founded.transaction():
        founded.execute("SELECT 1 FROM reading")
    founded.execute("SELECT set_config('suiden.utility_id', '2', true)")
    assert founded.execute("SELECT count(*) FROM own_reading").fetchone() == (0,)
