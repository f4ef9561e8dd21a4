"""Making rollups anew: the days that are due, and whole periods when a utility is founded."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.rollup import Span, join_days
from ingest_gateway.queries.local_time import zone_of
from ingest_gateway.store import rollups, zone_rollups
from ingest_gateway.store.stored_batches import batch
from kernel.period import local_date, local_day, local_days
from registry import queries as registry

DUE_AT_ONCE = 2_000
METER_DAYS_AT_ONCE = 20_000
ZONE_HOURS_AT_ONCE = 500
ZONE_HOURS_REBUILT_AT_ONCE = 5_000
HOURS_KEPT_DAYS = 62
ALL_HOURS = datetime(1, 1, 2, tzinfo=UTC)


def mark_batch_due(conn: Connection[TupleRow], *, utility_id: int, batch_id: int) -> None:
    """Note which days a committed batch of intake changes. History is left to `rebuild_rollups`.

    :raises BatchUnknown: if there is no such batch
    """
    stored = batch(conn, utility_id=utility_id, batch_id=batch_id)
    if stored.source != "history":
        rollups.lock(conn, utility_id=utility_id)
        zone = zone_of(conn, utility_id=utility_id)
        rollups.mark_due_of_batch(conn, utility_id=utility_id, stored=stored, time_zone=zone.key)


def mark_rollups_due(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Collection[int], first: date, end: date
) -> None:
    """Have local days made anew at the next turn."""
    rollups.lock(conn, utility_id=utility_id)
    rollups.mark_due(conn, utility_id=utility_id, meter_ids=meter_ids, first=first, end=end)


def mark_reading_due(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, read_at: datetime) -> None:
    """Have the day made anew in which an instant of a meter lies: its register is another now."""
    day = _day_of(read_at, zone=zone_of(conn, utility_id=utility_id))
    mark_rollups_due(conn, utility_id=utility_id, meter_ids=[meter_id], first=day, end=day + timedelta(days=1))


def mark_installation_due(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, changed_at: datetime) -> None:
    """Have a meter's days made anew from that on which it was hung up or taken down, which may be long ago."""
    rollups.lock(conn, utility_id=utility_id)
    first = _day_of(changed_at, zone=zone_of(conn, utility_id=utility_id))
    rollups.mark_due_from(conn, utility_id=utility_id, meter_id=meter_id, first=first)


def make_due_rollups(
    conn: Connection[TupleRow], *, utility_id: int, limit: int = DUE_AT_ONCE
) -> list[tuple[int, date]]:
    """Make up to `limit` due days anew from the raw readings; return the meters and days that were taken off the list.

    A day also moves the day after it that has the next register, however far off: use is counted from one to the other.
    """
    rollups.lock(conn, utility_id=utility_id)
    due = rollups.due(conn, utility_id=utility_id, limit=limit)
    if not due:
        return []
    zone = zone_of(conn, utility_id=utility_id)
    spans = join_days(due)
    moved = rollups.days_after(conn, utility_id=utility_id, spans=spans, time_zone=zone.key)
    closings = _closing_days(conn, utility_id=utility_id, spans=spans, zone=zone)
    _roll_up(conn, utility_id=utility_id, spans=join_days([*due, *moved, *closings]), zone=zone, hours_from=ALL_HOURS)
    rollups.drop_made(conn, utility_id=utility_id, made=due)
    return due


def make_due_zones(conn: Connection[TupleRow], *, utility_id: int, limit: int = ZONE_HOURS_AT_ONCE) -> int:
    """Make up to `limit` hours of zones anew, in which hours of meters changed; return how many were taken off."""
    rollups.lock(conn, utility_id=utility_id)
    return zone_rollups.make_due(conn, utility_id=utility_id, limit=limit)


def rebuild_rollups(
    conn: Connection[TupleRow], *, utility_id: int, first: date, end: date, hours_days: int = HOURS_KEPT_DAYS
) -> None:
    """Make all days from `first` up to, not including, `end` anew for every meter; hours for the last `hours_days`.

    The hours of zones that change by it are made too.
    """
    rollups.lock(conn, utility_id=utility_id)
    rollups.allow_memory(conn)
    rollups.drop_due(conn, utility_id=utility_id, first=first, end=end)
    zone = zone_of(conn, utility_id=utility_id)
    hours_first = max(first, end - timedelta(days=hours_days))
    hours_from = local_day(hours_first, zone=zone).start
    meter_ids = [meter.meter_id for meter in registry.known_meters(conn, utility_id=utility_id)]
    at_once = max(1, METER_DAYS_AT_ONCE // max(1, (end - first).days))
    for start in range(0, len(meter_ids), at_once):
        spans = [Span(meter_id, first, end) for meter_id in meter_ids[start : start + at_once]]
        _roll_up(conn, utility_id=utility_id, spans=spans, zone=zone, hours_from=hours_from)
    while make_due_zones(conn, utility_id=utility_id, limit=ZONE_HOURS_REBUILT_AT_ONCE):
        pass


def _day_of(at: datetime, *, zone: ZoneInfo) -> date:
    return local_date(at - timedelta(microseconds=1), zone=zone)  # midnight ends the day before


def _closing_days(
    conn: Connection[TupleRow], *, utility_id: int, spans: Sequence[Span], zone: ZoneInfo
) -> list[tuple[int, date]]:
    """Tell on which days after a span its meter was taken down: the closing register is the next one too."""
    ends = {span.meter_id: span.end for span in reversed(spans)}
    installations = registry.installations_of_meters(conn, utility_id=utility_id, meter_ids=list(ends))
    closed = [
        (meter.meter_id, _day_of(meter.valid_to, zone=zone))
        for meter in installations
        if meter.valid_to is not None and meter.closing_register is not None
    ]
    return [(meter_id, day) for meter_id, day in closed if day >= ends[meter_id]]


def _roll_up(
    conn: Connection[TupleRow], *, utility_id: int, spans: Sequence[Span], zone: ZoneInfo, hours_from: datetime
) -> None:
    meter_ids = sorted({span.meter_id for span in spans})
    rollups.roll_up(
        conn,
        utility_id=utility_id,
        spans=spans,
        installations=registry.installations_of_meters(conn, utility_id=utility_id, meter_ids=meter_ids),
        time_zone=zone.key,
        bounds=local_days(min(span.first for span in spans), max(span.end for span in spans), zone=zone),
        hours_from=hours_from,
    )
