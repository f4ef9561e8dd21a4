"""A database connection that one thread keeps, and another may cut."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Generator

import psycopg
import structlog
from psycopg import Connection, conninfo
from psycopg.rows import TupleRow

from kernel.database import with_options

log = structlog.get_logger()

SEND_BUFFER_BYTES = 4 * 2**20


class OwnConnection:
    """Connects when it is needed, and anew after an error."""

    def __init__(self, database_url: str, *, process: str, waits_for_disk: bool = True) -> None:
        """`waits_for_disk` False: what it commits may be lost in a crash of the server, with all that came after it."""
        self._url = with_options(database_url, role="suiden_gateway", process=process)
        if not waits_for_disk:
            options = conninfo.conninfo_to_dict(self._url)["options"]
            self._url = conninfo.make_conninfo(self._url, options=f"{options} -c synchronous_commit=off")
        self._conn: Connection[TupleRow] | None = None
        self._busy_since_s: float | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def at_work(self) -> Generator[Connection[TupleRow]]:
        """Give the connection for a piece of work that the caller commits; after an error it is given up."""
        try:
            self._busy_since_s = time.monotonic()
            conn = self._conn = self._conn or self._connect()
            yield conn
            if conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                conn.rollback()
        except psycopg.DatabaseError:
            if self._conn is not None and not self._is_usable(self._conn):
                self.close()
            raise
        except BaseException:
            self.close()
            raise
        finally:
            self._busy_since_s = None

    def close(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                conn.close()

    def cut_if_stuck(self, *, deadline_s: float) -> None:
        """Cut the line to a database that has not answered for too long; called by another thread.

        A server that is stopped and not dead keeps a connection open for ever.
        """
        since_s, conn = self._busy_since_s, self._conn
        if since_s is None or conn is None or time.monotonic() - since_s < deadline_s:
            return
        log.error("database.deadline", deadline_s=deadline_s)
        with contextlib.suppress(OSError, psycopg.Error):
            duplicate = socket.socket(fileno=os.dup(conn.fileno()))
            try:
                duplicate.shutdown(socket.SHUT_RDWR)
            finally:
                duplicate.close()

    def _connect(self) -> Connection[TupleRow]:
        conn = psycopg.connect(self._url)
        # Room for a whole batch, so that it leaves in one go and this thread need not come back for the rest of it.
        with contextlib.suppress(OSError):
            duplicate = socket.socket(fileno=os.dup(conn.fileno()))
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            duplicate.close()
        return conn

    @staticmethod
    def _is_usable(conn: Connection[TupleRow]) -> bool:
        if conn.closed or conn.broken:
            return False
        try:
            conn.rollback()
        except psycopg.Error:
            return False
        return True
