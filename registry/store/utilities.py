"""Utilities and the rights of their roles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, errors
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from registry.domain.unknown import UtilityUnknown


class UtilityExists(Exception):
    """A utility of this code was founded before."""


@dataclass(frozen=True, slots=True)
class Utility:
    """One utility of the installation; `zone` is its time zone."""

    utility_id: int
    code: str
    name: str
    zone: ZoneInfo
    currency: str
    locale: str
    settings: dict[str, Any]


def insert(
    conn: Connection[TupleRow],
    *,
    code: str,
    name: str,
    time_zone: str,
    currency: str,
    locale: str,
    settings: Mapping[str, Any],
) -> int:
    """:raises UtilityExists: if the code is taken"""
    try:
        row = conn.execute(
            """
            INSERT INTO utility (utility_id, code, name, time_zone, currency, locale, settings)
            SELECT coalesce(max(utility_id), 0) + 1, %(code)s, %(name)s, %(time_zone)s, %(currency)s, %(locale)s,
                   %(settings)s
            FROM utility
            RETURNING utility_id
            """,
            {
                "code": code,
                "name": name,
                "time_zone": time_zone,
                "currency": currency,
                "locale": locale,
                "settings": Jsonb(dict(settings)),
            },
        ).fetchone()
    except errors.UniqueViolation as error:
        if error.diag.constraint_name != "utility_code_key":
            raise
        raise UtilityExists(f"utility {code} exists already; choose another code") from error
    assert row is not None, "an insert without a condition returns its row"
    return row[0]


def grant(conn: Connection[TupleRow], *, utility_id: int, role: str, rights: frozenset[str]) -> None:
    """Give a role its rights; those it has stay."""
    conn.execute(
        """
        INSERT INTO role_right (utility_id, role, granted)
        SELECT %(utility_id)s, %(role)s, granted FROM unnest(%(rights)s::text[]) AS granted
        ON CONFLICT (utility_id, role, granted) DO NOTHING
        """,
        {"utility_id": utility_id, "role": role, "rights": sorted(rights)},
    )


def utilities(conn: Connection[TupleRow]) -> list[Utility]:
    """List the utilities of the installation."""
    rows = conn.execute(
        """
        SELECT utility_id, code, name, time_zone, currency, locale, settings FROM utility ORDER BY utility_id
        """
    ).fetchall()
    return [_utility(row) for row in rows]


def utility(conn: Connection[TupleRow], *, code: str) -> Utility:
    """:raises UtilityUnknown: if no utility has this code"""
    row = conn.execute(
        """
        SELECT utility_id, code, name, time_zone, currency, locale, settings FROM utility WHERE code = %(code)s
        """,
        {"code": code},
    ).fetchone()
    if row is None:
        raise UtilityUnknown(f"no utility has the code {code}; `suiden found` makes one")
    return _utility(row)


def code_of(conn: Connection[TupleRow], *, utility_id: int) -> str:
    """:raises UtilityUnknown: if there is no such utility"""
    row = conn.execute(
        "SELECT code FROM utility WHERE utility_id = %(utility_id)s", {"utility_id": utility_id}
    ).fetchone()
    if row is None:
        raise UtilityUnknown(f"there is no utility {utility_id}")
    return row[0]


def _utility(row: TupleRow) -> Utility:
    utility_id, code, name, time_zone, currency, locale, settings = row
    return Utility(utility_id, code, name, ZoneInfo(time_zone), currency, locale, settings)
