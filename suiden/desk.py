"""What a command does for one utility: one transaction, at this moment of utility time, on record under a name."""

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import clock
from kernel.database import Scope, enter_scope, with_options
from registry import operations as registry
from registry import queries as registry_queries
from registry.queries import Utility, UtilityUnknown
from suiden import settings
from suiden.errors import NotPossibleHere
from suiden.settings import ProcessSettings


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command works: rolled back unless `work_for` ends without an error."""

    conn: Connection[TupleRow]
    utility: Utility
    now: datetime
    actor: str

    def commit(self) -> None:
        """Keep what was done so far, and go on with a transaction of its own."""
        self.conn.commit()
        self._enter()

    def roll_back(self) -> None:
        """Undo what was done since the last commit, and go on."""
        self.conn.rollback()
        self._enter()

    def _enter(self) -> None:
        enter_scope(self.conn, scope=Scope(self.utility.utility_id, self.actor, self.now))

    def record(self, *, action: str, object_kind: str, object_id: str, detail: Mapping[str, Any]) -> None:
        """Write into the audit log what was done here."""
        registry.record_audit(
            self.conn,
            utility_id=self.utility.utility_id,
            actor=self.actor,
            login_id=None,
            remote_address="",
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            party_id=None,
            detail=detail,
            at=self.now,
        )


@contextmanager
def work_for(code: str, *, process: str) -> Iterator[Desk]:
    """Open the transaction; it commits at the end, and an error rolls it back.

    :raises NotPossibleHere: if there is no such utility
    """
    url = settings.load(ProcessSettings).database_url
    with psycopg.connect(with_options(url, role="suiden_worker", process=process)) as conn:
        try:
            utility = registry_queries.utility(conn, code=code)
        except UtilityUnknown as error:
            raise NotPossibleHere(f"{error}; another one is chosen by --utility or SUIDEN_UTILITY") from error
        desk = Desk(conn, utility, now=clock.load(conn).at(clock.wall_now()), actor=f"cli:{who()}")
        desk.roll_back()
        yield desk


def who() -> str:
    """Name the login of this machine that gives the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
