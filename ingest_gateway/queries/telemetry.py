"""Readings, registers at an instant, the newest of each meter, and whether a meter's data has landed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.store import clocks, gap_reads, landings, registers
from ingest_gateway.store import latest as latest_store
from ingest_gateway.store.clocks import MeterClock
from ingest_gateway.store.commands import MeterCommand
from ingest_gateway.store.gap_reads import GapCounts, MeterGap
from ingest_gateway.store.landings import RefusedOfMeter, SenderState
from ingest_gateway.store.latest import LatestReading, LatestRow
from ingest_gateway.store.registers import RegisterAt, StoredReading
from kernel.period import Period

GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Landed:
    """Whether a meter's data has landed: its newest reading, who speaks for it, what of it was refused lately.

    And what did not come: its gaps, open ones first, how far its clock is off, and how it was last asked (None: never).
    """

    latest: LatestReading | None
    senders: tuple[SenderState, ...]
    refused: tuple[RefusedOfMeter, ...]
    gaps: tuple[MeterGap, ...]
    gap_counts: GapCounts
    clock: MeterClock | None
    backfill: MeterCommand | None

    @property
    def is_silent(self) -> bool:
        """Whether readings should have come and did not, until now."""
        newest = self.latest
        return newest is None or any(
            gap.state == "open" and gap.before_at is None and gap.after_at >= newest.read_at for gap in self.gaps
        )


def registers_at(
    conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int], at: datetime, max_age: timedelta
) -> dict[int, RegisterAt]:
    """Give each meter's newest register at or before `at`, if it is younger than `max_age`; revisions count.

    :raises ScopeMissing: if the transaction was not entered for this utility
    """
    registers.require_scope(conn, utility_id=utility_id)
    return registers.registers_at(conn, utility_id=utility_id, meter_ids=meter_ids, at=at, max_age=max_age)


def readings(
    conn: Connection[TupleRow], *, utility_id: int, meter_id: int, period: Period, limit: int
) -> list[StoredReading]:
    """List a meter's readings of a period, the last first.

    :raises ScopeMissing: if the transaction was not entered for this utility
    """
    registers.require_scope(conn, utility_id=utility_id)
    return registers.series(conn, utility_id=utility_id, meter_id=meter_id, period=period, limit=limit)


def latest(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int]) -> dict[int, LatestReading]:
    """Give the newest reading of each meter; one that never sent is left out."""
    rows = latest_store.of_meters(conn, utility_id=utility_id, meter_ids=meter_ids)
    return {row.meter_id: row for row in rows}


def latest_page(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    after: str,
    limit: int,
    kind: str | None = None,
    zone_id: int | None = None,
) -> list[LatestRow]:
    """List installed meters with their newest readings by serial, from the one after `after` ("": the first)."""
    return latest_store.page(conn, utility_id=utility_id, after=after, limit=limit, kind=kind, zone_id=zone_id)


def landed(conn: Connection[TupleRow], *, utility_id: int, meter_id: int) -> Landed:
    """Tell whether a meter's data has landed."""
    return Landed(
        latest=latest(conn, utility_id=utility_id, meter_ids=[meter_id]).get(meter_id),
        senders=tuple(landings.senders_of(conn, utility_id=utility_id, meter_id=meter_id)),
        refused=tuple(landings.refused_of(conn, utility_id=utility_id, meter_id=meter_id, limit=10)),
        gaps=tuple(gap_reads.of_meter(conn, utility_id=utility_id, meter_id=meter_id, limit=GAPS_SHOWN)),
        gap_counts=gap_reads.counts(conn, utility_id=utility_id, meter_id=meter_id),
        clock=clocks.of_meter(conn, utility_id=utility_id, meter_id=meter_id),
        backfill=landings.last_backfill(conn, utility_id=utility_id, meter_id=meter_id),
    )
