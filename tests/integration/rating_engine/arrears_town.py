"""A utility with accounts that owe money, and meters that obey: for the tests of payments and suspension."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.books import Books
from ingest_gateway.dispatch import Dispatcher
from ingest_gateway.monitor import Monitor
from ingest_gateway.operations.commands import publish_changed
from ingest_gateway.settings import GatewaySettings
from ingest_gateway.store import commands
from kernel import events
from kernel.clock import wall_now
from kernel.database import Pool, Scope, enter_scope, open_pool
from kernel.invariants import check
from kernel.metrics import Metrics
from rating_engine import consumers, operations
from rating_engine.domain.ledger import JournalEntry, JournalLine
from rating_engine.invariants import INVARIANTS
from registry.book import (
    AccountRow,
    AgreementRow,
    Book,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointPartyRow,
    PointRow,
    SenderRow,
    ZoneRow,
)
from registry.operations import found_utility, load_book

TOKYO = ZoneInfo("Asia/Tokyo")
OPENED = datetime(2025, 1, 1, tzinfo=TOKYO).astimezone(UTC)
BEGIN = datetime(2026, 4, 14, 10, 0, tzinfo=TOKYO).astimezone(UTC)  # a Tuesday that is no holiday
DEBIT = {
    "client_code": "12345",
    "client_name": "ﾋﾉﾃﾞﾁﾖｳｽｲﾄﾞｳ",
    "bank_code": "9901",
    "bank_name": "ﾋﾉﾃﾞ",
    "branch_code": "001",
    "branch_name": "ﾎﾝﾃﾝ",
    "account_type": "1",
    "account_number": "1234567",
}


@dataclass(frozen=True, slots=True)
class Customer:
    """One account with its water point and meter."""

    account_id: int
    party_id: int
    point_id: int
    agreement_id: int
    meter_id: int


@dataclass(slots=True)
class MovingClock:
    """A clock that the test moves."""

    at: datetime = BEGIN

    def now(self) -> datetime:
        return self.at

    def rate(self) -> float:
        return 1.0


@dataclass(slots=True)
class Line:
    """Stands for the broker: what the gateway publishes waits here for the meters."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    is_up: bool = True

    def publish(self, *, topic: str, payload: bytes, qos: int) -> bool:  # noqa: ARG002
        self.sent.append(json.loads(payload))
        return True


