"""The audit log and its chain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from registry.domain.audit import ChainEntry, Link

FETCH = 2_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One operation: when (wall and utility time), by whom, what, on what and on whom."""

    audit_id: int
    recorded_at: datetime
    utility_at: datetime
    actor: str
    login_id: int | None
    remote_address: str
    action: str
    object_kind: str
    object_id: str
    party_id: int | None
    detail: dict[str, Any]


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    actor: str,
    login_id: int | None,
    remote_address: str,
    action: str,
    object_kind: str,
    object_id: str,
    party_id: int | None,
    detail: Mapping[str, Any],
    at: datetime,
) -> None:
    conn.execute(
        """
        INSERT INTO audit_entry (utility_id, utility_at, actor, login_id, remote_address, action, object_kind,
                                 object_id, party_id, detail)
        VALUES (%(utility_id)s, %(at)s, %(actor)s, %(login_id)s, %(remote_address)s, %(action)s, %(object_kind)s,
                %(object_id)s, %(party_id)s, %(detail)s)
        """,
        {
            "utility_id": utility_id,
            "at": at,
            "actor": actor,
            "login_id": login_id,
            "remote_address": remote_address,
            "action": action,
            "object_kind": object_kind,
            "object_id": object_id,
            "party_id": party_id,
            "detail": Jsonb(dict(detail)),
        },
    )


def audit_entries(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    actor: str | None = None,
    action: str | None = None,
    object_kind: str | None = None,
    object_id: str | None = None,
    party_id: int | None = None,
    utility_from: datetime | None = None,
    utility_to: datetime | None = None,
    before_audit_id: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """List audit entries, newest first; each filter that is given narrows the list.

    `action` finds the action itself, and with a last character `*` all that begin so, as `bill.*`.
    The next page is asked for by the last audit_id of this one as `before_audit_id`.
    """
    with conn.cursor(row_factory=class_row(AuditEntry)) as cursor:
        return cursor.execute(
            """
            SELECT audit_id, recorded_at, utility_at, actor, login_id, remote_address, action, object_kind, object_id,
                   party_id, detail
            FROM audit_entry
            WHERE utility_id = %(utility_id)s
              AND (%(actor)s::text IS NULL OR actor = %(actor)s)
              AND (%(action)s::text IS NULL OR action = %(action)s)
              AND (%(action_prefix)s::text IS NULL OR action ^@ %(action_prefix)s)
              AND (%(object_kind)s::text IS NULL OR object_kind = %(object_kind)s)
              AND (%(object_id)s::text IS NULL OR object_id = %(object_id)s)
              AND (%(party_id)s::bigint IS NULL OR party_id = %(party_id)s)
              AND (%(utility_from)s::timestamptz IS NULL OR utility_at >= %(utility_from)s)
              AND (%(utility_to)s::timestamptz IS NULL OR utility_at < %(utility_to)s)
              AND (%(before_audit_id)s::bigint IS NULL OR audit_id < %(before_audit_id)s)
            ORDER BY audit_id DESC LIMIT %(limit)s
            """,
            {
                "utility_id": utility_id,
                "actor": actor,
                "action": None if action is None or action.endswith("*") else action,
                "action_prefix": action[:-1] if action is not None and action.endswith("*") else None,
                "object_kind": object_kind,
                "object_id": object_id,
                "party_id": party_id,
                "utility_from": utility_from,
                "utility_to": utility_to,
                "before_audit_id": before_audit_id,
                "limit": limit,
            },
        ).fetchall()


def lock_chain(conn: Connection[TupleRow], *, utility_id: int) -> None:
    """Wait until no other transaction extends this utility's chain."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('audit-chain', %(id)s))", {"id": utility_id})


def last_link(conn: Connection[TupleRow], *, utility_id: int) -> Link | None:
    with conn.cursor(row_factory=class_row(Link)) as cursor:
        return cursor.execute(
            """
            SELECT link_number, audit_id, previous_hash, hash FROM audit_link
            WHERE utility_id = %(utility_id)s ORDER BY link_number DESC LIMIT 1
            """,
            {"utility_id": utility_id},
        ).fetchone()


def newest_linked(conn: Connection[TupleRow], *, utility_id: int) -> datetime | None:
    """Give the time at which the last linked entry was recorded."""
    row = conn.execute(
        """
        SELECT e.recorded_at FROM audit_link l
        JOIN audit_entry e ON e.utility_id = l.utility_id AND e.audit_id = l.audit_id
        WHERE l.utility_id = %(utility_id)s ORDER BY l.link_number DESC LIMIT 1
        """,
        {"utility_id": utility_id},
    ).fetchone()
    return None if row is None else row[0]


def unlinked(
    conn: Connection[TupleRow], *, utility_id: int, recorded_from: datetime | None, limit: int
) -> list[ChainEntry]:
    """List committed entries that have no link yet, lowest id first."""
    with conn.cursor(row_factory=class_row(ChainEntry)) as cursor:
        return cursor.execute(
            """
            SELECT e.utility_id, e.audit_id, e.recorded_at, e.utility_at, e.actor, e.login_id, e.remote_address,
                   e.action, e.object_kind, e.object_id, e.party_id, e.detail::text AS detail
            FROM audit_entry e
            WHERE e.utility_id = %(utility_id)s
              AND e.recorded_at >= coalesce(%(recorded_from)s::timestamptz, '-infinity')
              AND NOT EXISTS (SELECT FROM audit_link l WHERE l.utility_id = e.utility_id AND l.audit_id = e.audit_id)
            ORDER BY e.audit_id LIMIT %(limit)s
            """,
            {"utility_id": utility_id, "recorded_from": recorded_from, "limit": limit},
        ).fetchall()


def insert_links(conn: Connection[TupleRow], *, utility_id: int, links: Sequence[Link]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO audit_link (utility_id, link_number, audit_id, previous_hash, hash)
            VALUES (%(utility_id)s, %(link_number)s, %(audit_id)s, %(previous_hash)s, %(hash)s)
            """,
            [
                {
                    "utility_id": utility_id,
                    "link_number": link.link_number,
                    "audit_id": link.audit_id,
                    "previous_hash": link.previous_hash,
                    "hash": link.hash,
                }
                for link in links
            ],
        )


