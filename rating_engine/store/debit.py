"""Direct debit: mandates, requests written, answers posted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row


class MandateOverlaps(Exception):
    """The account has a mandate in that time."""


class FileAlreadyPosted(Exception):
    """A file with this content was posted before."""


@dataclass(frozen=True, slots=True)
class Mandate:
    """Which bank account is debited for an account; names in half-width kana."""

    account_id: int
    bank_code: str
    bank_name: str
    branch_code: str
    branch_name: str
    account_type: str
    account_number: str
    holder_kana: str
    customer_number: str
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class DueDebit:
    """What is to be debited on a day from one account's bank account; `last_record` is how it was asked before."""

    account_id: int
    amount_minor: int
    bank_code: str
    bank_name: str
    branch_code: str
    branch_name: str
    account_type: str
    account_number: str
    holder_kana: str
    customer_number: str
    last_record: str | None


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One record of a request, as written."""

    line_number: int
    account_id: int
    intent_id: int
    intent_state: str
    record: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was written."""

    file_hash: bytes
    file_name: str
    debit_on: date
    header: str
    records: int
    total_minor: int
    placed_at: datetime | None


def insert_mandates(conn: Connection[TupleRow], *, utility_id: int, mandates: Sequence[Mandate]) -> None:
    """:raises MandateOverlaps: if an account has another mandate in that time"""
    try:
        conn.execute(
            """
            INSERT INTO debit_mandate (utility_id, account_id, bank_code, bank_name, branch_code, branch_name,
                                       account_type, account_number, holder_kana, customer_number, valid)
            SELECT %(utility_id)s, given.account_id, given.bank_code, given.bank_name, given.branch_code,
                   given.branch_name, given.account_type, given.account_number, given.holder_kana,
                   given.customer_number, tstzrange(given.valid_from, given.valid_to, '[)')
            FROM unnest(%(accounts)s::bigint[], %(bank_codes)s::text[], %(bank_names)s::text[],
                        %(branch_codes)s::text[], %(branch_names)s::text[], %(types)s::text[], %(numbers)s::text[],
                        %(holders)s::text[], %(customers)s::text[], %(from)s::timestamptz[], %(to)s::timestamptz[])
                 AS given (account_id, bank_code, bank_name, branch_code, branch_name, account_type, account_number,
                           holder_kana, customer_number, valid_from, valid_to)
            """,
            {
                "utility_id": utility_id,
                "accounts": [mandate.account_id for mandate in mandates],
                "bank_codes": [mandate.bank_code for mandate in mandates],
                "bank_names": [mandate.bank_name for mandate in mandates],
                "branch_codes": [mandate.branch_code for mandate in mandates],
                "branch_names": [mandate.branch_name for mandate in mandates],
                "types": [mandate.account_type for mandate in mandates],
                "numbers": [mandate.account_number for mandate in mandates],
                "holders": [mandate.holder_kana for mandate in mandates],
                "customers": [mandate.customer_number for mandate in mandates],
                "from": [mandate.valid_from for mandate in mandates],
                "to": [mandate.valid_to for mandate in mandates],
            },
        )
    except errors.ExclusionViolation as error:
        if error.diag.constraint_name != "debit_mandate_one_at_a_time":
            raise
        raise MandateOverlaps(f"one mandate at a time: {error.diag.message_detail}") from error


def due_accounts(conn: Connection[TupleRow], *, utility_id: int, debit_on: date, at: datetime) -> list[int]:
    """List accounts to debit on a day: by direct debit, with a mandate and a bill due then, not asked yet; by id."""
    rows = conn.execute(
        """
        SELECT DISTINCT bill.account_id
        FROM bill JOIN account USING (utility_id, account_id) JOIN debit_mandate USING (utility_id, account_id)
        WHERE bill.utility_id = %(utility_id)s AND bill.due_on = %(debit_on)s AND account.payment_method = 'debit'
          AND debit_mandate.valid @> %(at)s::timestamptz
          AND NOT EXISTS (SELECT 1 FROM payment_intent AS asked
                          WHERE asked.utility_id = bill.utility_id AND asked.channel = 'debit'
                            AND asked.external_id = %(debit_on)s::text || ':' || bill.account_id)
        ORDER BY bill.account_id
        """,
        {"utility_id": utility_id, "debit_on": debit_on, "at": at},
    ).fetchall()
    return [account_id for (account_id,) in rows]