class Town:
    """The utility, a clock, and the processes that money and supply need, each run by hand."""

    def __init__(self, database_url: str, *, customers: int, payment_method: str = "slip") -> None:
        self.clock = MovingClock()
        self.database_url = database_url
        self._numbers = itertools.count(1)
        with psycopg.connect(database_url) as conn:
            self.utility_id = found_utility(
                conn,
                code="hinode",
                name="日の出町水道電気",
                time_zone="Asia/Tokyo",
                currency="JPY",
                locale="ja",
                settings={"debit": DEBIT},
            )
            load_book(conn, utility_id=self.utility_id, book=book(customers, payment_method=payment_method))
            self.customers = customers_of(conn, utility_id=self.utility_id)
            conn.execute(
                """
                INSERT INTO tariff_version (utility_id, tariff_code, version, effective_from, document, document_hash)
                VALUES (%s, 'flat', 1, '2025-01-01', '', '')
                """,
                [self.utility_id],
            )
        self.worker: Pool = open_pool(database_url, role="suiden_worker", process="test worker", max_size=4)
        self.gateway: Pool = open_pool(database_url, role="suiden_gateway", process="test gateway", max_size=4)
        self.line = Line()
        self.dispatcher = self.new_dispatcher(self.line)

    def new_dispatcher(self, line: Line) -> Dispatcher:
        return Dispatcher(
            pool=self.gateway,
            clock=self.clock,
            publisher=line,
            release_guard=operations.release_guard,
            monitor=Monitor(Metrics()),
            settings=GatewaySettings(command_resend_s=0.000_001),
            books=Books(pool=self.gateway, refresh_s=30.0),
            stop=threading.Event(),
        )

    def close(self) -> None:
        self.worker.close()
        self.gateway.close()

    @contextmanager
    def work(self) -> Iterator[Connection[TupleRow]]:
        """One transaction of the worker, at the clock's time."""
        with self.worker.connection() as conn:
            enter_scope(conn, scope=Scope(self.utility_id, "test", self.clock.at))
            yield conn

    def bill(self, customer: Customer, *, total_minor: int, due_on: date, service: str = "water") -> int:
        """Issue a bill as a bill run would, with a period of its own."""
        number = next(self._numbers)
        start = OPENED + timedelta(days=number)
        issued_at = datetime.combine(due_on - timedelta(days=20), time(3), TOKYO)
        with psycopg.connect(self.database_url) as conn:
            row = conn.execute(
                """
                INSERT INTO bill (utility_id, bill_number, account_id, agreement_id, point_id, kind, service, period,
                                  issued_at, due_on, currency, total_minor, tax_minor, tariff_code, tariff_version,
                                  input, input_hash, lines_hash)
                VALUES (%(utility_id)s, %(number)s, %(account)s, %(agreement)s, %(point)s, 'regular', %(service)s,
                        tstzrange(%(start)s, %(end)s, '[)'), %(issued_at)s, %(due_on)s, 'JPY', %(total)s, 0, 'flat', 1,
                        '{}', '', '')
                RETURNING bill_id
                """,
                {
                    "utility_id": self.utility_id,
                    "number": f"B-{number}",
                    "account": customer.account_id,
                    "agreement": customer.agreement_id,
                    "point": customer.point_id,
                    "service": service,
                    "start": start,
                    "end": start + timedelta(days=1),
                    "issued_at": issued_at,
                    "due_on": due_on,
                    "total": total_minor,
                },
            ).fetchone()
            assert row is not None
            bill_id: int = row[0]
            conn.execute(
                """
                INSERT INTO bill_line (utility_id, bill_id, line_number, service, item, label, amount_minor)
                VALUES (%s, %s, 1, %s, 'base', 'base', %s)
                """,
                [self.utility_id, bill_id, service, total_minor],
            )
            lines = (
                JournalLine("receivable", total_minor, account_id=customer.account_id, bill_id=bill_id),
                JournalLine("revenue_water", -total_minor, bill_id=bill_id),
            )
            entry = JournalEntry(f"bill:{bill_id}", "bill", issued_at, lines)
            operations.post(conn, utility_id=self.utility_id, entry=entry)
            events.publish(
                conn,
                utility_id=self.utility_id,
                topic="bill.issued",
                key=f"account:{customer.account_id}",
                payload={"bill_id": bill_id, "account_id": customer.account_id},
                occurred_at=issued_at,
            )
        return bill_id

    def pay(self, customer: Customer, *, amount_minor: int, number: str, channel: Any = "counter") -> Any:
        with self.work() as conn:
            return operations.take_payment(
                conn,
                utility_id=self.utility_id,
                account_id=customer.account_id,
                channel=channel,
                external_id=number,
                amount_minor=amount_minor,
                paid_at=self.clock.at,
                taken_by="desk",
                at=self.clock.at,
            )

    def collect(self, customer: Customer) -> Any:
        with self.work() as conn:
            return operations.advance_collections(
                conn, utility_id=self.utility_id, account_id=customer.account_id, at=self.clock.at
            )

    def react(self) -> None:
        """Let the events that wait reach the money consumer, and the events that causes."""
        while True:
            with self.worker.connection() as conn:
                numbered = events.relay_once(conn)
            passed = events.consume_once(self.worker, consumer="money", handlers=consumers.handlers(), clock=self.clock)
            if numbered == 0 and passed == 0:
                return

    def answer(self, command_id: int, *, state: Any = "done") -> None:
        """Let the meter's answer arrive."""
        with self.gateway.connection() as conn:
            enter_scope(conn, scope=Scope(self.utility_id, "gateway", self.clock.at))
            changed = commands.answer(
                conn,
                utility_id=self.utility_id,
                command_id=command_id,
                sender="C-1",
                state=state,
                detail="",
                at=self.clock.at,
            )
            if changed is not None:
                publish_changed(conn, utility_id=self.utility_id, changed=changed, at=self.clock.at)

    def send(self) -> list[dict[str, Any]]:
        """Let the gateway send what is due, and take what left."""
        self.dispatcher.send_due()
        left, self.line.sent = self.line.sent, []
        return left

    def announce_suspension(self, customer: Customer) -> None:
        """Let reminder, final demand and notice go out and run out; the clock stands on a working day's morning."""
        told = "SELECT count(*) FROM collection_step WHERE account_id = %s"
        bills = self.value("SELECT count(*) FROM bill WHERE account_id = %s", customer.account_id)
        while self.value(told, customer.account_id) < 3 * bills:
            self.clock.at += timedelta(days=5)
            self.collect(customer)
        self.clock.at += timedelta(days=11)

    def until_ordered(self, customer: Customer) -> int:
        """Collect day by day until a suspension is ordered; return its id."""
        for _ in range(30):
            ordered = self.collect(customer).ordered
            if ordered:
                return ordered[0]
            self.clock.at += timedelta(days=1)
        raise AssertionError("no suspension was ordered in thirty days")

    def rows(self, query: str, *parameters: Any) -> list[TupleRow]:
        with psycopg.connect(self.database_url) as conn:
            return conn.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def value(self, query: str, *parameters: Any) -> Any:
        return self.rows(query, *parameters)[0][0]

    def open_minor(self, customer: Customer) -> int:
        return self.value(
            "SELECT coalesce(sum(amount_minor), 0)::bigint FROM journal_line"
            " WHERE ledger_account = 'receivable' AND account_id = %s",
            customer.account_id,
        )

    def suspension_state(self, customer: Customer) -> str | None:
        found = self.rows(
            "SELECT state FROM suspension WHERE account_id = %s ORDER BY suspension_id DESC LIMIT 1",
            customer.account_id,
        )
        return found[0][0] if found else None

    def violations(self) -> dict[str, str | None]:
        """Give the standing checks that find something, with an example, and events that no handler could take."""
        with psycopg.connect(self.database_url) as conn:
            results = check(conn, invariants=INVARIANTS, wall_now=wall_now())
            failures = conn.execute("SELECT error FROM event_failure ORDER BY event_id").fetchall()
        found = {result.name: result.example for result in results if result.violations}
        return found | {f"event {number}": error for number, (error,) in enumerate(failures)}


