"""Telling a database that is away from a message that cannot be stored."""

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

from kernel.clock import ClockNotSet


def is_away(error: Exception) -> bool:
    """Tell whether the database, and not what a message holds, is the reason; then all is done again later."""
    if isinstance(error, psycopg.Error):
        # ProgramLimitExceeded is what PostgreSQL says of a row that is too long for an index.
        return not isinstance(error, psycopg.DataError | psycopg.IntegrityError | errors.ProgramLimitExceeded)
    return isinstance(error, PoolTimeout | ClockNotSet | OSError)
