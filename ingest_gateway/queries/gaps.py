"""What did not come: gaps of a meter and of all, how far clocks are off."""

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.store import clocks
from ingest_gateway.store import gap_reads as store
from ingest_gateway.store.clocks import MeterClock
from ingest_gateway.store.gap_reads import GapCounts, GapRow, MeterGap

__all__ = [
    "GapCounts",
    "GapRow",
    "MeterClock",
    "MeterGap",
    "clock_of_meter",
    "clocks_ahead",
    "gap_counts",
    "gaps_of_meter",
    "open_gaps_by_meter",
]


def gaps_of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, limit: int = 20) -> list[MeterGap]:
    """List a meter's gaps, the open ones first, then the newest."""
    return store.of_meter(conn, utility_id=utility_id, meter_id=meter_id, limit=limit)


def gap_counts(conn: Connection[TupleRow], *, utility_id: int, meter_id: int | None = None) -> GapCounts:
    """Count the gaps of one meter, or of all, and the readings missing, come late and lost."""
    return store.counts(conn, utility_id=utility_id, meter_id=meter_id)


def open_gaps_by_meter(conn: Connection[TupleRow], *, utility_id: int, limit: int = 100) -> list[GapRow]:
    """List the meters with open gaps: the silent ones first, then those with the most readings missing."""
    return store.open_by_meter(conn, utility_id=utility_id, limit=limit)


def clock_of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int) -> MeterClock | None:
    """Give how far a meter's clock is ahead; None where nothing is known of it."""
    return clocks.of_meter(conn, utility_id=utility_id, meter_id=meter_id)


def clocks_ahead(conn: Connection[TupleRow], *, utility_id: int, by_s: float, limit: int = 20) -> list[MeterClock]:
    """List the meters whose clocks are steadily ahead by more than so many seconds, the worst first."""
    return clocks.ahead(conn, utility_id=utility_id, by_s=by_s, limit=limit)
