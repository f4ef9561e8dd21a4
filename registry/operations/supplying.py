"""Accounts, agreements, roles at points, meters on points, and whether supply is on."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.events import publish
from registry.book import PartyRole, PaymentMethod, Supply
from registry.store import contracts, meters, points
from registry.store.contracts import Device


class MeterNotInstalled(Exception):
    """No meter hangs at the point at that time, or it was installed later."""


class MeterUnfit(ValueError):
    """The meter measures something else than the point supplies, or its register cannot show that number."""


def set_supply(conn: Connection[TupleRow], *, utility_id: int, point_id: int, supply: Supply, at: datetime) -> bool:
    """Record whether supply flows at a point since `at`; tell whether it was news.

    Word that is older than what is known changes nothing, so late confirmations are harmless.

    :raises PointUnknown: if the utility has no such point
    """
    if points.set_supply(conn, utility_id=utility_id, point_id=point_id, supply=supply, at=at):
        return True
    points.point(conn, utility_id=utility_id, point_id=point_id)
    return False


def open_account(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_number: str,
    party_id: int,
    payment_method: PaymentMethod,
    at: datetime,
) -> int:
    """Open an account for a debtor.

    :raises AccountNumberTaken: if another account has the number
    :raises PartyUnknown: if the utility has no such party
    """
    return contracts.insert_account(
        conn,
        utility_id=utility_id,
        account_number=account_number,
        party_id=party_id,
        payment_method=payment_method,
        opened_at=at,
    )


def open_agreement(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    account_id: int,
    point_id: int,
    tariff_code: str,
    customer_class: str,
    size_mm: int | None,
    capacity_a: int | None,
    at: datetime,
) -> int:
    """Let an account take supply at a point by a tariff from `at` on.

    :raises AgreementOverlaps: if the point has another agreement from then on
    :raises AccountUnknown: if the utility has no such account
    :raises PointUnknown: if the utility has no such point
    """
    return contracts.insert_agreement(
        conn,
        utility_id=utility_id,
        account_id=account_id,
        point_id=point_id,
        tariff_code=tariff_code,
        customer_class=customer_class,
        size_mm=size_mm,
        capacity_a=capacity_a,
        valid_from=at,
    )


def close_agreement(conn: Connection[TupleRow], *, utility_id: int, agreement_id: int, at: datetime) -> None:
    """End an agreement at `at`.

    :raises AgreementUnknown: if there is no such agreement in force just before `at`
    """
    contracts.end_agreement(conn, utility_id=utility_id, agreement_id=agreement_id, at=at)


def set_party_at_point(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    point_id: int,
    party_id: int,
    role: PartyRole,
    at: datetime,
) -> None:
    """Make a party the user, payer, owner or manager of a point from `at` on, in place of who was.

    :raises PointUnknown: if the utility has no such point
    :raises PartyUnknown: if the utility has no such party
    """
    contracts.end_roles(conn, utility_id=utility_id, point_id=point_id, role=role, at=at)
    contracts.insert_role(conn, utility_id=utility_id, point_id=point_id, party_id=party_id, role=role, valid_from=at)


def end_party_at_point(
    conn: Connection[TupleRow], *, utility_id: int, point_id: int, role: PartyRole, at: datetime
) -> None:
    """Leave a role at a point to nobody from `at` on."""
    contracts.end_roles(conn, utility_id=utility_id, point_id=point_id, role=role, at=at)


def install_meter(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    point_id: int,
    serial: str,
    opening_register: int,
    at: datetime,
) -> int:
    """Hang a meter from the stock at a point; the register is in the meter's least digit.

    :raises MeterUnknown: if the utility has no such meter
    :raises MeterUnfit: if it measures something else, or cannot show that register
    :raises MeterElsewhere: if it hangs at a point
    :raises PointHasMeter: if the point has a meter
    :raises PointUnknown: if the utility has no such point
    """
    point = points.point(conn, utility_id=utility_id, point_id=point_id)
    device = contracts.device(conn, utility_id=utility_id, serial=serial)
    if device.kind != point.service:
        raise MeterUnfit(f"meter {serial} measures {device.kind}, and point {point.point_number} is {point.service}")
    _check_register(device.serial, digits=device.digits, register=opening_register)
    installation_id = contracts.insert_installation(
        conn,
        utility_id=utility_id,
        meter_id=device.meter_id,
        point_id=point_id,
        valid_from=at,
        opening_register=opening_register,
    )
    _tell_changed(conn, utility_id=utility_id, meter_id=device.meter_id, point_id=point_id, at=at)
    return installation_id


def remove_meter(
    conn: Connection[TupleRow], *, utility_id: int, point_id: int, closing_register: int, at: datetime
) -> Device:
    """Take the meter off a point, into the stock; tell which it was.

    :raises MeterNotInstalled: if no meter hangs there, or it was installed at or after `at`
    :raises MeterUnfit: if its register cannot show that number
    """
    installed = meters.meter_at_point(conn, utility_id=utility_id, point_id=point_id, at=at)
    if installed is None:
        raise MeterNotInstalled(f"point {point_id} has no meter at {at.isoformat()}; install one")
    _check_register(installed.serial, digits=installed.digits, register=closing_register)
    has_ended = contracts.end_installation(
        conn,
        utility_id=utility_id,
        installation_id=installed.installation_id,
        at=at,
        closing_register=closing_register,
    )
    if not has_ended:
        raise MeterNotInstalled(f"meter {installed.serial} was not at point {point_id} before {at.isoformat()}")
    _tell_changed(conn, utility_id=utility_id, meter_id=installed.meter_id, point_id=point_id, at=at)
    return Device(installed.meter_id, installed.serial, installed.kind, installed.digits)


def exchange_meter(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    point_id: int,
    new_serial: str,
    closing_register: int,
    opening_register: int,
    at: datetime,
) -> int:
    """Replace the meter of a point: the old one closes and the new one opens at the same instant.

    Registers are in each meter's least digit.

    :raises MeterNotInstalled: if no meter hangs there, or it was installed at or after `at`
    :raises MeterUnknown: if the utility has no such meter
    :raises MeterUnfit: if it measures something else, or a register cannot show its number
    :raises MeterElsewhere: if the new meter hangs at a point
    """
    remove_meter(conn, utility_id=utility_id, point_id=point_id, closing_register=closing_register, at=at)
    return install_meter(
        conn,
        utility_id=utility_id,
        point_id=point_id,
        serial=new_serial,
        opening_register=opening_register,
        at=at,
    )


def _tell_changed(conn: Connection[TupleRow], *, utility_id: int, meter_id: int, point_id: int, at: datetime) -> None:
    """Tell that what the meter counted from `at` on counts otherwise: it was hung up, or taken down."""
    publish(
        conn,
        utility_id=utility_id,
        topic="installation.changed",
        key=f"meter:{meter_id}",
        payload={"meter_id": meter_id, "point_id": point_id, "changed_at": at.isoformat()},
        occurred_at=at,
    )


def _check_register(serial: str, *, digits: int, register: int) -> None:
    if not 0 <= register < 10**digits:
        raise MeterUnfit(f"meter {serial} has {digits} digits and cannot show {register}; read it again")
