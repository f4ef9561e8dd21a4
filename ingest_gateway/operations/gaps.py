"""Gaps: found where readings came, noted where none come, asked for, and closed by what comes late."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain import clock_offset
from ingest_gateway.domain.gaps import MOST_DENIALS, Ask, AskLimits, ask_for, choose
from ingest_gateway.domain.rollup import join_days
from ingest_gateway.operations.commands import queue_command
from ingest_gateway.queries.local_time import zone_of
from ingest_gateway.store import clocks, gap_asks, gaps
from ingest_gateway.store.console import SILENT_INTERVALS
from ingest_gateway.store.gaps import Stretch
from kernel import events
from kernel.period import local_date, local_days

KEPT = timedelta(days=40)  # of a meter's profile: what is older is nobody's to send
SILENCE_SLACK_S = 30.0  # of wall time that a reading may be on its way before its meter counts as silent
ASKED_AT_ONCE = 20
LOOKED_AT_ONCE = 500
SILENT_AT_ONCE = 2_000
CLOCKS_AT_ONCE = 500
METERS_IN_EVENT = 500
CLOSED_KEPT = timedelta(days=400)


def look_for_gaps(
    conn: Connection[TupleRow], *, utility_id: int, days: Collection[tuple[int, date]], at: datetime
) -> int:
    """Find gaps in and beside the local days of meters, and count again those that reach into them; return the new.

    The days are those whose rollups were made anew: in each of them a reading came.
    """
    if not days:
        return 0
    gap_asks.wait_for_lock(conn, utility_id=utility_id)
    zone = zone_of(conn, utility_id=utility_id)
    stretches: list[Stretch] = []
    for span in join_days(days):
        period = local_days(span.first, span.end, zone=zone)
        stretches.append(Stretch(span.meter_id, period.start, period.end))
    touched = gaps.touched(conn, utility_id=utility_id, stretches=stretches)
    if touched:
        gaps.count_again(conn, utility_id=utility_id, gaps=touched, at=at)
    fresh = [one for one in stretches if one.to_at > at - KEPT]
    if not fresh:
        return 0
    return gaps.find(conn, utility_id=utility_id, stretches=fresh, oldest=at - KEPT, at=at)


def tell_of_past_days(
    conn: Connection[TupleRow], *, utility_id: int, days: Collection[tuple[int, date]], at: datetime
) -> None:
    """Publish `use.repaired` where days before today were made anew: late data, an exchange, a revised reading.

    Bills may rest on them. Days of today are ordinary intake and are not told of.
    """
    today = local_date(at, zone=zone_of(conn, utility_id=utility_id))
    past = sorted((meter_id, day) for meter_id, day in days if day < today)
    for part in _parts(sorted({meter_id for meter_id, _ in past}), size=METERS_IN_EVENT):
        of_part = [day for meter_id, day in past if part[0] <= meter_id <= part[-1]]
        events.publish(
            conn,
            utility_id=utility_id,
            topic="use.repaired",
            key=f"utility:{utility_id}",
            payload={"meter_ids": part, "first": min(of_part).isoformat(), "last": max(of_part).isoformat()},
            occurred_at=at,
        )


def ask_for_backfill(
    conn: Connection[TupleRow], *, utility_id: int, limits: AskLimits, clock_rate: float, at: datetime
) -> int:
    """Note who has fallen silent, give up what nobody keeps, and ask for the rest; return how many were asked.

    Nothing is done where another gateway is at it.
    """
    if not gap_asks.lock(conn, utility_id=utility_id):
        return 0
    slack = timedelta(seconds=SILENCE_SLACK_S * clock_rate)
    stale = gaps.worth_a_look(conn, utility_id=utility_id, limit=LOOKED_AT_ONCE, at=at)
    if stale:
        gaps.count_again(conn, utility_id=utility_id, gaps=stale, at=at)
    gaps.note_silence(conn, utility_id=utility_id, slack=slack, limit=SILENT_AT_ONCE, at=at)
    gaps.end_with_installation(conn, utility_id=utility_id, at=at)
    gaps.give_up(conn, utility_id=utility_id, oldest=at - limits.kept, most_denials=MOST_DENIALS, at=at)
    is_open = gap_asks.open_by_sender(conn, utility_id=utility_id)
    found = gap_asks.candidates(
        conn,
        utility_id=utility_id,
        grace=limits.grace,
        slack=slack,
        silent_intervals=SILENT_INTERVALS,
        per_sender=limits.most_open_per_sender,
        limit=limits.most_open + len(is_open) * limits.most_open_per_sender,
        at=at,
    )
    chosen = choose(found, open_by_sender=is_open, limits=limits)[:ASKED_AT_ONCE]
    due = gap_asks.open_gaps(
        conn, utility_id=utility_id, meter_ids=[one.meter_id for one in chosen], grace=limits.grace, at=at
    )
    asks = [ask_for(due[one.meter_id], interval_s=one.interval_s, limits=limits, at=at) for one in chosen]
    given = [ask for ask in asks if ask is not None]
    for ask in given:
        _give(conn, utility_id=utility_id, ask=ask, limits=limits, at=at)
    return len(given)


def sample_clocks(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> int:
    """Take one sample of the clock of each meter that was heard since the last one; return how many."""
    offsets_s = clocks.fresh_offsets(conn, utility_id=utility_id, limit=CLOCKS_AT_ONCE)
    if not offsets_s:
        return 0
    known = clocks.states(conn, utility_id=utility_id, meter_ids=list(offsets_s))
    states = {
        meter_id: clock_offset.observe(known.get(meter_id), offset_s=offset_s, at=at)
        for meter_id, offset_s in offsets_s.items()
    }
    clocks.save(conn, utility_id=utility_id, states=states, at=at)
    return len(states)


def forget_closed_gaps(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> int:
    """Delete gaps that were filled or lost more than 400 days ago; return how many."""
    return gaps.forget_closed(conn, utility_id=utility_id, before=at - CLOSED_KEPT)


def _give(conn: Connection[TupleRow], *, utility_id: int, ask: Ask, limits: AskLimits, at: datetime) -> None:
    command_id = queue_command(
        conn,
        utility_id=utility_id,
        meter_id=ask.meter_id,
        command="backfill",
        purpose=gap_asks.PURPOSE,
        expires_at=at + limits.lasts,
        arguments={"from": _rfc3339(ask.from_at), "to": _rfc3339(ask.to_at)},
        at=at,
    )
    gap_asks.note_asked(
        conn,
        utility_id=utility_id,
        gaps=ask.gaps,
        command_id=command_id,
        next_ask_at=at + limits.wait(ask.asks),
    )


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _parts(items: list[int], *, size: int) -> Iterator[list[int]]:
    rest: Iterable[int] = iter(items)
    while part := list(islice(rest, size)):
        yield part
