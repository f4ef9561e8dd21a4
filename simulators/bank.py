"""A bank that debits accounts by file: Zengin code 91 in, the same records with results out, after the debit date.

Its reading and writing of the format is its own, so that it can disagree with the utility's, as a real bank would.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import structlog

from simulators.town import ZONE

log = structlog.get_logger()

RECORD_BYTES = 120
SHORT_OF_FUNDS, DEBITED, NO_SUCH_ACCOUNT = "1", "0", "2"
REFUSED_SUFFIX = ".refused"


class DebitFileUnusable(ValueError):
    """The file is not a debit request; nothing of it is carried out."""


@dataclass(frozen=True, slots=True)
class DebitRequest:
    """A request's records as they came, and the day on which to debit."""

    header: bytes
    data: tuple[bytes, ...]
    month: int
    day: int


def read_request(content: bytes) -> DebitRequest:
    """:raises DebitFileUnusable: if form, order, or totals are wrong"""
    records = _records(content)
    if len(records) < 3 or records[0][:3] != b"191" or records[-1][:1] != b"9" or records[-2][:1] != b"8":
        raise DebitFileUnusable("header, trailer or end record is not where it belongs")
    data = tuple(records[1:-2])
    if any(record[:1] != b"2" for record in data):
        raise DebitFileUnusable("between header and trailer stand data records only")
    try:
        total = sum(int(record[80:90]) for record in data)
        counted, summed = int(records[-2][1:7]), int(records[-2][7:19])
        month, day = int(records[0][54:56]), int(records[0][56:58])
    except ValueError as error:
        raise DebitFileUnusable("a number is not one") from error
    if (counted, summed) != (len(data), total):
        raise DebitFileUnusable(f"the trailer says {counted} and {summed}, the records are {len(data)} and {total}")
    return DebitRequest(records[0], data, month, day)


def carry_out(request: DebitRequest, *, result_of: Callable[[str], str]) -> bytes:
    """Debit each record; `result_of` tells the result for a customer number."""
    done: list[bytes] = []
    debited_count = debited = failed_count = failed = 0
    for record in request.data:
        amount, result = int(record[80:90]), result_of(record[91:111].decode("cp932"))
        if result == DEBITED:
            debited_count, debited = debited_count + 1, debited + amount
        else:
            failed_count, failed = failed_count + 1, failed + amount
        done.append(record[:111] + result.encode() + record[112:])
    trailer = f"8{len(done):06d}{debited + failed:012d}{debited_count:06d}{debited:012d}{failed_count:06d}{failed:012d}"
    records = [request.header, *done, trailer.ljust(RECORD_BYTES).encode(), b"9".ljust(RECORD_BYTES)]
    return b"".join(record + b"\r\n" for record in records)


def debit_date(request: DebitRequest, *, around: date) -> date:
    """Find the year of a debit day: the format has only month and day.

    :raises DebitFileUnusable: if there is no such day
    """
    try:
        days = [date(around.year + by, request.month, request.day) for by in (-1, 0, 1)]
    except ValueError as error:
        raise DebitFileUnusable(f"{request.month:02d}{request.day:02d} is no day") from error
    return min(days, key=lambda day: abs(day - around))


class Bank:
    """Watches the folder of requests and answers each the morning after its debit date."""

    def __init__(
        self, *, data_dir: Path, has_funds: Callable[[str, date], bool], known_accounts: frozenset[str]
    ) -> None:
        """Take where files come and go, and who has money on which day."""
        self._outbox, self._inbox = data_dir / "outbox" / "debit", data_dir / "inbox" / "debit"
        self._has_funds, self._known = has_funds, known_accounts
        self._settled: set[str] = set()

    def look(self, *, now: datetime) -> list[Path]:
        """Answer the requests that are due; return the result files written."""
        written: list[Path] = []
        for path in sorted(self._outbox.glob("*.txt")):
            answer = self._inbox / f"{path.stem}.result.txt"
            if path.name in self._settled or answer.exists() or _is_taken(answer):
                continue
            result = self._answer(path, now=now)
            if result is not None:
                self._inbox.mkdir(parents=True, exist_ok=True)
                part = answer.with_suffix(".part")
                part.write_bytes(result)
                os.replace(part, answer)
                self._settled.add(path.name)
                written.append(answer)
                log.info("bank.answered", file=answer.name)
        return written

    def _answer(self, path: Path, *, now: datetime) -> bytes | None:
        today = now.astimezone(ZONE).date()
        try:
            request = read_request(path.read_bytes())
            due = debit_date(request, around=today)
        except DebitFileUnusable as error:
            log.warning("bank.file_refused", file=path.name, why=str(error))
            self._settled.add(path.name)
            return None
        if today < due + timedelta(days=1):
            return None
        return carry_out(request, result_of=lambda customer: self._result(customer, due))

    def _result(self, customer: str, day: date) -> str:
        account = customer.strip().lstrip("0")
        if account not in self._known:
            return NO_SUCH_ACCOUNT
        return DEBITED if self._has_funds(account, day) else SHORT_OF_FUNDS


def _is_taken(answer: Path) -> bool:
    """Tell whether the utility has put the answer away after reading it."""
    return any(answer.parent.glob(f"*/{answer.name}"))


def _records(content: bytes) -> list[bytes]:
    step = RECORD_BYTES + 2 if content[RECORD_BYTES : RECORD_BYTES + 2] == b"\r\n" else RECORD_BYTES
    records = [content[at : at + RECORD_BYTES] for at in range(0, len(content), step)]
    if any(len(record) != RECORD_BYTES or b"\n" in record or b"\r" in record for record in records):
        raise DebitFileUnusable("records must have 120 bytes, with CR and LF after each or after none")
    return records
