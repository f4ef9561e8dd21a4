"""Utility time: one database row says how it runs; rate 1 in production, faster in a time-lapse."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.database import Pool

REFRESH_S = 2.0


class ClockNotSet(Exception):
    """The database has no clock row yet; `suiden migrate` followed by `suiden demo` or `suiden found` sets one."""


class Clock(Protocol):
    """Where a process reads utility time, at its edge, to hand it down."""

    def now(self) -> datetime: ...

    def rate(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Anchor:
    """Utility time is `utility_anchor` at the wall's `wall_anchor`, and runs `rate` times as fast while `running`."""

    wall_anchor: datetime
    utility_anchor: datetime
    rate: float
    running: bool

    def at(self, wall: datetime) -> datetime:
        """Tell the utility time at a moment of wall time."""
        if not self.running:
            return self.utility_anchor
        return self.utility_anchor + timedelta(seconds=(wall - self.wall_anchor).total_seconds() * self.rate)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def rate(self) -> float:
        return 1.0


class UtilityClock:
    """Utility time of an installation; the row is read again every two seconds, in the caller's thread."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._anchor: Anchor | None = None
        self._read_at_s = float("-inf")

    def now(self) -> datetime:
        """:raises ClockNotSet: if the installation was never founded"""
        return self._current().at(wall_now())

    def rate(self) -> float:
        """Tell how many seconds of utility time pass in one second of wall time; 0 while it is paused."""
        anchor = self._current()
        return anchor.rate if anchor.running else 0.0

    def _current(self) -> Anchor:
        with self._lock:
            if self._anchor is None or time.monotonic() - self._read_at_s > REFRESH_S:
                try:
                    with self._pool.connection() as conn:
                        self._anchor = load(conn)
                    self._read_at_s = time.monotonic()
                except ClockNotSet:
                    raise
                except Exception:
                    # The database is away: time goes on by the last row that was read.
                    if self._anchor is None:
                        raise
                    self._read_at_s = time.monotonic()
            return self._anchor


def wall_now() -> datetime:
    """Tell the wall time, for time-outs, sessions and leases."""
    return datetime.now(UTC)


def load(conn: Connection[TupleRow]) -> Anchor:
    """:raises ClockNotSet: if there is no clock row"""
    row = conn.execute("SELECT wall_anchor, utility_anchor, rate, running FROM utility_clock").fetchone()
    if row is None:
        raise ClockNotSet("utility time was never set in this database")
    return Anchor(*row)


def rate_of(conn: Connection[TupleRow]) -> float:
    """Tell how fast utility time runs when it runs; as on the wall where nobody set it."""
    try:
        return load(conn).rate
    except ClockNotSet:
        return 1.0


def set_time(conn: Connection[TupleRow], *, utility_now: datetime, rate: float, running: bool) -> None:
    """Set utility time and how fast it runs from now on."""
    conn.execute(
        """
        INSERT INTO utility_clock (wall_anchor, utility_anchor, rate, running)
        VALUES (%(wall)s, %(utility)s, %(rate)s, %(running)s)
        ON CONFLICT (only_row) DO UPDATE SET wall_anchor = excluded.wall_anchor,
            utility_anchor = excluded.utility_anchor, rate = excluded.rate, running = excluded.running
        """,
        {"wall": wall_now(), "utility": utility_now, "rate": rate, "running": running},
    )


def pause(conn: Connection[TupleRow]) -> None:
    """Stop utility time where it is, so that a later start goes on from there."""
    anchor = load(conn)
    set_time(conn, utility_now=anchor.at(wall_now()), rate=anchor.rate, running=False)


def resume(conn: Connection[TupleRow], *, rate: float) -> None:
    """Let utility time go on from where it stands."""
    set_time(conn, utility_now=load(conn).at(wall_now()), rate=rate, running=True)
