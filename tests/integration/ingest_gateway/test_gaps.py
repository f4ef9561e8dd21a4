"""Gaps: what did not come is seen, asked for within bounds, and closes itself when it comes after all."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.gaps import AskLimits
from ingest_gateway.operations.gaps import (
    ask_for_backfill,
    forget_closed_gaps,
    look_for_gaps,
    sample_clocks,
    tell_of_past_days,
)
from ingest_gateway.queries import gaps as queries
from kernel.period import local_date
from tests import gateway_town as town
from tests.gateway_running import enter

pytestmark = pytest.mark.store

QUARTER = timedelta(minutes=15)
LIMITS = AskLimits.at_rate(1.0, grace_s=900, kept_days=40, most_open=50, most_open_per_sender=4)
NOON = town.START
TOKYO = ZoneInfo("Asia/Tokyo")
_batch = itertools.count(1)


@pytest.fixture
def founded(conn: Connection[TupleRow]) -> Connection[TupleRow]:
    town.found(conn)
    enter(conn, 1)
    return conn


def come(conn: Connection[TupleRow], serial: str, slots: Iterable[int], *, at: datetime = NOON) -> None:
    """Let readings of some quarter hours since noon come, as intake and what follows it do."""
    meter_id, instants = store(conn, serial, slots, at=at)
    days = {(meter_id, local_date(read_at - timedelta(microseconds=1), zone=TOKYO)) for read_at in instants}
    look_for_gaps(conn, utility_id=1, days=days, at=at)


def store(conn: Connection[TupleRow], serial: str, slots: Iterable[int], *, at: datetime) -> tuple[int, list[datetime]]:
    """Let readings be stored, and what follows not have happened yet; return the meter and the instants."""
    meter_id = town.meter_id(conn, serial)
    instants = [NOON + QUARTER * slot for slot in slots]
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (utility_id, meter_id, read_at, batch_id, register) VALUES (1, %s, %s, %s, %s)",
            [(meter_id, read_at, next(_batch), 1000) for read_at in instants],
        )
        cursor.execute(
            """
            INSERT INTO meter_latest AS l (utility_id, meter_id, read_at, received_at) VALUES (1, %s, %s, %s)
            ON CONFLICT (utility_id, meter_id) DO UPDATE
            SET read_at = excluded.read_at, received_at = excluded.received_at
            WHERE excluded.read_at > l.read_at
            """,
            [meter_id, max(instants), at],
        )
    return meter_id, instants


def found(conn: Connection[TupleRow], serial: str) -> list[tuple[float, float | None, int, int, str]]:
    """List a meter's gaps, oldest first, as (slot before, slot after, missing, expected, state)."""
    meter_id = town.meter_id(conn, serial)
    rows = queries.gaps_of_meter(conn, utility_id=1, meter_id=meter_id)
    return sorted(
        (
            (row.after_at - NOON) / QUARTER,
            None if row.before_at is None else (row.before_at - NOON) / QUARTER,
            row.missing,
            row.expected,
            row.state,
        )
        for row in rows
    )


def ask(conn: Connection[TupleRow], at: datetime, limits: AskLimits = LIMITS) -> int:
    return ask_for_backfill(conn, utility_id=1, limits=limits, clock_rate=1.0, at=at)


def asked(conn: Connection[TupleRow]) -> list[tuple[str, str, str, str]]:
    return conn.execute(
        """
        SELECT m.serial, c.arguments ->> 'from', c.arguments ->> 'to', c.state
        FROM meter_command c JOIN meter m USING (utility_id, meter_id)
        WHERE c.purpose = 'gap' ORDER BY c.command_id
        """
    ).fetchall()


def answer(conn: Connection[TupleRow], state: str) -> None:
    conn.execute("UPDATE meter_command SET state = %s WHERE state IN ('queued', 'sent')", [state])


