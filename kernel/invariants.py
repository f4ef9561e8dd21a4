"""Standing checks: SQL that must find nothing, run by a job, shown as gauges that are 0."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True)
class Invariant:
    """A query that returns one text column, a row for each violation."""

    name: str
    query: sql.SQL


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the last run of a check found."""

    name: str
    violations: int
    example: str | None
    checked_at: datetime


def check(conn: Connection[TupleRow], *, invariants: Sequence[Invariant], wall_now: datetime) -> list[CheckResult]:
    """Run the checks and keep their results."""
    results: list[CheckResult] = []
    for invariant in invariants:
        counted = sql.SQL("SELECT count(*), min(example) FROM ({}) AS violation (example)").format(invariant.query)
        row = conn.execute(counted).fetchone()
        assert row is not None, "an aggregate returns one row"
        results.append(CheckResult(invariant.name, row[0], row[1], wall_now))
        _keep(conn, results[-1])
    return results


def last_results(conn: Connection[TupleRow]) -> list[CheckResult]:
    """List the last result of each check."""
    with conn.cursor(row_factory=class_row(CheckResult)) as cursor:
        return cursor.execute(
            "SELECT name, violations, example, checked_at FROM invariant_check ORDER BY name"
        ).fetchall()


def _keep(conn: Connection[TupleRow], result: CheckResult) -> None:
    conn.execute(
        """
        INSERT INTO invariant_check (name, violations, example, checked_at)
        VALUES (%(name)s, %(violations)s, %(example)s, %(checked_at)s)
        ON CONFLICT (name) DO UPDATE SET violations = excluded.violations, example = excluded.example,
            checked_at = excluded.checked_at
        """,
        {
            "name": result.name,
            "violations": result.violations,
            "example": result.example,
            "checked_at": result.checked_at,
        },
    )
