"""The newest reading of each meter."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row

from ingest_gateway.domain.packing import HEADER, TRAILER
from ingest_gateway.domain.registers import Newest
from ingest_gateway.domain.validation import Baseline, Fall, Row
from ingest_gateway.domain.wire import from_us

# What is late leaves a newest reading where it is. What a reading does not say (register, battery) stays as it was said
# last, and a fall stands until a register is said. `newest` gives one reading of each meter, in the columns' order.
_MOVE_ON = sql.SQL(
    """
    INSERT INTO meter_latest AS l (utility_id, meter_id, read_at, received_at, register, export_register, flow,
                                   pressure_kpa, voltage_1_v, voltage_2_v, voltage_3_v, battery_pct, flags)
    {newest}
    ON CONFLICT (utility_id, meter_id) DO UPDATE
    SET read_at = excluded.read_at, received_at = excluded.received_at,
        register = coalesce(excluded.register, l.register),
        export_register = coalesce(excluded.export_register, l.export_register),
        flow = excluded.flow, pressure_kpa = excluded.pressure_kpa, voltage_1_v = excluded.voltage_1_v,
        voltage_2_v = excluded.voltage_2_v, voltage_3_v = excluded.voltage_3_v,
        battery_pct = coalesce(excluded.battery_pct, l.battery_pct), flags = excluded.flags,
        fallen_at = CASE WHEN excluded.register IS NULL THEN l.fallen_at END,
        fallen_register = CASE WHEN excluded.register IS NULL THEN l.fallen_register END,
        fallen_readings = CASE WHEN excluded.register IS NULL THEN l.fallen_readings END
    WHERE excluded.read_at > l.read_at
    """
)
_OF_ROWS = sql.SQL(
    """
    SELECT %(utility_id)s, n.meter_id, n.read_at, %(received_at)s, n.register, n.export_register, n.flow,
           n.pressure_kpa, n.voltage_1_v, n.voltage_2_v, n.voltage_3_v, n.battery_pct, n.flags
    FROM unnest(%(meter_id)s::bigint[], %(read_at)s::timestamptz[], %(register)s::bigint[], %(export)s::bigint[],
                %(flow)s::real[], %(pressure)s::real[], %(voltage_1)s::real[], %(voltage_2)s::real[],
                %(voltage_3)s::real[], %(battery)s::smallint[], %(flags)s::integer[])
         AS n (meter_id, read_at, register, export_register, flow, pressure_kpa, voltage_1_v, voltage_2_v,
               voltage_3_v, battery_pct, flags)
    """
)
_STAGED = sql.SQL(
    """
    SELECT utility_id, meter_id, read_at, %(received_at)s, register, export_register, flow, pressure_kpa,
           voltage_1_v, voltage_2_v, voltage_3_v, battery_pct, flags
    FROM latest_stage ORDER BY meter_id  -- one order of locks for every worker
    """
)


def advance(conn: Connection[TupleRow], *, utility_id: int, received_at: datetime, rows: Iterable[Row]) -> None:
    """Move each meter's newest reading forward; what is late leaves it where it is.

    What a reading does not say (register, battery) stays as the last one said it.
    """
    newest: dict[int, Row] = {}
    for row in sorted(rows, key=_instant_of):
        known = newest.get(row.meter_id)
        newest[row.meter_id] = row if known is None else _following(row, known=known)
    ordered = sorted(newest.values())  # one order of locks for every writer
    columns = list(zip(*ordered, strict=True))
    conn.execute(
        _MOVE_ON.format(newest=_OF_ROWS),
        {
            "utility_id": utility_id,
            "received_at": received_at,
            "meter_id": list(columns[0]),
            "read_at": [from_us(instant) for instant in columns[1]],
            "register": list(columns[2]),
            "export": list(columns[3]),
            "flow": list(columns[4]),
            "pressure": list(columns[5]),
            "voltage_1": list(columns[6]),
            "voltage_2": list(columns[7]),
            "voltage_3": list(columns[8]),
            "battery": list(columns[9]),
            "flags": list(columns[10]),
        },
    )


@dataclass(frozen=True, slots=True)
class Lower:
    """A reading on the stage that is newer than its meter's newest, with a lower register; `fall`: refused before."""

    meter_id: int
    read_at_us: int
    register: int
    stored_register: int
    digits: int
    fall: Fall | None


def stage(conn: Connection[TupleRow], *, packed: bytes) -> None:
    """Put one packed reading of each meter where `move_on` finds it."""
    conn.execute("CREATE TEMPORARY TABLE IF NOT EXISTS latest_stage (LIKE reading) ON COMMIT DELETE ROWS")
    conn.execute("DELETE FROM latest_stage")  # of an earlier settlement in this transaction
    with conn.cursor() as cursor, cursor.copy("COPY latest_stage FROM STDIN (FORMAT BINARY)") as stream:
        stream.write(HEADER + packed + TRAILER)