def due_debits(
    conn: Connection[TupleRow], *, utility_id: int, account_ids: Sequence[int], debit_on: date, at: datetime
) -> list[DueDebit]:
    """Sum what is open on the bills due on a day, for accounts that are locked; by account id."""
    with conn.cursor(row_factory=class_row(DueDebit)) as cursor:
        return cursor.execute(
            """
            SELECT mandate.account_id, owed.amount_minor, mandate.bank_code, mandate.bank_name, mandate.branch_code,
                   mandate.branch_name, mandate.account_type, mandate.account_number, mandate.holder_kana,
                   mandate.customer_number,
                   (SELECT line.record FROM debit_file_line AS line JOIN debit_file USING (utility_id, file_hash)
                    WHERE line.utility_id = mandate.utility_id AND line.account_id = mandate.account_id
                    ORDER BY debit_file.written_at DESC, debit_file.file_name DESC LIMIT 1) AS last_record
            FROM debit_mandate AS mandate
            JOIN LATERAL (
                SELECT sum(line.amount_minor)::bigint AS amount_minor
                FROM bill JOIN journal_line AS line USING (utility_id, bill_id)
                WHERE bill.utility_id = mandate.utility_id AND bill.account_id = mandate.account_id
                  AND bill.due_on = %(debit_on)s AND line.ledger_account = 'receivable'
            ) AS owed ON owed.amount_minor > 0
            WHERE mandate.utility_id = %(utility_id)s AND mandate.account_id = ANY(%(account_ids)s)
              AND mandate.valid @> %(at)s::timestamptz
            ORDER BY mandate.account_id
            """,
            {"utility_id": utility_id, "account_ids": list(account_ids), "debit_on": debit_on, "at": at},
        ).fetchall()


def files_of_day(conn: Connection[TupleRow], *, utility_id: int, debit_on: date) -> int:
    """Count the requests written for a day."""
    row = conn.execute(
        "SELECT count(*) FROM debit_file WHERE utility_id = %(utility_id)s AND debit_on = %(debit_on)s",
        {"utility_id": utility_id, "debit_on": debit_on},
    ).fetchone()
    assert row is not None, "an aggregate gives one row"
    return row[0]


def insert_request(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    request: Request,
    lines: Sequence[tuple[int, int, str]],
    at: datetime,
) -> None:
    """Write a request and its lines, given as (account, intent, record)."""
    conn.execute(
        """
        INSERT INTO debit_file (utility_id, file_hash, file_name, debit_on, header, records, total_minor, written_at)
        VALUES (%(utility_id)s, %(file_hash)s, %(file_name)s, %(debit_on)s, %(header)s, %(records)s, %(total_minor)s,
                %(at)s)
        """,
        {
            "utility_id": utility_id,
            "file_hash": request.file_hash,
            "file_name": request.file_name,
            "debit_on": request.debit_on,
            "header": request.header,
            "records": request.records,
            "total_minor": request.total_minor,
            "at": at,
        },
    )
    conn.execute(
        """
        INSERT INTO debit_file_line (utility_id, file_hash, line_number, account_id, intent_id, record)
        SELECT %(utility_id)s, %(file_hash)s, given.line_number, given.account_id, given.intent_id, given.record
        FROM unnest(%(accounts)s::bigint[], %(intents)s::bigint[], %(records)s::text[]) WITH ORDINALITY
             AS given (account_id, intent_id, record, line_number)
        """,
        {
            "utility_id": utility_id,
            "file_hash": request.file_hash,
            "accounts": [line[0] for line in lines],
            "intents": [line[1] for line in lines],
            "records": [line[2] for line in lines],
        },
    )


