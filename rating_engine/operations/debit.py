"""Direct debit: the request goes out, the bank's answer is posted whole or not at all."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain import zengin
from rating_engine.domain.payments import PaymentRow
from rating_engine.domain.zengin import DebitClient, DebitFile, DebitRecord
from rating_engine.operations.payments import take_payments
from rating_engine.store import collections as collections_store
from rating_engine.store import debit as store
from rating_engine.store import intents as intent_store
from rating_engine.store import settings_of_utility
from rating_engine.store.debit import DueDebit, Mandate, Request, RequestLine
from rating_engine.store.payments import lock_accounts
from rating_engine.store.settings_of_utility import UtilityFacts
from registry import operations as registry

RESULT_FORMAT = "zengin-91"


class DebitClientMissing(LookupError):
    """The utility's settings do not say who collects; add `debit` with the eight fields of DebitClient."""


class DebitResultRefused(Exception):
    """A bank's answer does not match a request that waits for one; nothing of it was posted."""


@dataclass(frozen=True, slots=True)
class DebitRequest:
    """A request that was written; amounts in yen."""

    file_name: str
    file_hash: bytes
    content: bytes
    records: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class DebitResultPosted:
    """What a bank's answer brought; amounts in yen. `is_new` is false when this very file was posted before."""

    file_name: str
    debited: int
    debited_minor: int
    failed: int
    failed_minor: int
    is_new: bool


def load_mandates(conn: Connection[TupleRow], *, utility_id: int, mandates: Sequence[Mandate], wo: str = "ｦ") -> None:
    """Load mandates; names are brought to half-width kana, codes and numbers are filled up with zeros.

    :raises KanaUnwritable: if a name cannot be written
    :raises MandateOverlaps: if an account has another mandate in that time
    """
    written = [
        replace(
            mandate,
            bank_code=mandate.bank_code.rjust(4, "0"),
            bank_name=zengin.to_kana(mandate.bank_name, marks=zengin.BANK_MARKS, wo=wo)[:15],
            branch_code=mandate.branch_code.rjust(3, "0"),
            branch_name=zengin.to_kana(mandate.branch_name, marks=zengin.BANK_MARKS, wo=wo)[:15],
            account_number=mandate.account_number.rjust(7, "0"),
            holder_kana=zengin.to_kana(mandate.holder_kana, wo=wo)[:30],
            customer_number=mandate.customer_number.rjust(20, "0"),
        )
        for mandate in mandates
    ]
    if written:
        store.insert_mandates(conn, utility_id=utility_id, mandates=written)


def debit_client(conn: Connection[TupleRow], *, utility_id: int) -> DebitClient:
    """Read who collects from the utility's settings.

    :raises DebitClientMissing: if they do not say so
    """
    given = settings_of_utility.facts(conn, utility_id=utility_id).settings.get("debit")
    names = {field.name for field in fields(DebitClient)}
    if not isinstance(given, dict) or given.keys() != names:
        raise DebitClientMissing(f"the settings of the utility need `debit` with {', '.join(sorted(names))}")
    return DebitClient(**{name: str(given[name]) for name in names})


