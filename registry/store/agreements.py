"""Accounts and agreements."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from kernel.database import range_of
from kernel.period import Period
from registry.book import PaymentMethod, Service
from registry.domain.unknown import AccountUnknown
from registry.store.meters import InstalledMeter


@dataclass(frozen=True, slots=True)
class Account:
    """What is owed and paid by one debtor."""

    account_id: int
    account_number: str
    party_id: int
    payment_method: PaymentMethod
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountAtPoint:
    """The account that takes supply at a point by an agreement."""

    point_id: int
    account_id: int
    party_id: int
    agreement_id: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """An account takes supply at a point by a tariff; `valid_to` is None while it lasts."""

    agreement_id: int
    account_id: int
    point_id: int
    point_number: str
    service: Service
    tariff_code: str
    customer_class: str
    size_mm: int | None
    capacity_a: int | None
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class BillableAgreement:
    """An agreement's part of a period, and the meters that counted in it, oldest first."""

    agreement_id: int
    account_id: int
    party_id: int
    point_id: int
    tariff_code: str
    customer_class: str
    size_mm: int | None
    capacity_a: int | None
    valid: Period
    installations: tuple[InstalledMeter, ...]


def account(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> Account:
    """:raises AccountUnknown: if the utility has no such account"""
    with conn.cursor(row_factory=class_row(Account)) as cursor:
        found = cursor.execute(
            """
            SELECT account_id, account_number, party_id, payment_method, opened_at, closed_at FROM account
            WHERE utility_id = %(utility_id)s AND account_id = %(account_id)s
            """,
            {"utility_id": utility_id, "account_id": account_id},
        ).fetchone()
    if found is None:
        raise AccountUnknown(f"account {account_id} is not in the registry of this utility")
    return found


def account_by_number(conn: Connection[TupleRow], *, utility_id: int, account_number: str) -> Account:
    """:raises AccountUnknown: if the utility has no account of this number"""
    with conn.cursor(row_factory=class_row(Account)) as cursor:
        found = cursor.execute(
            """
            SELECT account_id, account_number, party_id, payment_method, opened_at, closed_at FROM account
            WHERE utility_id = %(utility_id)s AND account_number = %(account_number)s
            """,
            {"utility_id": utility_id, "account_number": account_number},
        ).fetchone()
    if found is None:
        raise AccountUnknown(f"no account of this utility has the number {account_number}")
    return found


def accounts_of_party(conn: Connection[TupleRow], *, utility_id: int, party_id: int) -> list[Account]:
    """List a party's accounts by number, closed ones too."""
    with conn.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(
            """
            SELECT account_id, account_number, party_id, payment_method, opened_at, closed_at FROM account
            WHERE utility_id = %(utility_id)s AND party_id = %(party_id)s ORDER BY account_number
            """,
            {"utility_id": utility_id, "party_id": party_id},
        ).fetchall()


def accounts_at_points(
    conn: Connection[TupleRow], *, utility_id: int, point_ids: Collection[int], at: datetime
) -> list[AccountAtPoint]:
    """List whose accounts take supply at these points at `at`."""
    with conn.cursor(row_factory=class_row(AccountAtPoint)) as cursor:
        return cursor.execute(
            """
            SELECT g.point_id, g.account_id, a.party_id, g.agreement_id
            FROM agreement g
            JOIN account a ON a.utility_id = g.utility_id AND a.account_id = g.account_id
            WHERE g.utility_id = %(utility_id)s AND g.point_id = ANY(%(point_ids)s)
              AND g.valid @> %(at)s::timestamptz
            ORDER BY g.point_id, g.agreement_id
            """,
            {"utility_id": utility_id, "point_ids": list(point_ids), "at": at},
        ).fetchall()


def agreements_of_account(conn: Connection[TupleRow], *, utility_id: int, account_id: int) -> list[Agreement]:
    """List an account's agreements, newest first, ended ones too."""
    with conn.cursor(row_factory=class_row(Agreement)) as cursor:
        return cursor.execute(
            """
            SELECT g.agreement_id, g.account_id, g.point_id, p.point_number, p.service, g.tariff_code,
                   g.customer_class, g.size_mm, g.capacity_a, lower(g.valid) AS valid_from, upper(g.valid) AS valid_to
            FROM agreement g
            JOIN point p ON p.utility_id = g.utility_id AND p.point_id = g.point_id
            WHERE g.utility_id = %(utility_id)s AND g.account_id = %(account_id)s
            ORDER BY lower(g.valid) DESC, g.agreement_id
            """,
            {"utility_id": utility_id, "account_id": account_id},
        ).fetchall()


def agreements_of_point(conn: Connection[TupleRow], *, utility_id: int, point_id: int) -> list[Agreement]:
    """List a point's agreements, newest first, ended ones too."""
    with conn.cursor(row_factory=class_row(Agreement)) as cursor:
        return cursor.execute(
            """
            SELECT g.agreement_id, g.account_id, g.point_id, p.point_number, p.service, g.tariff_code,
                   g.customer_class, g.size_mm, g.capacity_a, lower(g.valid) AS valid_from, upper(g.valid) AS valid_to
            FROM agreement g
            JOIN point p ON p.utility_id = g.utility_id AND p.point_id = g.point_id
            WHERE g.utility_id = %(utility_id)s AND g.point_id = %(point_id)s
            ORDER BY lower(g.valid) DESC, g.agreement_id
            """,
            {"utility_id": utility_id, "point_id": point_id},
        ).fetchall()


def agreements_in_period(
    conn: Connection[TupleRow], *, utility_id: int, district_id: int, service: Service, period: Period
) -> list[BillableAgreement]:
    """List what is to be billed in a district: agreements clipped to the period, each with the meters that counted.

    The installations are not clipped; one that only touches another agreement's part of the period is left out.
    """
    parameters = {
        "utility_id": utility_id,
        "district_id": district_id,
        "service": service,
        "period": range_of(period),
    }
    rows = conn.execute(
        """
        SELECT g.agreement_id, g.account_id, a.party_id, g.point_id, g.tariff_code, g.customer_class, g.size_mm,
               g.capacity_a, lower(g.valid * %(period)s), upper(g.valid * %(period)s)
        FROM point p
        JOIN agreement g ON g.utility_id = p.utility_id AND g.point_id = p.point_id
        JOIN account a ON a.utility_id = g.utility_id AND a.account_id = g.account_id
        WHERE p.utility_id = %(utility_id)s AND p.district_id = %(district_id)s AND p.service = %(service)s
          AND g.valid && %(period)s
        ORDER BY g.agreement_id
        """,
        parameters,
    ).fetchall()
    by_point = _installations_in_period(conn, parameters=parameters)
    return [
        BillableAgreement(
            *row[:8],
            valid=valid,
            installations=tuple(
                i
                for i in by_point.get(row[3], ())
                if i.valid_from < valid.end and (i.valid_to is None or i.valid_to > valid.start)
            ),
        )
        for row, valid in ((row, Period(row[8], row[9])) for row in rows)
    ]


def _installations_in_period(
    conn: Connection[TupleRow], *, parameters: Mapping[str, object]
) -> dict[int, list[InstalledMeter]]:
    with conn.cursor(row_factory=class_row(InstalledMeter)) as cursor:
        found = cursor.execute(
            """
            SELECT i.installation_id, i.meter_id, m.serial, i.point_id, m.kind, m.unit, m.scale, m.digits,
                   lower(i.valid) AS valid_from, upper(i.valid) AS valid_to, i.opening_register, i.closing_register,
                   m.interval_s, m.has_actuator
            FROM point p
            JOIN installation i ON i.utility_id = p.utility_id AND i.point_id = p.point_id
            JOIN meter m ON m.utility_id = i.utility_id AND m.meter_id = i.meter_id
            WHERE p.utility_id = %(utility_id)s AND p.district_id = %(district_id)s AND p.service = %(service)s
              AND i.valid && %(period)s
            ORDER BY i.point_id, lower(i.valid), i.installation_id
            """,
            parameters,
        ).fetchall()
    by_point: dict[int, list[InstalledMeter]] = {}
    for installed in found:
        by_point.setdefault(installed.point_id, []).append(installed)
    return by_point