def test_a_hole_between_two_readings_is_a_gap_and_late_data_fills_it(founded: Connection[TupleRow]) -> None:
    come(founded, "W-0001", [0, 1, 2, 6, 7])
    assert found(founded, "W-0001") == [(2, 6, 3, 3, "open")]
    come(founded, "W-0001", [4])
    assert found(founded, "W-0001") == [(2, 6, 2, 3, "open")]
    come(founded, "W-0001", [3, 5])
    assert found(founded, "W-0001") == [(2, 6, 0, 3, "filled")]


def test_a_gap_over_midnight_is_found_once_and_filled_from_either_side(founded: Connection[TupleRow]) -> None:
    midnight = 12 * 4
    come(founded, "W-0001", [midnight - 4, midnight - 3])
    come(founded, "W-0001", [midnight + 4, midnight + 5])
    assert found(founded, "W-0001") == [(midnight - 3, midnight + 4, 6, 6, "open")]
    come(founded, "W-0001", range(midnight - 2, midnight + 1))
    come(founded, "W-0001", range(midnight + 1, midnight + 4))
    assert found(founded, "W-0001") == [(midnight - 3, midnight + 4, 0, 6, "filled")]


def test_a_clock_that_is_off_by_minutes_makes_no_gaps(founded: Connection[TupleRow]) -> None:
    come(founded, "W-0001", [n + (0.4 if n % 3 else 0.0) for n in range(40)])  # type: ignore[misc]
    assert found(founded, "W-0001") == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(list(range(1, 12))), cuts=st.lists(st.integers(1, 5), min_size=2, max_size=6))
def test_any_order_of_arrival_ends_with_every_gap_filled(
    founded: Connection[TupleRow], order: list[int], cuts: list[int]
) -> None:
    with founded.transaction(force_rollback=True):
        come(founded, "W-0002", [0, 12])
        waiting = list(order)
        for cut in [*cuts, len(order)]:
            now, waiting = waiting[:cut], waiting[cut:]
            if now:
                come(founded, "W-0002", now)
            missing = sum(gap[2] for gap in found(founded, "W-0002"))
            assert missing == len(waiting), "what is missing is exactly what has not come"
        assert {gap[4] for gap in found(founded, "W-0002")} == {"filled"}


def test_a_silent_meter_has_an_open_gap_that_ends_with_its_next_reading(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 1])
    ask(founded, NOON + QUARTER * 3)
    assert found(founded, "W-SELF") == [], "three intervals are not over yet"
    ask(founded, NOON + QUARTER * 6)
    assert found(founded, "W-SELF") == [(1, None, 5, 5, "open")]
    assert [row.serial for row in queries.open_gaps_by_meter(founded, utility_id=1)] == ["W-SELF"]
    come(founded, "W-SELF", [8, 9], at=NOON + QUARTER * 9)
    assert found(founded, "W-SELF") == [(1, 8, 6, 6, "open")]
    come(founded, "W-SELF", range(2, 8), at=NOON + QUARTER * 10)
    assert found(founded, "W-SELF") == [(1, 8, 0, 6, "filled")]


def test_a_silence_whose_readings_all_come_at_once_is_filled_at_once(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0])
    ask(founded, NOON + QUARTER * 6)
    come(founded, "W-SELF", range(1, 7), at=NOON + QUARTER * 6)
    [(_, before, missing, _, state)] = found(founded, "W-SELF")
    assert (before, missing, state) == (6, 0, "filled")


def test_a_gap_is_asked_for_after_its_grace_by_instants_inside_it(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON + QUARTER * 4)
    assert ask(founded, NOON + QUARTER * 4) == 0, "the sender may still send it by itself"
    assert ask(founded, NOON + QUARTER * 5) == 1
    assert asked(founded) == [("W-SELF", "2026-04-01T03:07:30Z", "2026-04-01T03:52:30Z", "queued")]
    assert ask(founded, NOON + QUARTER * 5) == 0, "one at a time"