def book(customers: int, *, payment_method: str) -> Book:
    """Write a book of as many accounts, each with a tap, a valve and a party."""
    numbers = range(1, customers + 1)
    return Book(
        zones=(ZoneRow("D1", "District 1", "district"), ZoneRow("W1", "Area 1", "dma", "D1")),
        parties=tuple(PartyRow(f"P-{n}", "person", f"山田{n}", "ヤマダ") for n in numbers),
        points=tuple(PointRow(f"T-{n}", "water", "W1", "D1", f"日の出町{n}") for n in numbers),
        point_parties=tuple(PointPartyRow(f"T-{n}", f"P-{n}", "user", OPENED) for n in numbers),
        accounts=tuple(
            AccountRow(f"A-{n}", f"P-{n}", OPENED, payment_method)  # type: ignore[arg-type]
            for n in numbers
        ),
        agreements=tuple(AgreementRow(f"A-{n}", f"T-{n}", "flat", OPENED, size_mm=20) for n in numbers),
        meters=tuple(MeterRow(f"W-{n}", "water", "m3", -3, 9, has_actuator=True) for n in numbers),
        installations=tuple(InstallationRow(f"W-{n}", f"T-{n}", OPENED) for n in numbers),
        senders=(SenderRow("C-1", "concentrator", tuple(f"W-{n}" for n in numbers)),),
    )


def customers_of(conn: Connection[TupleRow], *, utility_id: int) -> list[Customer]:
    rows = conn.execute(
        """
        SELECT account.account_id, account.party_id, agreement.point_id, agreement.agreement_id, installation.meter_id
        FROM account JOIN agreement USING (utility_id, account_id) JOIN installation USING (utility_id, point_id)
        WHERE utility_id = %s ORDER BY account.account_id
        """,
        [utility_id],
    ).fetchall()
    return [Customer(*row) for row in rows]