def write_debit_file(
    conn: Connection[TupleRow], *, utility_id: int, debit_on: date, at: datetime
) -> DebitRequest | None:
    """Write the request for bills due on a local day, one record an account; None if there is nothing to ask.

    Each record is a payment under way, so no supply of its account is stopped until the bank answers. Call
    `place_debit_files` when this is committed: a file in the outbox is one that the database knows.

    :raises DebitClientMissing: if the utility's settings do not say who collects
    """
    client = debit_client(conn, utility_id=utility_id)
    account_ids = store.due_accounts(conn, utility_id=utility_id, debit_on=debit_on, at=at)
    lock_accounts(conn, utility_id=utility_id, account_ids=account_ids)
    # Asked again under the locks: another process may have written a request meanwhile.
    account_ids = store.due_accounts(conn, utility_id=utility_id, debit_on=debit_on, at=at)
    due = store.due_debits(conn, utility_id=utility_id, account_ids=account_ids, debit_on=debit_on, at=at)
    if not due:
        return None
    file = DebitFile(client, debit_on.month, debit_on.day, tuple(_record(debit) for debit in due))
    content = zengin.encode(file)
    number = store.files_of_day(conn, utility_id=utility_id, debit_on=debit_on) + 1
    request = Request(
        file_hash=hashlib.sha256(content).digest(),
        file_name=f"debit-{debit_on:%Y%m%d}-{number:02d}.txt",
        debit_on=debit_on,
        header=zengin.header_record(file),
        records=len(due),
        total_minor=sum(debit.amount_minor for debit in due),
        placed_at=None,
    )
    policy = collections_store.policy_at(conn, utility_id=utility_id, at=at)
    zone = settings_of_utility.facts(conn, utility_id=utility_id).zone
    debit_at = datetime.combine(debit_on, time(), zone)
    intents = store.insert_intents(
        conn,
        utility_id=utility_id,
        debits=[(debit.account_id, f"{debit_on}:{debit.account_id}", debit.amount_minor) for debit in due],
        at=at,
        expires_at=max(at, debit_at) + timedelta(days=policy.debit_intent_days),
    )
    written = [
        (debit.account_id, intents[debit.account_id], zengin.data_record(record))
        for debit, record in zip(due, file.records, strict=True)
    ]
    store.insert_request(conn, utility_id=utility_id, request=request, lines=written, at=at)
    return DebitRequest(request.file_name, request.file_hash, content, request.records, request.total_minor)


def place_debit_files(conn: Connection[TupleRow], *, utility_id: int, data_dir: Path, at: datetime) -> list[Path]:
    """Put the committed requests that are not there yet into `data_dir/outbox/debit`; return their paths.

    A file appears under its name only when it is whole. A crash may place it twice, with the same name and content.
    """
    outbox = data_dir / "outbox" / "debit"
    outbox.mkdir(parents=True, exist_ok=True)
    placed: list[Path] = []
    for request in store.requests(conn, utility_id=utility_id, waiting=True):
        records = [line.record for line in store.lines(conn, utility_id=utility_id, file_hash=request.file_hash)]
        content = zengin.join_request(header=request.header, records=records)
        assert hashlib.sha256(content).digest() == request.file_hash, "what was written can be written again"
        path = outbox / request.file_name
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        store.mark_placed(conn, utility_id=utility_id, file_hash=request.file_hash, at=at)
        placed.append(path)
    return placed


def post_debit_result(
    conn: Connection[TupleRow], *, utility_id: int, content: bytes, file_name: str, posted_by: str, at: datetime
) -> DebitResultPosted:
    """Post a bank's answer: debited records are payments, the others failed. The same file again changes nothing.

    :raises ZenginUnreadable: if it is no such file, or its totals do not add up; nothing is posted
    :raises DebitResultRefused: if no waiting request has the same records in the same order; nothing is posted
    """
    answer = zengin.decode_result(content)
    asked = replace(answer, records=tuple(replace(record, result="0") for record in answer.records))
    total_minor = sum(record.amount_minor for record in answer.records)
    try:
        store.insert_posted_file(
            conn,
            utility_id=utility_id,
            file_hash=hashlib.sha256(content).digest(),
            file_format=RESULT_FORMAT,
            file_name=file_name,
            records=len(answer.records),
            total_minor=total_minor,
            posted_by=posted_by,
            at=at,
        )
    except store.FileAlreadyPosted:
        return _posted(answer, file_name=file_name, is_new=False)
    request, lines = _request_of(conn, utility_id=utility_id, asked=asked)
    lock_accounts(conn, utility_id=utility_id, account_ids=[line.account_id for line in lines])
    # Looked at again under the locks: another process may have posted an answer meanwhile.
    lines = store.lines(conn, utility_id=utility_id, file_hash=request.file_hash)
    if any(line.intent_state != "pending" for line in lines):
        raise DebitResultRefused(f"{file_name}: request {request.file_name} was answered before")
    facts = settings_of_utility.facts(conn, utility_id=utility_id)
    _post(conn, facts=facts, request=request, lines=lines, answer=answer, posted_by=posted_by, at=at)
    return _posted(answer, file_name=file_name, is_new=True)


