"""What the harness reads of the gateway's tables, and the little it writes: a utility and its clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from kernel import clock
from registry import operations
from registry.book import Book

CONNECT_TIMEOUT_S = 5

Reading = tuple[int, datetime, int, float]  # meter, instant, register, flow


@dataclass(frozen=True, slots=True)
class Identities:
    """What the registry calls the utility, its meters (by serial) and its senders (by name)."""

    utility_id: int
    meters: Mapping[str, int]
    senders: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Totals:
    """The store in a few numbers."""

    readings: int
    stored_in_batches: int
    batches: int
    batches_told: int
    counted_received: int
    counted_stored: int
    counted_others: int  # duplicates and rejected
    database_bytes: int


@dataclass(frozen=True, slots=True)
class SenderState:
    """What the gateway knows of a sender's numbers."""

    sender_id: int
    through: int
    boot: str
    missing: list[int]


def connect(database_url: str) -> Connection[TupleRow]:
    """Connect as the owner, past the line that the gateway uses."""
    return psycopg.connect(database_url, connect_timeout=CONNECT_TIMEOUT_S, application_name="suiden torture")


def found(conn: Connection[TupleRow], *, code: str, book: Book, now: datetime) -> Identities:
    """Found the utility that is tortured, and set its clock. Commits."""
    utility_id = operations.found_utility(
        conn, code=code, name=code, time_zone="Asia/Tokyo", currency="JPY", locale="en", settings={}
    )
    operations.load_book(conn, utility_id=utility_id, book=book)
    clock.set_time(conn, utility_now=now, rate=1.0, running=True)
    conn.commit()
    meters = conn.execute("SELECT serial, meter_id FROM meter ORDER BY meter_id").fetchall()
    senders = conn.execute("SELECT name, sender_id FROM sender ORDER BY sender_id").fetchall()
    return Identities(utility_id, dict(meters), dict(senders))


def set_clock(conn: Connection[TupleRow], *, at: datetime) -> None:
    """Set the utility's clock; it goes on from there as the wall's does. Commits."""
    clock.set_time(conn, utility_now=at, rate=1.0, running=True)
    conn.commit()


def backends_of_gateway(conn: Connection[TupleRow]) -> list[int]:
    """List the server's processes that serve the gateway."""
    rows = conn.execute(
        """
        SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'suiden gateway%' ORDER BY pid
        """
    ).fetchall()
    return [pid for (pid,) in rows]


def activity(conn: Connection[TupleRow]) -> list[str]:
    """Describe what the server's processes do, for a report of what hangs."""
    rows = conn.execute(
        """
        SELECT pid, application_name, state, coalesce(wait_event_type || '/' || wait_event, '-'),
               pg_blocking_pids(pid), left(regexp_replace(query, '\\s+', ' ', 'g'), 100)
        FROM pg_stat_activity WHERE backend_type = 'client backend' ORDER BY pid
        """
    ).fetchall()
    return [" ".join(str(part) for part in row) for row in rows]


def totals(conn: Connection[TupleRow]) -> Totals:
    """Count the whole store; a batch is told when an event names it."""
    with conn.cursor(row_factory=class_row(Totals)) as cursor:
        found = cursor.execute(
            """
            WITH told AS (
                SELECT DISTINCT id::bigint AS batch_id
                FROM event,
                     jsonb_array_elements_text(coalesce(payload -> 'batch_ids',
                                                        jsonb_build_array(payload -> 'batch_id'))) AS id
                WHERE topic = 'intake.batch_stored')
            SELECT (SELECT count(*) FROM reading) AS readings,
                   (SELECT coalesce(sum(stored), 0)::bigint FROM intake_batch) AS stored_in_batches,
                   (SELECT count(*) FROM intake_batch) AS batches,
                   (SELECT count(*) FROM intake_batch JOIN told USING (batch_id)) AS batches_told,
                   counted.received AS counted_received, counted.stored AS counted_stored,
                   counted.others AS counted_others,
                   pg_database_size(current_database()) AS database_bytes
            FROM (SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,
                         coalesce(sum(duplicates + rejected), 0)::bigint AS others
                  FROM intake_count) AS counted
            """
        ).fetchone()
    assert found is not None, "an aggregate gives one row"
    return found


