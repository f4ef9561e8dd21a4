"""Writes to accounts, agreements, the roles at points, and installations."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, errors
from psycopg.rows import TupleRow, class_row

from registry.book import PartyRole, PaymentMethod, Service
from registry.domain.unknown import AccountUnknown, AgreementUnknown, MeterUnknown, PartyUnknown, PointUnknown


class AccountNumberTaken(Exception):
    """Another account of the utility has this number."""


class AgreementOverlaps(Exception):
    """The point has another agreement in that time; close it first."""


class MeterElsewhere(Exception):
    """The meter hangs at a point at that time; remove it there first."""


class PointHasMeter(Exception):
    """The point has a meter at that time; exchange it instead."""


@dataclass(frozen=True, slots=True)
class Device:
    """What must be known of a meter to install or remove it."""

    meter_id: int
    serial: str
    kind: Service
    digits: int


def insert_account(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_number: str,
    party_id: int,
    payment_method: PaymentMethod,
    opened_at: datetime,
) -> int:
    """:raises AccountNumberTaken: if another account has the number
    :raises PartyUnknown: if the utility has no such party
    """
    try:
        row = conn.execute(
            """
            INSERT INTO account (utility_id, account_number, party_id, payment_method, opened_at)
            VALUES (%(utility_id)s, %(account_number)s, %(party_id)s, %(payment_method)s, %(opened_at)s)
            RETURNING account_id
            """,
            {
                "utility_id": utility_id,
                "account_number": account_number,
                "party_id": party_id,
                "payment_method": payment_method,
                "opened_at": opened_at,
            },
        ).fetchone()
    except errors.UniqueViolation as error:
        if error.diag.constraint_name != "account_utility_id_account_number_key":
            raise
        raise AccountNumberTaken(f"account number {account_number} is taken; choose another") from error
    except errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != "account_utility_id_party_id_fkey":
            raise
        raise PartyUnknown(f"party {party_id} of account {account_number} is not in the registry") from error
    assert row is not None, "an insert returns its row"
    return row[0]


def insert_agreement(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    point_id: int,
    tariff_code: str,
    customer_class: str,
    size_mm: int | None,
    capacity_a: int | None,
    valid_from: datetime,
) -> int:
    """:raises AgreementOverlaps: if the point has another agreement from then on
    :raises AccountUnknown: if the utility has no such account
    :raises PointUnknown: if the utility has no such point
    """
    try:
        row = conn.execute(
            """
            INSERT INTO agreement (utility_id, account_id, point_id, tariff_code, customer_class, size_mm, capacity_a,
                                   valid)
            VALUES (%(utility_id)s, %(account_id)s, %(point_id)s, %(tariff_code)s, %(customer_class)s, %(size_mm)s,
                    %(capacity_a)s, tstzrange(%(valid_from)s, NULL, '[)'))
            RETURNING agreement_id
            """,
            {
                "utility_id": utility_id,
                "account_id": account_id,
                "point_id": point_id,
                "tariff_code": tariff_code,
                "customer_class": customer_class,
                "size_mm": size_mm,
                "capacity_a": capacity_a,
                "valid_from": valid_from,
            },
        ).fetchone()
    except errors.ExclusionViolation as error:
        if error.diag.constraint_name != "agreement_one_at_a_time":
            raise
        raise AgreementOverlaps(
            f"point {point_id} has another agreement at or after {valid_from.isoformat()}; close that one first"
        ) from error
    except errors.ForeignKeyViolation as error:
        match error.diag.constraint_name:
            case "agreement_utility_id_account_id_fkey":
                raise AccountUnknown(f"account {account_id} is not in the registry of this utility") from error
            case "agreement_utility_id_point_id_fkey":
                raise PointUnknown(f"point {point_id} is not in the registry of this utility") from error
            case _:
                raise
    assert row is not None, "an insert returns its row"
    return row[0]


def end_agreement(conn: Connection[TupleRow], *, utility_id: int, agreement_id: int, at: datetime) -> None:
    """:raises AgreementUnknown: if there is no such agreement in force at `at`, begun before it"""
    row = conn.execute(
        """
        UPDATE agreement SET valid = tstzrange(lower(valid), %(at)s, '[)')
        WHERE utility_id = %(utility_id)s AND agreement_id = %(agreement_id)s
          AND lower(valid) < %(at)s AND (upper_inf(valid) OR upper(valid) > %(at)s)
        RETURNING agreement_id
        """,
        {"utility_id": utility_id, "agreement_id": agreement_id, "at": at},
    ).fetchone()
    if row is None:
        raise AgreementUnknown(f"agreement {agreement_id} is not in force just before {at.isoformat()}")


def insert_role(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    point_id: int,
    party_id: int,
    role: PartyRole,
    valid_from: datetime,
) -> None:
    """:raises PointUnknown: if the utility has no such point
    :raises PartyUnknown: if the utility has no such party
    """
    try:
        conn.execute(
            """
            INSERT INTO point_party (utility_id, point_id, party_id, role, valid)
            VALUES (%(utility_id)s, %(point_id)s, %(party_id)s, %(role)s, tstzrange(%(valid_from)s, NULL, '[)'))
            """,
            {
                "utility_id": utility_id,
                "point_id": point_id,
                "party_id": party_id,
                "role": role,
                "valid_from": valid_from,
            },
        )
    except errors.ForeignKeyViolation as error:
        match error.diag.constraint_name:
            case "point_party_utility_id_point_id_fkey":
                raise PointUnknown(f"point {point_id} is not in the registry of this utility") from error
            case "point_party_utility_id_party_id_fkey":
                raise PartyUnknown(f"party {party_id} is not in the registry of this utility") from error
            case _:
                raise


def end_roles(conn: Connection[TupleRow], *, utility_id: int, point_id: int, role: PartyRole, at: datetime) -> None:
    """End what anyone is to the point in this role; a role that would begin at or after `at` never was."""
    parameters = {"utility_id": utility_id, "point_id": point_id, "role": role, "at": at}
    conn.execute(
        """
        DELETE FROM point_party
        WHERE utility_id = %(utility_id)s AND point_id = %(point_id)s AND role = %(role)s AND lower(valid) >= %(at)s
        """,
        parameters,
    )
    conn.execute(
        """
        UPDATE point_party SET valid = tstzrange(lower(valid), %(at)s, '[)')
        WHERE utility_id = %(utility_id)s AND point_id = %(point_id)s AND role = %(role)s
          AND valid @> %(at)s::timestamptz
        """,
        parameters,
    )


def device(conn: Connection[TupleRow], *, utility_id: int, serial: str) -> Device:
    """:raises MeterUnknown: if the utility has no meter of this serial"""
    with conn.cursor(row_factory=class_row(Device)) as cursor:
        found = cursor.execute(
            """
            SELECT meter_id, serial, kind, digits FROM meter
            WHERE utility_id = %(utility_id)s AND serial = %(serial)s
            """,
            {"utility_id": utility_id, "serial": serial},
        ).fetchone()
    if found is None:
        raise MeterUnknown(f"meter {serial} is not in the registry of this utility; enter it in the stock first")
    return found


def insert_installation(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    meter_id: int,
    point_id: int,
    valid_from: datetime,
    opening_register: int,
) -> int:
    """:raises MeterElsewhere: if the meter hangs at a point from then on
    :raises PointHasMeter: if the point has a meter from then on
    """
    try:
        row = conn.execute(
            """
            INSERT INTO installation (utility_id, meter_id, point_id, valid, opening_register)
            VALUES (%(utility_id)s, %(meter_id)s, %(point_id)s, tstzrange(%(valid_from)s, NULL, '[)'),
                    %(opening_register)s)
            RETURNING installation_id
            """,
            {
                "utility_id": utility_id,
                "meter_id": meter_id,
                "point_id": point_id,
                "valid_from": valid_from,
                "opening_register": opening_register,
            },
        ).fetchone()
    except errors.ExclusionViolation as error:
        match error.diag.constraint_name:
            case "installation_meter_in_one_place":
                raise MeterElsewhere(f"meter {meter_id} hangs at a point already; remove it there first") from error
            case "installation_point_has_one_meter":
                raise PointHasMeter(f"point {point_id} has a meter already; exchange it") from error
            case _:
                raise
    assert row is not None, "an insert returns its row"
    return row[0]


def end_installation(
    conn: Connection[TupleRow], *, utility_id: int, installation_id: int, at: datetime, closing_register: int
) -> bool:
    """Tell whether the installation had begun before `at`, without which it cannot end then."""
    return (
        conn.execute(
            """
            UPDATE installation SET valid = tstzrange(lower(valid), %(at)s, '[)'), closing_register = %(closing)s
            WHERE utility_id = %(utility_id)s AND installation_id = %(installation_id)s
              AND lower(valid) < %(at)s AND upper_inf(valid)
            RETURNING installation_id
            """,
            {
                "utility_id": utility_id,
                "installation_id": installation_id,
                "at": at,
                "closing": closing_register,
            },
        ).fetchone()
        is not None
    )
