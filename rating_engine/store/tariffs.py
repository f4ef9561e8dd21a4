"""Published versions of tariffs: never changed, never deleted."""

from dataclasses import dataclass
from datetime import date

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row


class VersionTaken(Exception):
    """The tariff has a version from this day on already, with another document."""


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """One published document, as it was published."""

    tariff_code: str
    version: int
    effective_from: date
    document: str
    document_hash: bytes


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    tariff_code: str,
    effective_from: date,
    document: str,
    document_hash: bytes,
) -> int:
    """Write the next version and return its number.

    :raises VersionTaken: if a version begins on that day already
    """
    try:
        with conn.transaction():
            row = conn.execute(
                """
                INSERT INTO tariff_version (utility_id, tariff_code, version, effective_from, document, document_hash)
                SELECT %(utility_id)s, %(tariff_code)s, coalesce(max(version), 0) + 1, %(effective_from)s, %(document)s,
                       %(document_hash)s
                FROM tariff_version WHERE utility_id = %(utility_id)s AND tariff_code = %(tariff_code)s
                RETURNING version
                """,
                {
                    "utility_id": utility_id,
                    "tariff_code": tariff_code,
                    "effective_from": effective_from,
                    "document": document,
                    "document_hash": document_hash,
                },
            ).fetchone()
    except errors.UniqueViolation as error:
        raise VersionTaken(
            f"tariff {tariff_code} has a version from {effective_from} on; publish from another day"
        ) from error
    assert row is not None, "an insert without a condition returns its row"
    return row[0]


def versions(conn: Connection[TupleRow], *, utility_id: int, tariff_code: str) -> list[TariffVersion]:
    """List the versions of a tariff, the one in force last first."""
    with conn.cursor(row_factory=class_row(TariffVersion)) as cursor:
        return cursor.execute(
            """
            SELECT tariff_code, version, effective_from, document, document_hash FROM tariff_version
            WHERE utility_id = %(utility_id)s AND tariff_code = %(tariff_code)s
            ORDER BY effective_from DESC, version DESC
            """,
            {"utility_id": utility_id, "tariff_code": tariff_code},
        ).fetchall()


def version(conn: Connection[TupleRow], *, utility_id: int, tariff_code: str, version: int) -> TariffVersion | None:
    """Find one version."""
    with conn.cursor(row_factory=class_row(TariffVersion)) as cursor:
        return cursor.execute(
            """
            SELECT tariff_code, version, effective_from, document, document_hash FROM tariff_version
            WHERE utility_id = %(utility_id)s AND tariff_code = %(tariff_code)s AND version = %(version)s
            """,
            {"utility_id": utility_id, "tariff_code": tariff_code, "version": version},
        ).fetchone()


def codes(conn: Connection[TupleRow], *, utility_id: int) -> list[str]:
    """List the codes of the utility's tariffs."""
    rows = conn.execute(
        "SELECT DISTINCT tariff_code FROM tariff_version WHERE utility_id = %(utility_id)s ORDER BY tariff_code",
        {"utility_id": utility_id},
    ).fetchall()
    return [row[0] for row in rows]