def test_nothing_is_asked_of_a_meter_that_has_another_order_under_way(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON + QUARTER * 4)
    founded.execute(
        """
        INSERT INTO meter_command (utility_id, meter_id, command, purpose, state, queued_at, expires_at)
        SELECT 1, meter_id, 'valve.close', 'operator', 'sent', %(at)s, %(at)s::timestamptz + interval '1 day'
        FROM meter WHERE serial = 'W-SELF'
        """,
        {"at": NOON},
    )
    assert ask(founded, NOON + QUARTER * 6) == 0


def test_an_ask_without_effect_is_repeated_ever_more_seldom(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON)
    times: list[float] = []
    for hour in range(1, 100):
        come(founded, "W-SELF", [4 * hour + 4], at=NOON + timedelta(hours=hour))  # it is heard, with holes of its own
        founded.execute("UPDATE reading_gap SET next_ask_at = 'infinity' WHERE after_at > %s", [NOON])
        if ask(founded, NOON + timedelta(hours=hour)):
            times.append(hour)
            answer(founded, "unknown")
    assert times == [1, 2, 4, 8, 16, 32, 56, 80]


def test_a_dead_concentrator_is_probed_once_and_not_stormed(founded: Connection[TupleRow]) -> None:
    serials = [f"{letter}-{n:04}" for letter in "WE" for n in range(1, 11)]
    for serial in serials:
        come(founded, serial, [0])
    come(founded, "W-SELF", [0, 30], at=NOON + QUARTER * 30)
    at = NOON + QUARTER * 31
    assert [ask(founded, at + timedelta(minutes=5 * n)) for n in range(6)].count(1) == 2
    assert sorted({serial for serial, *_ in asked(founded)}) != [], "something was asked"
    assert len([serial for serial, *_ in asked(founded) if serial != "W-SELF"]) == 1, "one probe for twenty meters"
    counted = queries.gap_counts(founded, utility_id=1)
    assert counted.open == 21, "each is shown all the same"


def test_a_concentrator_that_is_heard_is_asked_for_a_few_meters_at_a_time(founded: Connection[TupleRow]) -> None:
    for n in range(1, 11):
        come(founded, f"W-{n:04}", [0, 10], at=NOON + QUARTER * 10)
    assert ask(founded, NOON + QUARTER * 11) == LIMITS.most_open_per_sender
    assert ask(founded, NOON + QUARTER * 11) == 0
    answer(founded, "done")
    assert ask(founded, NOON + QUARTER * 11) == LIMITS.most_open_per_sender
    few = AskLimits.at_rate(1.0, grace_s=900, kept_days=40, most_open=5, most_open_per_sender=4)
    assert ask(founded, NOON + QUARTER * 11, few) == 0, "the total is bounded too"


def test_a_meter_that_answers_twice_and_does_not_send_it_has_lost_it(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON)
    for hour in range(1, 8):
        ask(founded, NOON + timedelta(hours=hour))
        answer(founded, "failed")
    assert found(founded, "W-SELF")[0] == (0, 4, 3, 3, "lost")
    assert len([until for _, _, until, _ in asked(founded) if until < "2026-04-01T04"]) == 2
    assert found(founded, "W-SELF")[1][4] == "open", "its silence goes on and is never given up"
    come(founded, "W-SELF", [1, 2, 3])
    assert found(founded, "W-SELF")[0] == (0, 4, 0, 3, "filled"), "late data is welcome all the same"


def test_what_no_meter_keeps_any_more_is_not_asked_for(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON)
    assert ask(founded, NOON + timedelta(days=41)) == 0 or asked(founded)[0][1] > "2026-04-01T04"
    assert found(founded, "W-SELF")[0] == (0, 4, 3, 3, "lost")


def test_old_archives_are_not_searched_for_gaps(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 96, 192], at=NOON + timedelta(days=60))
    assert found(founded, "W-SELF") == []