def chain(conn: Connection[TupleRow], *, utility_id: int) -> Iterator[tuple[Link, ChainEntry | None]]:
    """Give every link by number with its entry, None where the entry is gone; holds a cursor, not the whole log."""
    with conn.cursor(name="audit_chain") as cursor:
        cursor.itersize = FETCH
        cursor.execute(
            """
            SELECT l.link_number, l.audit_id, l.previous_hash, l.hash, e.utility_id, e.audit_id, e.recorded_at,
                   e.utility_at, e.actor, e.login_id, e.remote_address, e.action, e.object_kind, e.object_id,
                   e.party_id, e.detail::text
            FROM audit_link l
            LEFT JOIN audit_entry e ON e.utility_id = l.utility_id AND e.audit_id = l.audit_id
            WHERE l.utility_id = %(utility_id)s ORDER BY l.link_number
            """,
            {"utility_id": utility_id},
        )
        for row in cursor:
            yield Link(*row[:4]), None if row[4] is None else ChainEntry(*row[4:])


def unlinked_counts(
    conn: Connection[TupleRow], *, utility_id: int, passed_before: datetime | None
) -> tuple[int, list[int]]:
    """Count entries that wait for a link, and give the ids of those recorded as of a time the chain has passed."""
    rows = conn.execute(
        """
        SELECT e.audit_id, e.recorded_at < coalesce(%(passed_before)s::timestamptz, '-infinity')
        FROM audit_entry e
        WHERE e.utility_id = %(utility_id)s
          AND NOT EXISTS (SELECT FROM audit_link l WHERE l.utility_id = e.utility_id AND l.audit_id = e.audit_id)
        ORDER BY e.audit_id
        """,
        {"utility_id": utility_id, "passed_before": passed_before},
    ).fetchall()
    passed = [audit_id for audit_id, is_passed in rows if is_passed]
    return len(rows) - len(passed), passed
