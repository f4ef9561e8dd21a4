"""What follows from a commit follows once: at its settlement, after a crash, and where the answer was lost."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection, OperationalError, errors
from psycopg.rows import TupleRow

from ingest_gateway.operations import committing
from ingest_gateway.operations.settling import left_behind, settle
from ingest_gateway.store import pending
from kernel.clock import wall_now
from tests import gateway_town as town
from tests.gateway_intake import (
    WORKER,
    Broker,
    Intake,
    Message,
    Writing,
    acks_on,
    as_gateway,
    message,
    reading,
    state,
    wipe,
)

MINUTE = timedelta(minutes=1)
SETTLED = """
    SELECT (SELECT count(*) FROM intake_pending)::int, (SELECT count(*) FROM intake_batch)::int,
           (SELECT count(*) FROM event WHERE topic = 'intake.batch_stored')::int
    """


def one(conn: Connection[TupleRow], query: str) -> Any:
    found = conn.execute(query.encode()).fetchone()
    conn.rollback()
    return found


# Two commits of one window: numbers with a gap and other counts, late readings, two of an instant, registers that fall.
PARTS = [
    [
        message(reading(-90, 50_000), reading(-90, 7, "E-0001"), seq=3, boot="a"),
        message(reading(-60, 50_001, battery_pct=80), seq=4, boot="a", oldest=2),
        message(reading(-60, 9, "W-SELF"), sender="W-SELF", seq=1),
        message(reading(-30, None, flow=3.5), reading(-60, 50_009)),
    ],
    [
        message(reading(-75, 50_000), reading(-75, 1, "W-0002"), seq=5, boot="b"),
        message(reading(-15, 40, "W-0001"), seq=2, boot="b"),
        message(reading(-30, 10, "W-SELF"), sender="W-SELF", seq=2),
        message(reading(-30, 3, "W-NONE")),
        Message(f"suiden/v1/{town.CODE}/W-OTHER/up", b"{not json"),
    ],
]


def test_a_crash_between_commit_and_settlement_ends_as_settling_at_once(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    ends: list[Any] = []
    for is_crash in (False, True):
        wipe(conn)
        intake = Intake(gateway)
        for part in PARTS:
            intake.commit(intake.prepare(part))
        assert one(conn, SETTLED) == (2, 0, 0)
        if is_crash:
            assert intake.settle_what_was_left() == 1
        else:
            assert {ack.through for ack in intake.settle().values()} == {5, 2}
        assert one(conn, SETTLED) == (0, 2, 2)
        ends.append(state(conn))
    assert ends[0] == ends[1]
    assert [row[1:6] for row in ends[0]["sequences"]] == [(5, "{[1,2),[3,5)}", 1, "b", 1), (2, "{}", 0, "", 1)]
    assert [(row[0], row[3]) for row in ends[0]["latest"]] == [
        ("E-0001", 7),
        ("W-0001", 50_001),
        ("W-0002", 1),
        ("W-SELF", 10),
    ]
    assert ends[0]["counted"] == [(12, 8, 0, 4)]


def test_each_part_settled_by_itself_ends_as_all_together(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    ends: list[Any] = []
    for is_apart in (False, True):
        wipe(conn)
        intake = Intake(gateway)
        for part in PARTS:
            intake.commit(intake.prepare(part))
            if is_apart:
                intake.settle()
        intake.settle()
        ends.append(state(conn))
    assert ends[0] == ends[1]


def test_settling_again_what_is_settled_changes_nothing(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    intake = Intake(gateway)
    intake.commit(intake.prepare(PARTS[0]))
    window = intake.window
    assert window is not None
    left = left_behind(gateway, worker=WORKER, committed_before=None)
    gateway.rollback()
    intake.settle()
    settled = state(conn)
    intake._enter()
    assert [settle(gateway, again, worker=WORKER) for again in (window, *left)] == [None, None]
    gateway.commit()
    assert intake.settle_what_was_left() == 0
    assert state(conn) == settled
    assert one(conn, SETTLED) == (0, 2, 2)


def test_only_what_a_worker_itself_left_or_what_is_old_is_adopted(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    for worker, register in ((WORKER, 5), ("another", 6)):
        intake = Intake(gateway, worker=worker)
        intake.commit(intake.prepare([message(reading(-90 + register, register))]))
    assert [window.stored for window in left_behind(gateway, worker=WORKER, committed_before=wall_now() - MINUTE)] == [
        1
    ]
    gateway.rollback()
    conn.execute("UPDATE intake_pending SET committed_at = clock_timestamp() - interval '61 s'")
    conn.commit()
    assert len(left_behind(gateway, worker=None, committed_before=wall_now() - MINUTE)) == 2
    assert len(left_behind(gateway, worker="a third", committed_before=None)) == 0


def test_a_torn_window_is_gathered_anew(conn: Connection[TupleRow], gateway: Connection[TupleRow]) -> None:
    intake = Intake(gateway)
    intake.commit(intake.prepare(PARTS[0]))
    second = intake.prepare(PARTS[1])
    committing.commit(gateway, second, worker=WORKER)  # its answer is lost
    window = second.window
    assert pending.done(gateway, utility_id=1, batch_id=window.batch_id, part=second.part) is not None
    assert pending.done(gateway, utility_id=1, batch_id=window.batch_id, part=second.part + 1) is None
    window.is_torn = True
    window.commits += 1
    intake.settle()
    found = state(conn)
    wipe(conn)
    whole = Intake(gateway)
    for part in PARTS:
        whole.commit(whole.prepare(part))
    whole.settle()
    assert state(conn) == found


def test_a_refused_reading_never_becomes_a_meters_newest(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    intake = Intake(gateway)
    intake.commit(intake.prepare([message(reading(-30, 100))]))
    taken = intake.commit(intake.prepare([message(reading(-30, 999), reading(-60, 50))]))
    assert (taken.stored, taken.reasons) == (1, {"conflict": 1})
    intake.settle()
    assert one(conn, "SELECT register FROM meter_latest") == (100,)


@pytest.mark.parametrize(
    "is_crash",
    [False, True],
)
def test_a_fall_that_a_later_reading_ended_is_over_at_the_settlement_too(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], is_crash: bool
) -> None:
    intake = Intake(gateway)
    intake.take([message(reading(-90, 50_000))])
    assert intake.commit(intake.prepare([message(reading(-60, 10))])).reasons == {"register_backwards": 1}
    assert intake.commit(intake.prepare([message(reading(-30, 50_001))])).stored == 1
    if is_crash:
        intake.settle_what_was_left()
    else:
        intake.settle()
    assert one(conn, "SELECT register, fallen_readings FROM meter_latest") == (50_001, None)


def test_a_register_that_fell_is_refused_one_by_one_before_the_settlement_too(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    intake = Intake(gateway)
    intake.commit(intake.prepare([message(reading(-60, 50_000))]))
    taken = intake.commit_one_by_one(intake.prepare([message(reading(-30, 10))]))
    assert taken.reasons == {"register_backwards": 1}


def test_a_register_that_fell_is_refused_when_what_is_remembered_was_doubted(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    intake = Intake(gateway)
    intake.commit(intake.prepare([message(reading(-60, 50_000))]))
    intake.known.doubt()
    assert intake.commit(intake.prepare([message(reading(-30, 10))])).reasons == {"register_backwards": 1}


def test_a_window_of_which_others_settled_a_part_can_still_be_settled(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    intake = Intake(gateway)
    intake.commit(intake.prepare([message(reading(-60, 5))]))
    [adopted] = left_behind(gateway, worker=WORKER, committed_before=None)
    settle(gateway, adopted, worker="another")
    gateway.commit()
    intake.commit(intake.prepare([message(reading(-30, 6))]))
    try:
        intake.settle()
    except errors.UniqueViolation:
        gateway.rollback()
        intake.settle_what_was_left()  # nor does it ever go away
    found = state(conn)
    assert (found["counted"], found["batched"]) == ([(2, 2, 0, 0)], [(2,)])


class LosesAnswers:
    """A connection on which the answer to a commit is lost, as often as it is told to."""

    def __init__(self, conn: Connection[TupleRow], lost: list[int]) -> None:
        self._conn = conn
        self._lost = lost

    def commit(self) -> None:
        self._conn.commit()
        if self._lost[0]:
            self._lost[0] -= 1
            self._conn.close()
            raise OperationalError("the server closed the connection unexpectedly")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)


def test_a_commit_whose_answer_is_lost_is_found_out_and_counted_once(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_gateway.trouble.RETRY_S", 0.01)
    # One batch is all fresh, and goes in one trip; the other is not.
    for batches in ([[message(reading(-60, 5), seq=2)]], PARTS):
        wipe(conn)
        whole = Intake(gateway)
        for batch in batches:
            whole.commit(whole.prepare(batch))
        whole.settle()
        expected = state(conn)
        wipe(conn)
        intake, lost, broker = Intake(gateway), [0], Broker()
        writing = Writing(database_url, wrap=lambda inner, lost=lost: LosesAnswers(inner, lost))
        for number, batch in enumerate(batches, start=1):
            lost[0] = 1
            writing.write(intake.prepare(batch, acks=acks_on(broker, number)))
            assert lost == [0]
        assert broker.acknowledged == list(range(1, len(batches) + 1))
        assert not writing.doubts
        intake.settle()
        assert state(conn) == expected
        assert writing.totals.received == expected["counted"][0][0]
        writing.connection.close()


def test_a_line_that_is_cut_before_the_commit_leaves_nothing_and_the_batch_is_written_once(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_gateway.trouble.RETRY_S", 0.01)
    kills = [1]
    note = pending.add

    def cut(inner: Connection[TupleRow], **more: Any) -> None:
        if kills[0]:
            kills[0] -= 1
            conn.execute("SELECT pg_terminate_backend(%s, 5000)", [inner.info.backend_pid])
            conn.commit()
        note(inner, **more)

    monkeypatch.setattr(pending, "add", cut)
    intake, broker = Intake(gateway), Broker()
    writing = Writing(database_url)
    writing.write(intake.prepare([message(reading(-60, 5), reading(-30, 6))], acks=acks_on(broker, 7)))
    intake.settle()
    assert (kills, broker.acknowledged, state(conn)["counted"]) == ([0], [7], [(2, 2, 0, 0)])
    writing.connection.close()


def test_nothing_is_acknowledged_and_all_is_given_up_when_the_broker_went_away_before_the_database_came_back(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_gateway.trouble.RETRY_S", 0.01)
    intake, broker = Intake(gateway), Broker()
    broker.is_up = False

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("ingest_gateway.writer.commit", away)
    writing = Writing(database_url)
    writing.write(intake.prepare([message(reading(-60, 5))], acks=acks_on(broker, 7)))
    assert (broker.acknowledged, writing.doubts, state(conn)["stored"]) == ([], True, [])
    writing.connection.close()


def test_what_others_stored_meanwhile_is_a_duplicate_and_what_was_remembered_is_dropped(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], database_url: str
) -> None:
    intake, broker = Intake(gateway), Broker()
    prepared = intake.prepare([message(reading(-60, 5), reading(-30, 6))], acks=acks_on(broker, 7))
    Intake(gateway, worker="another").take([message(reading(-60, 5))])
    writing = Writing(database_url)
    writing.write(prepared)
    intake.settle()
    assert (broker.acknowledged, writing.doubts) == ([7], True)
    assert (writing.totals.stored, writing.totals.duplicates) == (1, 1)
    assert [row[2] for row in state(conn)["stored"]] == [5, 6]
    writing.connection.close()


def test_rights_do_for_settling_what_was_left_without_a_scope(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], database_url: str
) -> None:
    intake = Intake(gateway)
    intake.commit(intake.prepare(PARTS[0]))
    gateway.close()
    with as_gateway(database_url) as fresh:
        [window] = left_behind(fresh, worker=WORKER, committed_before=None)
        assert settle(fresh, window, worker=WORKER)
        fresh.commit()
    assert one(conn, SETTLED) == (0, 2, 2)


def test_several_windows_of_the_same_meter_that_were_left_are_settled_together(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    intake = Intake(gateway)
    for minutes, register in ((-60, 5), (-30, 6), (-90, 4)):  # the last of them late
        intake.commit(intake.prepare([message(reading(minutes, register))]))
        intake.window = None
    assert intake.settle_what_was_left() == 3
    assert conn.execute("SELECT register FROM meter_latest").fetchall() == [(6,)]
    assert conn.execute("SELECT count(*), sum(stored) FROM intake_batch").fetchone() == (3, 3)
    assert conn.execute("SELECT count(*) FROM intake_pending").fetchone() == (0,)


def test_a_fall_ends_with_a_later_reading_of_any_kind(
    conn: Connection[TupleRow], gateway: Connection[TupleRow]
) -> None:
    for is_crash in (False, True):
        wipe(conn)
        intake = Intake(gateway)
        intake.take([message(reading(-90, 50_000))])
        intake.commit(intake.prepare([message(reading(-60, 7))]))
        intake.commit_one_by_one(intake.prepare([message(reading(-30, 50_001))]))
        if is_crash:
            intake.settle_what_was_left()
        else:
            intake.settle()
        assert one(conn, "SELECT register, fallen_readings FROM meter_latest") == (50_001, None)