def test_filled_gaps_are_forgotten_after_their_time_and_open_ones_never(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON)
    come(founded, "W-0001", [0, 4], at=NOON)
    come(founded, "W-0001", [1, 2, 3], at=NOON)
    assert forget_closed_gaps(founded, utility_id=1, at=NOON + timedelta(days=399)) == 0
    assert forget_closed_gaps(founded, utility_id=1, at=NOON + timedelta(days=401)) == 1
    assert found(founded, "W-SELF")[0][4] == "open"


def test_a_clock_is_sampled_only_when_its_meter_was_heard(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [1], at=NOON + QUARTER - timedelta(seconds=90))
    assert sample_clocks(founded, utility_id=1, at=NOON + QUARTER) == 1
    assert sample_clocks(founded, utility_id=1, at=NOON + QUARTER) == 0
    clock = queries.clock_of_meter(founded, utility_id=1, meter_id=town.meter_id(founded, "W-SELF"))
    assert clock is not None
    assert (clock.offset_s, clock.is_steady) == (90.0, False)
    assert clock.sampled_at == datetime(2026, 4, 1, 3, 15, tzinfo=UTC)


def test_what_came_while_the_rollups_are_behind_is_not_asked_for_again(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON)
    come(founded, "W-0001", [0], at=NOON)
    assert ask(founded, NOON + QUARTER * 5) == 1, "W-0001 is only found to be silent"
    answer(founded, "done")
    store(founded, "W-SELF", [1, 2, 3], at=NOON + QUARTER * 6)
    store(founded, "W-0001", [1, 2, 3, 4, 5, 6], at=NOON + QUARTER * 6)
    ask(founded, NOON + QUARTER * 6)
    assert found(founded, "W-0001")[0] == (0, 6, 0, 6, "filled")
    ask(founded, NOON + QUARTER * 9)
    assert found(founded, "W-SELF")[0] == (0, 4, 0, 3, "filled")


@pytest.mark.parametrize(("removed_slot", "ended"), [(1, (0, 1, 1, 1, "lost")), (0.1, (0, 0.1, 0, 1, "filled"))])
def test_the_silence_of_a_meter_that_was_taken_down_ends(
    founded: Connection[TupleRow], removed_slot: float, ended: tuple[float, float, int, int, str]
) -> None:
    come(founded, "W-SELF", [0])
    ask(founded, NOON + QUARTER * 6)
    founded.execute(
        "UPDATE installation SET valid = tstzrange(lower(valid), %s)"
        " WHERE meter_id = (SELECT meter_id FROM meter WHERE serial = 'W-SELF')",
        [NOON + QUARTER * removed_slot],
    )
    assert ask(founded, NOON + QUARTER * 9) == 0
    assert found(founded, "W-SELF") == [ended]


def test_two_gateways_do_not_ask_both(founded: Connection[TupleRow]) -> None:
    come(founded, "W-SELF", [0, 4], at=NOON)
    founded.commit()
    with psycopg.connect(founded.info.dsn, password=founded.info.password) as other:
        enter(other, 1)
        enter(founded, 1)
        assert ask(founded, NOON + QUARTER * 5) == 1
        assert ask(other, NOON + QUARTER * 5) == 0
        founded.commit()
        assert ask(other, NOON + QUARTER * 5) == 0


def test_days_of_the_past_that_change_are_told_and_today_is_not(founded: Connection[TupleRow]) -> None:
    today = NOON.astimezone(TOKYO).date()
    days = [(1, today), (2, today), (1, today - timedelta(days=3)), (7, today - timedelta(days=1))]
    tell_of_past_days(founded, utility_id=1, days=[(1, today)], at=NOON)
    assert founded.execute("SELECT payload FROM event").fetchall() == []
    tell_of_past_days(founded, utility_id=1, days=days, at=NOON)
    assert founded.execute("SELECT payload FROM event WHERE topic = 'use.repaired'").fetchall() == [
        ({"meter_ids": [1, 7], "first": "2026-03-29", "last": "2026-03-31"},)
    ]