def lower_on_stage(conn: Connection[TupleRow]) -> list[Lower]:
    """List what is on the stage with a lower register than its meter's newest reading, which is older."""
    rows = conn.execute(
        """
        SELECT s.meter_id, (extract(epoch FROM s.read_at) * 1000000)::bigint, s.register, l.register, m.digits,
               (extract(epoch FROM l.fallen_at) * 1000000)::bigint, l.fallen_register, l.fallen_readings
        FROM latest_stage s
        JOIN meter_latest l USING (utility_id, meter_id)
        JOIN meter m USING (utility_id, meter_id)
        WHERE s.read_at > l.read_at AND s.register < l.register
        ORDER BY s.meter_id
        """
    ).fetchall()
    return [Lower(*row[:5], fall=None if row[5] is None else Fall(*row[5:])) for row in rows]


def unstage(conn: Connection[TupleRow], *, meter_ids: Sequence[int]) -> None:
    """Take readings off the stage."""
    conn.execute("DELETE FROM latest_stage WHERE meter_id = ANY(%(meter_ids)s)", {"meter_ids": list(meter_ids)})


def move_on(conn: Connection[TupleRow], *, received_at: datetime) -> None:
    """Move newest readings forward to those on the stage; what is late leaves them where they are."""
    conn.execute(_MOVE_ON.format(newest=_STAGED), {"received_at": received_at})


def note_falls(conn: Connection[TupleRow], *, utility_id: int, falls: Mapping[int, Fall]) -> None:
    """Note by meter what was refused because its register fell."""
    if not falls:
        return
    conn.execute(
        """
        UPDATE meter_latest AS l
        SET fallen_at = f.fallen_at, fallen_register = f.fallen_register, fallen_readings = f.fallen_readings
        FROM unnest(%(meter_ids)s::bigint[], %(at)s::timestamptz[], %(registers)s::bigint[], %(readings)s::integer[])
             AS f (meter_id, fallen_at, fallen_register, fallen_readings)
        WHERE l.utility_id = %(utility_id)s AND l.meter_id = f.meter_id
        """,
        {
            "utility_id": utility_id,
            "meter_ids": list(falls),
            "at": [from_us(fall.read_at_us) for fall in falls.values()],
            "registers": [fall.register for fall in falls.values()],
            "readings": [fall.readings for fall in falls.values()],
        },
    )


def newest(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int]) -> dict[int, Newest]:
    """Give the newest stored reading of each meter that has one, for the gateway to compare with."""
    rows = conn.execute(
        """
        SELECT meter_id, (extract(epoch FROM read_at) * 1000000)::bigint, register,
               (extract(epoch FROM fallen_at) * 1000000)::bigint, fallen_register, fallen_readings
        FROM meter_latest WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) ORDER BY meter_id
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids)},
    ).fetchall()
    return {
        meter_id: Newest(read_at_us, register, None if fall[0] is None else Fall(*fall))
        for meter_id, read_at_us, register, *fall in rows
    }


def baselines(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int]) -> dict[int, Baseline]:
    """Give the newest stored register of each meter that has one."""
    found = newest(conn, utility_id=utility_id, meter_ids=meter_ids)
    return {
        meter_id: Baseline(one.read_at_us, one.register, one.fall)
        for meter_id, one in found.items()
        if one.register is not None
    }


class StoredBaselines:
    """The newest stored register of a meter, read each time: also what is stored and not settled yet."""

    def __init__(self, conn: Connection[TupleRow], *, utility_id: int) -> None:
        self._conn = conn
        self._utility_id = utility_id

    def of(self, meter_id: int) -> Baseline | None:
        settled = baselines(self._conn, utility_id=self._utility_id, meter_ids=[meter_id]).get(meter_id)
        row = self._conn.execute(
            """
            SELECT (extract(epoch FROM read_at) * 1000000)::bigint, register FROM own_reading
            WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s AND register IS NOT NULL
              AND read_at > %(after)s
            ORDER BY read_at DESC LIMIT 1
            """,
            {
                "utility_id": self._utility_id,
                "meter_id": meter_id,
                "after": from_us(settled.read_at_us) if settled else datetime.min.replace(tzinfo=UTC),
            },
        ).fetchone()
        return settled if row is None else Baseline(row[0], row[1])

    def fresh(self, meter_id: int) -> Baseline | None:
        return self.of(meter_id)


@dataclass(frozen=True, slots=True)
class LatestReading:
    """A meter's newest reading; what it did not say of register and battery is as the last one said it."""

    meter_id: int
    read_at: datetime
    received_at: datetime
    register: int | None
    export_register: int | None
    flow: float | None
    pressure_kpa: float | None
    voltage_1_v: float | None
    voltage_2_v: float | None
    voltage_3_v: float | None
    battery_pct: int | None
    flags: int


@dataclass(frozen=True, slots=True)
class LatestRow:
    """A meter with its newest reading, ready for the operator's table; None where it has sent nothing yet."""

    meter_id: int
    serial: str
    kind: str
    unit: str
    scale: int
    interval_s: int
    point_id: int | None
    point_number: str | None
    zone_id: int | None
    read_at: datetime | None
    received_at: datetime | None
    register: int | None
    flow: float | None
    pressure_kpa: float | None
    voltage_1_v: float | None
    battery_pct: int | None
    flags: int


def of_meters(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int]) -> list[LatestReading]:
    """List the newest readings of meters; one that never sent is left out."""
    with conn.cursor(row_factory=class_row(LatestReading)) as cursor:
        return cursor.execute(
            """
            SELECT meter_id, read_at, received_at, register, export_register, flow, pressure_kpa, voltage_1_v,
                   voltage_2_v, voltage_3_v, battery_pct, flags
            FROM meter_latest WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) ORDER BY meter_id
            """,
            {"utility_id": utility_id, "meter_ids": list(meter_ids)},
        ).fetchall()


