"""What money work needs to know of its utility, and the time its transaction works at."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import TupleRow


class UtilityMissing(LookupError):
    """No utility has this id."""


@dataclass(frozen=True, slots=True)
class UtilityFacts:
    """The utility's calendar, money and settings."""

    utility_id: int
    zone: ZoneInfo
    currency: str
    settings: dict[str, Any]

    def local(self, at: datetime) -> datetime:
        """Give an instant by the utility's own clock and calendar."""
        return at.astimezone(self.zone)

    def today(self, at: datetime) -> date:
        """Tell the local day of an instant."""
        return self.local(at).date()


def facts(conn: Connection[TupleRow], *, utility_id: int) -> UtilityFacts:
    """:raises UtilityMissing: if there is no such utility"""
    row = conn.execute(
        "SELECT time_zone, currency, settings FROM utility WHERE utility_id = %(utility_id)s",
        {"utility_id": utility_id},
    ).fetchone()
    if row is None:
        raise UtilityMissing(f"no utility has the id {utility_id}")
    return UtilityFacts(utility_id=utility_id, zone=ZoneInfo(row[0]), currency=row[1], settings=row[2])


def scope_time(conn: Connection[TupleRow]) -> datetime:
    """Tell the utility time that this transaction's scope names."""
    row = conn.execute("SELECT current_utility_time()").fetchone()
    assert row is not None, "a function call gives one row"
    return row[0]
