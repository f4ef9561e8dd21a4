"""Connections, roles and transactions."""

import select
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection, OperationalError, conninfo, sql
from psycopg.rows import TupleRow
from psycopg.types.range import TimestamptzRange
from psycopg_pool import ConnectionPool

from kernel.period import Period

Role = Literal["suiden_app", "suiden_gateway", "suiden_worker", "suiden_auditor"]
Pool = ConnectionPool[Connection[TupleRow]]

CONNECT_TIMEOUT_S = 10
CHECK_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom, by whom and when (utility time) a transaction works."""

    utility_id: int
    actor: str
    now: datetime


def open_pool(database_url: str, *, role: Role, process: str, max_size: int = 8) -> Pool:
    """Open a pool whose connections act as `role`; it connects in the background and survives a database restart."""
    return ConnectionPool(
        with_options(database_url, role=role, process=process),
        min_size=1,
        max_size=max_size,
        open=True,
        check=_check_connection,
        timeout=CONNECT_TIMEOUT_S,
        name=process,
    )


def with_options(database_url: str, *, role: Role, process: str) -> str:
    """Add role, UTC and a process name to a database address."""
    options = f"-c role={role} -c TimeZone=UTC -c jit=off"
    return conninfo.make_conninfo(
        database_url,
        options=options,
        application_name=f"suiden {process}",
        connect_timeout=CONNECT_TIMEOUT_S,
        tcp_user_timeout=30_000,
        keepalives_idle=15,
    )


def _check_connection(conn: Connection[TupleRow]) -> None:
    """Ask the server for a sign of life before a connection is given out.

    A server process that is stopped and not dead never answers, and its machine acknowledges every packet: without a
    deadline of our own we would wait for as long as it is stopped.

    :raises psycopg.OperationalError: if the connection is broken, or nothing is answered in time
    """
    deadline_s = time.monotonic() + CHECK_TIMEOUT_S
    with conn.lock:
        server = conn.pgconn
        server.send_query(b"")
        poll = select.poll()
        poll.register(server.socket, select.POLLIN)
        while True:
            server.flush()
            server.consume_input()
            if not server.is_busy():
                if server.get_result() is None:
                    return
            elif not poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000) and time.monotonic() >= deadline_s:
                conn.close()
                raise OperationalError(f"the database did not answer within {CHECK_TIMEOUT_S:.0f} s")


@contextmanager
def transaction(pool: Pool, *, scope: Scope) -> Generator[Connection[TupleRow]]:
    """Run one transaction for one utility; commit at the end, roll back on an error."""
    with pool.connection() as conn:
        enter_scope(conn, scope=scope)
        yield conn


def enter_scope(conn: Connection[TupleRow], *, scope: Scope) -> None:
    """Say for the rest of the transaction which utility's rows are seen, who acts, and what time it is."""
    conn.execute(
        """
        SELECT set_config('suiden.utility_id', %(utility_id)s, true),
               set_config('suiden.actor', %(actor)s, true),
               set_config('suiden.now', %(now)s, true)
        """,
        {
            "utility_id": str(scope.utility_id),
            "actor": scope.actor,
            "now": scope.now.isoformat(),
        },
    )


def range_of(period: Period) -> TimestamptzRange:
    """Give a period in the database's form."""
    return TimestamptzRange(period.start, period.end, "[)")


def analyze(conn: Connection[TupleRow], *tables: str) -> None:
    """Let the planner know the tables as this transaction sees them, after much was loaded; none named: all."""
    names = sql.SQL(", ").join(map(sql.Identifier, tables))
    conn.execute(sql.SQL("ANALYZE {}").format(names))


def has_tables(conn: Connection[TupleRow], *, named: str | None = None) -> bool:
    """Tell whether there is a table, or one of this name, that neither an extension nor the migrations' record made."""
    found = conn.execute(
        """
        SELECT 1 FROM pg_class AS relation
        WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'p')
          AND relation.relname !~ '^_?yoyo' AND (%(named)s::text IS NULL OR relation.relname = %(named)s)
          AND NOT EXISTS (SELECT 1 FROM pg_depend
                          WHERE pg_depend.classid = 'pg_class'::regclass AND pg_depend.objid = relation.oid
                            AND pg_depend.deptype = 'e')
        LIMIT 1
        """,
        {"named": named},
    ).fetchone()
    return found is not None


def empty(conn: Connection[TupleRow]) -> None:
    """Remove every row of our tables, as the owner; the record of migrations stays."""
    names = conn.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ '^_?yoyo' ORDER BY tablename"
    ).fetchall()
    tables = sql.SQL(", ").join(sql.Identifier(name) for (name,) in names)
    conn.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(tables))
