"""The local calendar by which a utility's days are cut."""

from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import TupleRow

from registry import queries as registry


class UtilityMissing(Exception):
    """No utility has this number."""


def zone_of(conn: Connection[TupleRow], *, utility_id: int) -> ZoneInfo:
    """:raises UtilityMissing: if there is no such utility"""
    for utility in registry.utilities(conn):
        if utility.utility_id == utility_id:
            return utility.zone
    raise UtilityMissing(f"utility {utility_id} is not in this database; `suiden demo` founds one")