def page(
    conn: Connection[TupleRow], *, utility_id: int, after: str, limit: int, kind: str | None, zone_id: int | None
) -> list[LatestRow]:
    """List installed meters by serial, from the one after `after`.

    It joins the registry's tables itself: a page of a city's meters cannot be cut out of a list of all of them.
    """
    with conn.cursor(row_factory=class_row(LatestRow)) as cursor:
        return cursor.execute(
            """
            SELECT m.meter_id, m.serial, m.kind, m.unit, m.scale, m.interval_s, p.point_id, p.point_number, p.zone_id,
                   l.read_at, l.received_at, l.register, l.flow, l.pressure_kpa, l.voltage_1_v, l.battery_pct,
                   coalesce(l.flags, 0) AS flags
            FROM meter m
            JOIN installation i ON i.utility_id = m.utility_id AND i.meter_id = m.meter_id AND upper_inf(i.valid)
            JOIN point p ON p.utility_id = i.utility_id AND p.point_id = i.point_id
            LEFT JOIN meter_latest l ON l.utility_id = m.utility_id AND l.meter_id = m.meter_id
            WHERE m.utility_id = %(utility_id)s AND m.serial > %(after)s
              AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
              AND (%(zone_id)s::bigint IS NULL OR p.zone_id = %(zone_id)s)
            ORDER BY m.serial LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "after": after, "limit": limit, "kind": kind, "zone_id": zone_id},
        ).fetchall()


def advance_from(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    batch_id: int,
    meter_ids: Sequence[int],
    read_from: datetime,
    read_to: datetime,
    received_at: datetime,
) -> None:
    """Move meters' newest readings to the last that one batch stored, for batches that never were rows in Python.

    Without the batch's bounds all that is stored of a meter would be read.
    """
    conn.execute(
        """
        INSERT INTO meter_latest AS l (utility_id, meter_id, read_at, received_at, register, export_register, flow,
                                       pressure_kpa, voltage_1_v, voltage_2_v, voltage_3_v, battery_pct, flags)
        SELECT %(utility_id)s, n.meter_id, n.read_at, %(received_at)s, n.register, n.export_register, n.flow,
               n.pressure_kpa, n.voltage_1_v, n.voltage_2_v, n.voltage_3_v, n.battery_pct, n.flags
        FROM unnest(%(meter_ids)s::bigint[]) AS m (meter_id)
        JOIN LATERAL (
            SELECT r.meter_id, r.read_at, r.register, r.export_register, r.flow, r.pressure_kpa, r.voltage_1_v,
                   r.voltage_2_v, r.voltage_3_v, r.battery_pct, r.flags
            FROM own_reading r WHERE r.utility_id = %(utility_id)s AND r.meter_id = m.meter_id
              AND r.batch_id = %(batch_id)s AND r.read_at >= %(read_from)s AND r.read_at <= %(read_to)s
            ORDER BY r.read_at DESC LIMIT 1
        ) AS n ON true
        ORDER BY n.meter_id
        ON CONFLICT (utility_id, meter_id) DO UPDATE
        SET read_at = excluded.read_at, received_at = excluded.received_at, register = excluded.register,
            export_register = excluded.export_register, flow = excluded.flow, pressure_kpa = excluded.pressure_kpa,
            voltage_1_v = excluded.voltage_1_v, voltage_2_v = excluded.voltage_2_v, voltage_3_v = excluded.voltage_3_v,
            battery_pct = excluded.battery_pct, flags = excluded.flags
        WHERE excluded.read_at > l.read_at
        """,
        {
            "utility_id": utility_id,
            "batch_id": batch_id,
            "meter_ids": list(meter_ids),
            "read_from": read_from,
            "read_to": read_to,
            "received_at": received_at,
        },
    )


def _instant_of(row: Row) -> int:
    return row.read_at_us


def _following(row: Row, *, known: Row) -> Row:
    """Let a later reading keep what it does not say itself."""
    return row._replace(
        register=known.register if row.register is None else row.register,
        export_register=known.export_register if row.export_register is None else row.export_register,
        battery_pct=known.battery_pct if row.battery_pct is None else row.battery_pct,
    )
