"""The newest reading of each meter."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.validation import Baseline, Row
from ingest_gateway.domain.wire import from_us


def advance(conn: Connection[TupleRow], *, utility_id: int, received_at: datetime, rows: Iterable[Row]) -> None:
    """Move each meter's newest reading forward; what is late leaves it where it is.

    What a reading does not say (register, battery) stays as the last one said it.
    """
    newest: dict[int, Row] = {}
    for row in rows:
        known = newest.get(row.meter_id)
        if known is None or row.read_at_us > known.read_at_us:
            newest[row.meter_id] = row
    ordered = sorted(newest.values())  # one order of locks for every writer
    columns = list(zip(*ordered, strict=True))
    conn.execute(
        """
        INSERT INTO meter_latest AS l (utility_id, meter_id, read_at, received_at, register, export_register, flow,
                                       pressure_kpa, voltage_1_v, voltage_2_v, voltage_3_v, battery_pct, flags)
        SELECT %(utility_id)s, n.meter_id, n.read_at, %(received_at)s, n.register, n.export_register, n.flow,
               n.pressure_kpa, n.voltage_1_v, n.voltage_2_v, n.voltage_3_v, n.battery_pct, n.flags
        FROM unnest(%(meter_id)s::bigint[], %(read_at)s::timestamptz[], %(register)s::bigint[], %(export)s::bigint[],
                    %(flow)s::real[], %(pressure)s::real[], %(voltage_1)s::real[], %(voltage_2)s::real[],
                    %(voltage_3)s::real[], %(battery)s::smallint[], %(flags)s::integer[])
             AS n (meter_id, read_at, register, export_register, flow, pressure_kpa, voltage_1_v, voltage_2_v,
                   voltage_3_v, battery_pct, flags)
        ON CONFLICT (utility_id, meter_id) DO UPDATE
        SET read_at = excluded.read_at, received_at = excluded.received_at,
            register = coalesce(excluded.register, l.register),
            export_register = coalesce(excluded.export_register, l.export_register),
            flow = excluded.flow, pressure_kpa = excluded.pressure_kpa, voltage_1_v = excluded.voltage_1_v,
            voltage_2_v = excluded.voltage_2_v, voltage_3_v = excluded.voltage_3_v,
            battery_pct = coalesce(excluded.battery_pct, l.battery_pct), flags = excluded.flags
        WHERE excluded.read_at > l.read_at
        """,
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


def baselines(conn: Connection[TupleRow], *, utility_id: int, meter_ids: Sequence[int]) -> dict[int, Baseline]:
    """Give the newest stored register of each meter that has one."""
    rows = conn.execute(
        """
        SELECT meter_id, (extract(epoch FROM read_at) * 1000000)::bigint, register FROM meter_latest
        WHERE utility_id = %(utility_id)s AND meter_id = ANY(%(meter_ids)s) AND register IS NOT NULL
        ORDER BY meter_id
        """,
        {"utility_id": utility_id, "meter_ids": list(meter_ids)},
    ).fetchall()
    return {meter_id: Baseline(read_at_us, register) for meter_id, read_at_us, register in rows}