def differing(
    conn: Connection[TupleRow], *, utility_id: int, readings: Sequence[Reading]
) -> list[tuple[int, datetime, int | None]]:
    """List those of these readings that are not stored so (meter, instant, register); None: not stored at all."""
    columns = list(zip(*readings, strict=True)) or [(), (), (), ()]
    return conn.execute(
        """
        SELECT e.meter_id, e.read_at, r.register
        FROM unnest(%(meters)s::bigint[], %(instants)s::timestamptz[], %(registers)s::bigint[], %(flows)s::real[])
             AS e (meter_id, read_at, register, flow)
        LEFT JOIN reading r ON r.utility_id = %(utility_id)s AND r.meter_id = e.meter_id AND r.read_at = e.read_at
        WHERE r.register IS DISTINCT FROM e.register OR r.flow IS DISTINCT FROM e.flow
        ORDER BY e.meter_id, e.read_at
        """,
        {
            "utility_id": utility_id,
            "meters": list(columns[0]),
            "instants": list(columns[1]),
            "registers": list(columns[2]),
            "flows": list(columns[3]),
        },
    ).fetchall()


def readings_of(conn: Connection[TupleRow], *, utility_id: int, meter_id: int) -> list[Reading]:
    """List all that is stored of one meter."""
    return conn.execute(
        """
        SELECT meter_id, read_at, register, flow FROM reading
        WHERE utility_id = %(utility_id)s AND meter_id = %(meter_id)s ORDER BY read_at
        """,
        {"utility_id": utility_id, "meter_id": meter_id},
    ).fetchall()


def sender_states(conn: Connection[TupleRow], *, utility_id: int) -> dict[int, SenderState]:
    """Tell what the gateway knows of the senders' numbers, by sender."""
    with conn.cursor(row_factory=class_row(SenderState)) as cursor:
        found = cursor.execute(
            """
            SELECT sender_id, through, boot,
                   ARRAY(SELECT generate_series(lower(part), upper(part) - 1)
                         FROM unnest(missing) AS part ORDER BY 1) AS missing
            FROM sender_sequence WHERE utility_id = %(utility_id)s ORDER BY sender_id
            """,
            {"utility_id": utility_id},
        ).fetchall()
    return {state.sender_id: state for state in found}


def refused(conn: Connection[TupleRow], *, after: int) -> list[tuple[int, str, str, bytes]]:
    """List what was refused since, as (id, reason, topic, payload)."""
    return conn.execute(
        """
        SELECT reject_id, reason, topic, payload FROM rejected_message
        WHERE reject_id > %(after)s ORDER BY reject_id
        """,
        {"after": after},
    ).fetchall()


def latest_differing(conn: Connection[TupleRow], *, utility_id: int) -> list[str]:
    """Describe each meter whose newest reading is not the one that `meter_latest` holds."""
    rows = conn.execute(
        """
        SELECT m.serial, newest.read_at, newest.register, l.read_at, l.register
        FROM meter m
        LEFT JOIN LATERAL (
            SELECT r.read_at, r.register FROM reading r
            WHERE r.utility_id = m.utility_id AND r.meter_id = m.meter_id ORDER BY r.read_at DESC LIMIT 1
        ) AS newest ON true
        LEFT JOIN meter_latest l ON l.utility_id = m.utility_id AND l.meter_id = m.meter_id
        WHERE m.utility_id = %(utility_id)s
          AND (newest.read_at IS DISTINCT FROM l.read_at OR newest.register IS DISTINCT FROM l.register)
        ORDER BY m.meter_id
        """,
        {"utility_id": utility_id},
    ).fetchall()
    return [
        f"{serial}: the newest reading is {read_at} {register}, meter_latest says {latest_at} {latest_register}"
        for serial, read_at, register, latest_at, latest_register in rows
    ]
