"""Meters and who may speak for them, as intake keeps them in mind: in parts, to read only those that changed."""

from dataclasses import dataclass
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from registry.book import RegisterUnit, SenderKind, Service
from registry.store.rows import frozen_row

PART = 1_000  # ids in one part

Part = tuple[Literal["meter", "sender"], int]
Digest = tuple[int, int]  # how many rows there are, and a sum over what they say


@dataclass(frozen=True, slots=True)
class SpokenMeter:
    """How a meter counts, and the active senders that may speak for it."""

    meter_id: int
    serial: str
    kind: Service
    unit: RegisterUnit
    scale: int
    digits: int
    sender_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """An active sender."""

    sender_id: int
    name: str
    kind: SenderKind


def parts(conn: Connection[TupleRow], *, utility_id: int) -> dict[Part, Digest]:
    """Tell of each part of the meters and of the senders what it holds, in short: another digest, other rows."""
    rows = conn.execute(
        """
        SELECT of, part, count(*), sum(hash::numeric) FROM (
            SELECT 'meter' AS of, meter_id / %(part)s AS part,
                   hashtextextended(concat_ws(' ', serial, kind, unit, scale, digits), meter_id) AS hash
            FROM meter WHERE utility_id = %(utility_id)s
            UNION ALL
            SELECT 'meter', sm.meter_id / %(part)s, hashtextextended(s.name, sm.meter_id)
            FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
            WHERE sm.utility_id = %(utility_id)s AND s.active
            UNION ALL
            SELECT 'sender', sender_id / %(part)s, hashtextextended(concat_ws(' ', name, kind), sender_id)
            FROM sender WHERE utility_id = %(utility_id)s AND active
        ) AS told (of, part, hash)
        GROUP BY of, part ORDER BY of, part
        """,
        {"utility_id": utility_id, "part": PART},
    ).fetchall()
    return {(of, part): (count, int(total)) for of, part, count, total in rows}


def meters_of_part(conn: Connection[TupleRow], *, utility_id: int, part: int) -> list[SpokenMeter]:
    """List the meters of a part by id."""
    with conn.cursor(row_factory=frozen_row(SpokenMeter)) as cursor:
        return cursor.execute(
            """
            SELECT m.meter_id, m.serial, m.kind, m.unit, m.scale, m.digits, coalesce(spoken.names, '{}') AS sender_names
            FROM meter m
            LEFT JOIN LATERAL (
                SELECT array_agg(s.name ORDER BY s.name) AS names
                FROM sender_meter sm JOIN sender s USING (utility_id, sender_id)
                WHERE sm.utility_id = m.utility_id AND sm.meter_id = m.meter_id AND s.active
            ) AS spoken ON true
            WHERE m.utility_id = %(utility_id)s AND m.meter_id >= %(first)s AND m.meter_id < %(end)s
            ORDER BY m.meter_id
            """,
            {"utility_id": utility_id, "first": part * PART, "end": (part + 1) * PART},
        ).fetchall()


def speakers_of_part(conn: Connection[TupleRow], *, utility_id: int, part: int) -> list[Speaker]:
    """List the active senders of a part by id."""
    with conn.cursor(row_factory=frozen_row(Speaker)) as cursor:
        return cursor.execute(
            """
            SELECT sender_id, name, kind FROM sender
            WHERE utility_id = %(utility_id)s AND active AND sender_id >= %(first)s AND sender_id < %(end)s
            ORDER BY sender_id
            """,
            {"utility_id": utility_id, "first": part * PART, "end": (part + 1) * PART},
        ).fetchall()
