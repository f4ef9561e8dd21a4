"""From the numbers that people know to ids."""

from collections.abc import Collection

from psycopg import Connection
from psycopg.rows import TupleRow


def account_ids(conn: Connection[TupleRow], *, utility_id: int, numbers: Collection[str]) -> dict[str, int]:
    """Give the id of each account number that the utility has."""
    rows = conn.execute(
        """
        SELECT account_number, account_id FROM account
        WHERE utility_id = %(utility_id)s AND account_number = ANY(%(numbers)s) ORDER BY account_id
        """,
        {"utility_id": utility_id, "numbers": list(numbers)},
    ).fetchall()
    return dict(rows)


def party_ids(conn: Connection[TupleRow], *, utility_id: int, numbers: Collection[str]) -> dict[str, int]:
    """Give the id of each party number that the utility has."""
    rows = conn.execute(
        """
        SELECT party_number, party_id FROM party
        WHERE utility_id = %(utility_id)s AND party_number = ANY(%(numbers)s) ORDER BY party_id
        """,
        {"utility_id": utility_id, "numbers": list(numbers)},
    ).fetchall()
    return dict(rows)
