"""Bills ready to print, for customers and for the office."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from customer_app import labels, money
from customer_app.visit import Visit
from kernel.i18n import mark
from rating_engine import queries as rating_queries
from rating_engine.queries import BillLine, BillReading, BillRow, BillSummary, BillView
from registry import queries as registry_queries

SHOWN = 60
KINDS = {"regular": mark("Bill"), "final": mark("Final bill"), "adjustment": mark("Adjustment")}


@dataclass(frozen=True, slots=True)
class BillEntry:
    """A bill in a list."""

    bill_id: int
    number: str
    service: str
    service_name: str
    period: str
    use: str
    total: str
    state: str
    look: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """A printed line: how the amount came about, then the amount."""

    label: str
    arithmetic: str
    amount: str


@dataclass(frozen=True, slots=True)
class ServicePart:
    """The lines of one service with their sum."""

    service: str
    name: str
    lines: tuple[LineRow, ...]
    total: str


@dataclass(frozen=True, slots=True)
class MeterPart:
    """What one meter counted: both ends, and how each was got."""

    serial: str
    opening: str
    opening_at: str
    opening_method: str
    closing: str
    closing_at: str
    closing_method: str
    used: str
    estimated: bool


@dataclass(frozen=True, slots=True)
class BillDetail:
    """One bill, all of it."""

    bill_id: int
    account_id: int
    number: str
    kind: str
    service: str
    service_name: str
    period: str
    days: str
    issued: str
    due: str
    due_text: str
    due_look: str
    address: str
    point_number: str
    account_number: str
    total: str
    open: str
    is_open: bool
    is_cancelled: bool
    cancelled: str
    tax_note: str
    parts: tuple[ServicePart, ...]
    meters: tuple[MeterPart, ...]
    use: str
    tariff: str
    notes: tuple[str, ...]
    can_pay: bool
    slip_path: str


def rows(visit: Visit, *, account_ids: Iterable[int]) -> tuple[BillEntry, ...]:
    """List the bills of these accounts, newest first."""
    bills = [
        bill
        for account_id in account_ids
        for bill in rating_queries.bills_of_account(
            visit.conn, utility_id=visit.utility_id, account_id=account_id, limit=SHOWN
        )
    ]
    bills.sort(key=lambda bill: (bill.issued_at, bill.bill_id), reverse=True)
    return tuple(_row(visit, bill) for bill in bills)


def detail(visit: Visit, view: BillView, *, can_pay: bool, under: str = "") -> BillDetail:
    """Lay one bill out; `under` is where the reader's bills are."""
    _, formats, bill = visit.translate, visit.formats, view.bill
    point = registry_queries.point(visit.conn, utility_id=visit.utility_id, point_id=bill.point_id)
    account = registry_queries.account(visit.conn, utility_id=visit.utility_id, account_id=bill.account_id)
    due_text, due_look = money.due_text(visit, bill.due_on)
    is_cancelled = bill.cancelled_at is not None
    return BillDetail(
        bill_id=bill.bill_id,
        account_id=bill.account_id,
        number=bill.bill_number,
        kind=_(KINDS.get(bill.kind, bill.kind)),
        service=bill.service,
        service_name=labels.service(_, bill.service),
        period=_days(visit, view.given.first_day, view.given.end_day),
        days=_("%(n)s days", n=view.given.days),
        issued=formats.day_of(bill.issued_at),
        due=formats.date(bill.due_on),
        due_text=due_text,
        due_look=due_look,
        address=f"{point.address} {point.building}".strip(),
        point_number=point.point_number,
        account_number=account.account_number,
        total=formats.money(bill.total_minor),
        open=formats.money(view.open_minor),
        is_open=view.open_minor > 0 and not is_cancelled,
        is_cancelled=is_cancelled,
        cancelled=_cancelled(visit, bill),
        tax_note=_("of which consumption tax %(tax)s", tax=formats.money(bill.tax_minor)),
        parts=_parts(visit, view.lines),
        meters=tuple(_meter(visit, reading) for reading in view.readings),
        use=f"{_decimal(visit, view.use)} {formats.unit(view.unit)}",
        tariff=_tariff(visit, view),
        notes=view.given.notes,
        can_pay=can_pay and bool(visit.services.settings.card_url),
        slip_path=f"{under}/bills/{bill.bill_id}/slip",
    )


def _row(visit: Visit, bill: BillSummary) -> BillEntry:
    _ = visit.translate
    if bill.is_cancelled:
        state, look = _("cancelled"), ""
    elif bill.open_minor > 0:
        state, look = money.due_text(visit, bill.due_on)
    else:
        state, look = _("paid"), "is-good"
    return BillEntry(
        bill_id=bill.bill_id,
        number=bill.bill_number,
        service=bill.service,
        service_name=labels.service(_, bill.service),
        period=_days(visit, bill.first_day, bill.end_day),
        use=f"{_decimal(visit, bill.use)} {visit.formats.unit(bill.unit)}",
        total=visit.formats.money(bill.total_minor),
        state=state,
        look=look,
    )


def _days(visit: Visit, first: str, end: str) -> str:
    return visit.formats.days(date.fromisoformat(first), date.fromisoformat(end) - timedelta(days=1))


def _cancelled(visit: Visit, bill: BillRow) -> str:
    if bill.cancelled_at is None:
        return ""
    day, reason = visit.formats.day_of(bill.cancelled_at), bill.cancel_reason or ""
    return visit.translate("Cancelled on %(day)s: %(reason)s", day=day, reason=reason)


def _parts(visit: Visit, lines: Sequence[BillLine]) -> tuple[ServicePart, ...]:
    by_service: dict[str, list[BillLine]] = {}
    for line in lines:
        by_service.setdefault(line.service, []).append(line)
    return tuple(
        ServicePart(
            service=service,
            name=labels.service(visit.translate, service),
            lines=tuple(
                LineRow(labels.bill_line(visit, line.label), line.arithmetic, visit.formats.money(line.amount_minor))
                for line in found
            ),
            total=visit.formats.money(sum(line.amount_minor for line in found)),
        )
        for service, found in by_service.items()
    )


def _meter(visit: Visit, reading: BillReading) -> MeterPart:
    _, formats = visit.translate, visit.formats
    unit = formats.unit(reading.unit)
    return MeterPart(
        serial=reading.serial,
        opening=f"{_decimal(visit, reading.opening)} {unit}",
        opening_at=formats.full_datetime(reading.opening_at),
        opening_method=labels.method(_, reading.opening_method),
        closing=f"{_decimal(visit, reading.closing)} {unit}",
        closing_at=formats.full_datetime(reading.closing_at),
        closing_method=labels.method(_, reading.closing_method),
        used=f"{_decimal(visit, reading.use)} {unit}",
        estimated="estimated" in (reading.opening_method, reading.closing_method),
    )


def _decimal(visit: Visit, text: str) -> str:
    """Write an exact decimal with the marks of the reader's language, and all its decimals."""
    return visit.formats.number(Decimal(text), decimals=len(text.partition(".")[2]))


def _tariff(visit: Visit, view: BillView) -> str:
    _, given = visit.translate, view.given
    named = _("%(code)s, version %(version)s", code=given.tariff_code, version=given.tariff_version)
    if given.size_mm:
        return f"{named}, {given.size_mm} mm"
    return f"{named}, {given.capacity_a} A" if given.capacity_a else named
