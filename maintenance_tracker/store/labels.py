"""What people said of findings on the watch list."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

Answer = Literal["confirmed", "dismissed"]


@dataclass(frozen=True, slots=True)
class Label:
    """An answer, in utility time; `kind` is what it is by the person who answered."""

    anomaly_label_id: int
    anomaly_id: int
    answer: Answer
    kind: str
    note: str
    answered_by: str
    answered_at: datetime


def insert(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    anomaly_id: int,
    answer: Answer,
    kind: str,
    note: str,
    answered_by: str,
    at: datetime,
) -> None:
    """Write an answer; those before it stay."""
    conn.execute(
        """
        INSERT INTO anomaly_label (utility_id, anomaly_id, answer, kind, note, answered_by, answered_at)
        VALUES (%(utility_id)s, %(anomaly_id)s, %(answer)s, %(kind)s, %(note)s, %(answered_by)s, %(at)s)
        """,
        {
            "utility_id": utility_id,
            "anomaly_id": anomaly_id,
            "answer": answer,
            "kind": kind,
            "note": note,
            "answered_by": answered_by,
            "at": at,
        },
    )


def of_anomalies(conn: Connection[TupleRow], *, utility_id: int, anomaly_ids: Collection[int]) -> list[Label]:
    """List the last answer to each of the findings."""
    with conn.cursor(row_factory=class_row(Label)) as cursor:
        return cursor.execute(
            """
            SELECT DISTINCT ON (anomaly_id)
                   anomaly_label_id, anomaly_id, answer, kind, note, answered_by, answered_at
            FROM anomaly_label
            WHERE utility_id = %(utility_id)s AND anomaly_id = ANY (%(anomaly_ids)s)
            ORDER BY anomaly_id, anomaly_label_id DESC
            """,
            {"utility_id": utility_id, "anomaly_ids": list(anomaly_ids)},
        ).fetchall()


def answers(conn: Connection[TupleRow], *, utility_id: int, since: datetime) -> list[Label]:
    """List the answers given since then, oldest first."""
    with conn.cursor(row_factory=class_row(Label)) as cursor:
        return cursor.execute(
            """
            SELECT anomaly_label_id, anomaly_id, answer, kind, note, answered_by, answered_at
            FROM anomaly_label WHERE utility_id = %(utility_id)s AND answered_at >= %(since)s
            ORDER BY anomaly_label_id
            """,
            {"utility_id": utility_id, "since": since},
        ).fetchall()