def _post(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    request: Request,
    lines: Sequence[RequestLine],
    answer: DebitFile,
    posted_by: str,
    at: datetime,
) -> None:
    debited_at = datetime.combine(request.debit_on, time(), facts.zone)
    payments: list[PaymentRow] = []
    for line, record in zip(lines, answer.records, strict=True):
        is_paid = record.result == "0"
        state = "succeeded" if is_paid else "failed"
        intent_store.set_state(conn, utility_id=facts.utility_id, intent_id=line.intent_id, state=state, at=at)
        if is_paid:
            external_id = f"{request.debit_on}:{line.account_id}"
            row = PaymentRow(line.account_id, "debit", external_id, record.amount_minor, debited_at, at, posted_by)
            payments.append(row)
        else:
            _tell_failure(conn, facts=facts, request=request, line=line, record=record, at=at)
    take_payments(conn, utility_id=facts.utility_id, payments=payments)


def _tell_failure(
    conn: Connection[TupleRow],
    *,
    facts: UtilityFacts,
    request: Request,
    line: RequestLine,
    record: DebitRecord,
    at: datetime,
) -> None:
    account = lock_accounts(conn, utility_id=facts.utility_id, account_ids=[line.account_id])[line.account_id]
    registry.write_notice(
        conn,
        utility_id=facts.utility_id,
        party_id=account.party_id,
        account_id=account.account_id,
        kind="debit.failed",
        subject_key=f"intent:{line.intent_id}",
        parameters={
            "account_number": account.account_number,
            "amount_minor": record.amount_minor,
            "currency": facts.currency,
            "debit_on": request.debit_on.isoformat(),
            "reason": zengin.RESULTS[record.result],
        },
        at=at,
    )


def _request_of(conn: Connection[TupleRow], *, utility_id: int, asked: DebitFile) -> tuple[Request, list[RequestLine]]:
    header, records = zengin.header_record(asked), [zengin.data_record(record) for record in asked.records]
    answered: list[str] = []
    for request in store.requests(conn, utility_id=utility_id, header=header):
        lines = store.lines(conn, utility_id=utility_id, file_hash=request.file_hash)
        if [line.record for line in lines] == records:
            if all(line.intent_state == "pending" for line in lines):
                return request, lines
            answered.append(request.file_name)
    if answered:
        raise DebitResultRefused(f"request {', '.join(answered)} was answered before, by a file with other results")
    day = f"{asked.debit_month:02d}{asked.debit_day:02d}"
    raise DebitResultRefused(f"no request of {day} has these {len(records)} records in this order")


def _record(debit: DueDebit) -> DebitRecord:
    record = DebitRecord(
        bank_code=debit.bank_code,
        bank_name=debit.bank_name,
        branch_code=debit.branch_code,
        branch_name=debit.branch_name,
        account_type=debit.account_type,
        account_number=debit.account_number,
        holder=debit.holder_kana,
        amount_minor=debit.amount_minor,
        new_code="0",
        customer_number=debit.customer_number,
    )
    if debit.last_record is None:
        return replace(record, new_code="1")
    # Everything before the amount is the bank account: columns 1 to 80.
    return record if zengin.data_record(record)[:80] == debit.last_record[:80] else replace(record, new_code="2")


def _posted(answer: DebitFile, *, file_name: str, is_new: bool) -> DebitResultPosted:
    paid = [record.amount_minor for record in answer.records if record.result == "0"]
    failed = [record.amount_minor for record in answer.records if record.result != "0"]
    return DebitResultPosted(
        file_name=file_name,
        debited=len(paid),
        debited_minor=sum(paid),
        failed=len(failed),
        failed_minor=sum(failed),
        is_new=is_new,
    )
