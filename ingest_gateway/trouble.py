"""A database that is away, told from a message that cannot be stored; and waiting for it."""

import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg_pool import PoolTimeout

from kernel.clock import ClockNotSet

log = structlog.get_logger()

RETRY_S = 0.5

Done = TypeVar("Done")


class GivenUp(Exception):
    """The work was not done, and need not be any more: the gateway stops, or nobody waits for it."""


def is_away(error: Exception) -> bool:
    """Tell whether the database, and not what a message holds, is the reason; then all is done again later."""
    if isinstance(error, psycopg.Error):
        # ProgramLimitExceeded is what PostgreSQL says of a row that is too long for an index.
        return not isinstance(error, psycopg.DataError | psycopg.IntegrityError | errors.ProgramLimitExceeded)
    return isinstance(error, PoolTimeout | ClockNotSet | OSError)


def until_done(
    work: Callable[[bool], Done],
    *,
    is_wanted: Callable[[], bool],
    failed: Callable[[Exception], None],
    stop: threading.Event,
) -> Done:
    """Do some work, again while the database is away; it is told whether an earlier try may have done it.

    `failed` is told each time why it was not done.

    :raises GivenUp: if the gateway stops, or the work `is_wanted` no longer after it failed
    :raises Exception: whatever else stands in the way
    """
    is_repeated = False
    while not stop.is_set():
        try:
            return work(is_repeated)
        except Exception as error:
            if not is_away(error):
                raise
            # If this was the commit, nobody knows whether it happened: the next try finds out.
            is_repeated = True
            failed(error)
            log.warning("intake.database_away", error=str(error)[:300])
            stop.wait(RETRY_S)
            if not is_wanted():
                break
    raise GivenUp
