"""How far meters' clocks are off."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ingest_gateway.domain.clock_offset import ClockState


@dataclass(frozen=True, slots=True)
class MeterClock:
    """How far a meter's clock is ahead of ours in seconds; behind, or long on the way, is negative."""

    meter_id: int
    serial: str
    offset_s: float
    is_steady: bool
    sampled_at: datetime


def fresh_offsets(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> dict[int, float]:
    """Tell of meters heard since their last sample how far their newest reading was ahead as it came.

    Old records that were loaded tell nothing of a clock. At most `limit`, those sampled longest ago: a busy hour costs
    no more than a quiet one.
    """
    rows = conn.execute(
        """
        SELECT l.meter_id, extract(epoch FROM l.read_at - l.received_at)::float8 FROM meter_latest l
        LEFT JOIN meter_clock c ON c.utility_id = l.utility_id AND c.meter_id = l.meter_id
        WHERE l.utility_id = %(utility_id)s AND l.received_at > coalesce(c.sampled_at, '-infinity')
          AND l.read_at > l.received_at - interval '2 days'
        ORDER BY coalesce(c.sampled_at, '-infinity'), l.meter_id LIMIT %(limit)s
        """,
        {"utility_id": utility_id, "limit": limit},
    ).fetchall()
    return dict(rows)


def states(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int]) -> dict[int, ClockState]:
    """Give what is remembered of these meters' clocks."""
    rows = conn.execute(
        """
        SELECT meter_id, maxima_s, block_from, block_max_s, block_samples, last_s FROM meter_clock
        WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) ORDER BY meter_id
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids)},
    ).fetchall()
    return {meter_id: ClockState(tuple(maxima_s), *rest) for meter_id, maxima_s, *rest in rows}


def save(conn: Connection[TupleRow], *, utility_id: int, states: Mapping[int, ClockState], at: datetime) -> None:
    """Save meters' clocks, in one statement."""
    rows = [
        {
            "meter_id": meter_id,
            "offset_s": state.offset_s,
            "is_steady": state.is_steady,
            "maxima_s": f"{{{','.join(map(repr, state.maxima_s))}}}",
            "block_from": state.block_from.isoformat(),
            "block_max_s": state.block_max_s,
            "block_samples": state.block_samples,
            "last_s": state.last_s,
        }
        for meter_id, state in sorted(states.items())
    ]
    conn.execute(
        """
        INSERT INTO meter_clock (utility_id, meter_id, offset_s, is_steady, maxima_s, block_from, block_max_s,
                                 block_samples, last_s, sampled_at)
        SELECT %(utility_id)s, g.meter_id, g.offset_s, g.is_steady, g.maxima_s::float8[], g.block_from, g.block_max_s,
               g.block_samples, g.last_s, %(at)s
        FROM json_to_recordset(%(rows)s::json) AS g (
            meter_id bigint, offset_s float8, is_steady boolean, maxima_s text, block_from timestamptz,
            block_max_s float8, block_samples integer, last_s float8)
        ON CONFLICT (utility_id, meter_id) DO UPDATE
        SET offset_s = excluded.offset_s, is_steady = excluded.is_steady, maxima_s = excluded.maxima_s,
            block_from = excluded.block_from, block_max_s = excluded.block_max_s,
            block_samples = excluded.block_samples, last_s = excluded.last_s, sampled_at = excluded.sampled_at
        """,
        {"utility_id": utility_id, "rows": json.dumps(rows), "at": at},
    )


def of_meter(conn: Connection[TupleRow], *, utility_id: int, meter_id: int) -> MeterClock | None:
    """Give a meter's clock; None where it has none, or was not heard since."""
    with conn.cursor(row_factory=class_row(MeterClock)) as cursor:
        return cursor.execute(
            """
            SELECT c.meter_id, m.serial, c.offset_s, c.is_steady, c.sampled_at
            FROM meter_clock c JOIN meter m USING (utility_id, meter_id)
            WHERE c.utility_id = %(utility_id)s AND c.meter_id = %(meter_id)s
            """,
            {"utility_id": utility_id, "meter_id": meter_id},
        ).fetchone()


def ahead(conn: Connection[TupleRow], *, utility_id: int, by_s: float, limit: int) -> list[MeterClock]:
    """List the meters whose clocks are steadily ahead by more than so much, the worst first."""
    with conn.cursor(row_factory=class_row(MeterClock)) as cursor:
        return cursor.execute(
            """
            SELECT c.meter_id, m.serial, c.offset_s, c.is_steady, c.sampled_at
            FROM meter_clock c JOIN meter m USING (utility_id, meter_id)
            WHERE c.utility_id = %(utility_id)s AND c.is_steady AND c.offset_s > %(by_s)s
            ORDER BY c.offset_s DESC, c.meter_id LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "by_s": by_s, "limit": limit},
        ).fetchall()