def insert_intents(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    debits: Sequence[tuple[int, str, int]],
    at: datetime,
    expires_at: datetime,
) -> dict[int, int]:
    """Write a debit under way for each (account, external id, minor units); return intent ids by account."""
    rows = conn.execute(
        """
        INSERT INTO payment_intent (utility_id, account_id, channel, external_id, amount_minor, state, created_at,
                                    changed_at, expires_at)
        SELECT %(utility_id)s, given.account_id, 'debit', given.external_id, given.amount_minor, 'pending', %(at)s,
               %(at)s, %(expires_at)s
        FROM unnest(%(accounts)s::bigint[], %(external_ids)s::text[], %(amounts)s::bigint[])
             AS given (account_id, external_id, amount_minor)
        RETURNING account_id, intent_id
        """,
        {
            "utility_id": utility_id,
            "accounts": [debit[0] for debit in debits],
            "external_ids": [debit[1] for debit in debits],
            "amounts": [debit[2] for debit in debits],
            "at": at,
            "expires_at": expires_at,
        },
    ).fetchall()
    return dict(rows)


def requests(
    conn: Connection[TupleRow], *, utility_id: int, header: str | None = None, waiting: bool = False
) -> list[Request]:
    """List requests, oldest first: with this header, or those not yet put in the outbox."""
    with conn.cursor(row_factory=class_row(Request)) as cursor:
        return cursor.execute(
            """
            SELECT file_hash, file_name, debit_on, header, records, total_minor, placed_at FROM debit_file
            WHERE utility_id = %(utility_id)s AND (%(header)s::text IS NULL OR header = %(header)s)
              AND (NOT %(waiting)s OR placed_at IS NULL)
            ORDER BY written_at, file_name
            """,
            {"utility_id": utility_id, "header": header, "waiting": waiting},
        ).fetchall()


def lines(conn: Connection[TupleRow], *, utility_id: int, file_hash: bytes) -> list[RequestLine]:
    """List a request's records with what became of each, in order."""
    with conn.cursor(row_factory=class_row(RequestLine)) as cursor:
        return cursor.execute(
            """
            SELECT line.line_number, line.account_id, line.intent_id, payment_intent.state AS intent_state, line.record
            FROM debit_file_line AS line JOIN payment_intent USING (utility_id, intent_id)
            WHERE line.utility_id = %(utility_id)s AND line.file_hash = %(file_hash)s ORDER BY line.line_number
            """,
            {"utility_id": utility_id, "file_hash": file_hash},
        ).fetchall()


def mark_placed(conn: Connection[TupleRow], *, utility_id: int, file_hash: bytes, at: datetime) -> None:
    """Record that a request lies in the outbox."""
    conn.execute(
        """
        UPDATE debit_file SET placed_at = %(at)s
        WHERE utility_id = %(utility_id)s AND file_hash = %(file_hash)s AND placed_at IS NULL
        """,
        {"utility_id": utility_id, "file_hash": file_hash, "at": at},
    )


def insert_posted_file(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    file_hash: bytes,
    file_format: str,
    file_name: str,
    records: int,
    total_minor: int,
    posted_by: str,
    at: datetime,
) -> None:
    """:raises FileAlreadyPosted: if a file with this content was posted before"""
    written = conn.execute(
        """
        INSERT INTO payment_file (utility_id, file_hash, format, file_name, records, total_minor, posted_at, posted_by)
        VALUES (%(utility_id)s, %(file_hash)s, %(format)s, %(file_name)s, %(records)s, %(total_minor)s, %(at)s,
                %(posted_by)s)
        ON CONFLICT DO NOTHING
        """,
        {
            "utility_id": utility_id,
            "file_hash": file_hash,
            "format": file_format,
            "file_name": file_name,
            "records": records,
            "total_minor": total_minor,
            "at": at,
            "posted_by": posted_by,
        },
    )
    if written.rowcount == 0:
        raise FileAlreadyPosted(f"{file_name}: this file was posted before, maybe under another name")
