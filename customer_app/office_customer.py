"""“What does this customer owe, and why”: all that the counter needs of one customer, ready to print."""

from dataclasses import dataclass
from datetime import timedelta

from customer_app import labels, money, notice_texts
from customer_app.meter_pages import SUPPLY
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from kernel.i18n import LANGUAGES, mark
from maintenance_tracker import queries as tracker_queries
from rating_engine import queries as rating_queries
from registry import queries as registry_queries
from registry.queries import Account, Party, PointOfParty

ROLES = {
    "user": mark("user"),
    "payer": mark("payer"),
    "owner": mark("owner"),
    "manager": mark("manager"),
}
RELATIONS = {"head": mark("head"), "spouse": mark("spouse"), "member": mark("member"), "other": mark("other")}
NOTICES_SHOWN = 12
PAYMENTS_SHOWN = 12
REPAIRS_BACK_DAYS = 365


@dataclass(frozen=True, slots=True)
class Contact:
    kind: str
    address: str
    path: str
    preferred: bool


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    relation: str
    path: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who it is and how to reach them."""

    party_id: int
    number: str
    name: str
    kana: str
    kind: str
    note: str
    language: str
    contacts: tuple[Contact, ...]
    household: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """A point, its supply, its meter."""

    point_id: int
    service: str
    number: str
    address: str
    zone: str
    roles: str
    supply: str
    supply_look: str
    meter: str
    meter_path: str
    newest: str
    register: str


@dataclass(frozen=True, slots=True)
class AgreementLine:
    agreement_id: int
    service: str
    point_number: str
    tariff: str
    size: str
    valid: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class OwedLine:
    bill_id: int
    number: str
    service: str
    service_name: str
    period: str
    total: str
    open: str
    due: str
    due_text: str
    look: str


@dataclass(frozen=True, slots=True)
class PaymentLine:
    payment_id: int
    paid: str
    channel: str
    amount: str
    settled: str
    taken_by: str


@dataclass(frozen=True, slots=True)
class AccountCard:
    """One account: what is owed on it, and what was paid."""

    account_id: int
    number: str
    method: str
    closed: str
    owed: str
    owed_minor: int
    overdue: str
    is_overdue: bool
    advance: str
    under_way: tuple[str, ...]
    bills: tuple[OwedLine, ...]
    payments: tuple[PaymentLine, ...]
    agreements: tuple[AgreementLine, ...]


@dataclass(frozen=True, slots=True)
class NoticeLine:
    title: str
    text: str
    at: str
    seen: str
    deliveries: tuple[tuple[str, str, str], ...]  # channel, words, look


@dataclass(frozen=True, slots=True)
class RepairLine:
    path: str
    number: str
    kind: str
    state: str
    look: str
    at: str


def person(visit: Visit, party: Party) -> Person:
    _ = visit.translate
    scope = {"utility_id": visit.utility_id, "party_id": party.party_id}
    members = registry_queries.household_of_party(visit.conn, **scope, at=visit.now)
    return Person(
        party_id=party.party_id,
        number=party.party_number,
        name=party.name,
        kana=party.name_kana,
        kind=_("Person") if party.kind == "person" else _("Firm"),
        note=party.note,
        language=LANGUAGES.get(party.locale, party.locale),
        contacts=tuple(
            Contact(_(labels.CHANNEL_KINDS[c.kind]), c.address, _contact_path(c.kind, c.address), c.preferred)
            for c in registry_queries.channels_of_party(visit.conn, **scope)
        ),
        household=tuple(
            Member(m.name, _(RELATIONS.get(m.relation, m.relation)), f"/office/customers/{m.party_id}")
            for m in members
            if m.party_id != party.party_id
        ),
    )


def places(visit: Visit, points: list[PointOfParty]) -> tuple[PlaceLine, ...]:
    """List the points that the customer has to do with, with what their meters said last."""
    _, formats = visit.translate, visit.formats
    scope = {"utility_id": visit.utility_id}
    meters = registry_queries.meters_at_points(
        visit.conn, **scope, point_ids=[point.point_id for point in points], at=visit.now
    )
    at_point = {meter.point_id: meter for meter in meters}
    latest = ingest_queries.latest(visit.conn, **scope, meter_ids=[meter.meter_id for meter in meters])
    lines: list[PlaceLine] = []
    for point in points:
        meter = at_point.get(point.point_id)
        newest = latest.get(meter.meter_id) if meter else None
        register = newest.register if newest else None
        words, look = SUPPLY.get(point.supply, (point.supply, ""))
        lines.append(
            PlaceLine(
                point_id=point.point_id,
                service=point.service,
                number=point.point_number,
                address=f"{point.address} {point.building}".strip(),
                zone=f"{point.district_code} · {point.zone_code}",
                roles=", ".join(_(ROLES.get(role, role)) for role in point.roles),
                supply=_(words),
                supply_look=look,
                meter=meter.serial if meter else "",
                meter_path=f"/operator/meters/{meter.meter_id}" if meter and visit.may("telemetry.view") else "",
                newest=formats.datetime(newest.read_at) if newest else "",
                register=""
                if register is None or meter is None
                else formats.quantity(register, scale=meter.scale, unit=meter.unit),
            )
        )
    return tuple(lines)


def account_card(visit: Visit, account: Account) -> AccountCard:
    """Tell what an account owes and why, what was paid, and what is under way."""
    _, formats = visit.translate, visit.formats
    scope = {"utility_id": visit.utility_id, "account_id": account.account_id}
    summary = rating_queries.owed_by_account(visit.conn, **scope, at=visit.now)
    pending = rating_queries.pending_payments(visit.conn, **scope, at=visit.now)
    return AccountCard(
        account_id=account.account_id,
        number=account.account_number,
        method=_(labels.PAYMENT_METHODS.get(account.payment_method, account.payment_method)),
        closed=formats.day_of(account.closed_at) if account.closed_at else "",
        owed=formats.money(summary.owed_minor),
        owed_minor=summary.owed_minor,
        overdue=formats.money(summary.overdue_minor) if summary.overdue_minor else "",
        is_overdue=summary.overdue_minor > 0,
        advance=formats.money(summary.advance_minor) if summary.advance_minor else "",
        under_way=tuple(
            _("%(channel)s, %(amount)s, since %(at)s", channel=labels.channel(_, p.channel),
              amount=formats.money(p.amount_minor), at=formats.datetime(p.created_at))
            for p in pending
        ),
        bills=tuple(_owed(visit, owed.bill) for owed in summary.bills),
        payments=_payments(visit, account_id=account.account_id),
        agreements=_agreements(visit, account_id=account.account_id),
    )  # fmt: skip


def notices(visit: Visit, *, party_id: int) -> tuple[NoticeLine, ...]:
    """List what the customer was told, with what became of it on each channel."""
    _ = visit.translate
    scope = {"utility_id": visit.utility_id}
    found = registry_queries.notices_of_party(visit.conn, **scope, party_id=party_id, limit=NOTICES_SHOWN)
    lines: list[NoticeLine] = []
    for notice in found:
        written = notice_texts.written(visit, notice)
        deliveries = registry_queries.deliveries_of_notice(visit.conn, **scope, notice_id=notice.notice_id)
        newest = {delivery.channel: delivery for delivery in deliveries}
        lines.append(
            NoticeLine(
                title=written.title,
                text=written.text,
                at=written.at,
                seen=visit.formats.datetime(notice.seen_at) if notice.seen_at else "",
                deliveries=tuple(
                    (_(labels.CHANNEL_KINDS[one.channel]), *labels.delivery(_, one)) for one in newest.values()
                ),
            )
        )
    return tuple(lines)


def repairs(visit: Visit, *, points: list[PointOfParty]) -> tuple[RepairLine, ...]:
    """List the repairs of the last year at the customer's points."""
    _ = visit.translate
    found = tracker_queries.tickets_of_points(
        visit.conn,
        utility_id=visit.utility_id,
        point_ids=[point.point_id for point in points],
        since=visit.now - timedelta(days=REPAIRS_BACK_DAYS),
    )
    lines: list[RepairLine] = []
    for one in found:
        words, look = labels.ticket_state(_, one.state)
        path = f"/crew/tickets/{one.ticket_id}" if visit.may("ticket.view") else ""
        at = visit.formats.datetime(one.opened_at)
        lines.append(RepairLine(path, one.ticket_number, labels.fault(_, one.kind), words, look, at))
    return tuple(lines)


def _contact_path(kind: str, address: str) -> str:
    if kind in ("phone", "sms"):
        return "tel:" + "".join(letter for letter in address if letter.isdecimal() or letter == "+")
    return f"mailto:{address}" if kind == "email" else ""


def _owed(visit: Visit, bill: rating_queries.OpenBill) -> OwedLine:
    due_text, look = money.due_text(visit, bill.due_on)
    return OwedLine(
        bill_id=bill.bill_id,
        number=bill.bill_number,
        service=bill.service,
        service_name=labels.service(visit.translate, bill.service),
        period=money.period_of(visit, bill),
        total=visit.formats.money(bill.total_minor),
        open=visit.formats.money(bill.open_minor),
        due=visit.formats.date(bill.due_on),
        due_text=due_text,
        look=look,
    )


def _payments(visit: Visit, *, account_id: int) -> tuple[PaymentLine, ...]:
    _, formats = visit.translate, visit.formats
    found = rating_queries.payments_of_account(
        visit.conn, utility_id=visit.utility_id, account_id=account_id, limit=PAYMENTS_SHOWN
    )
    lines: list[PaymentLine] = []
    for one in found:
        settled = [f"{part.bill_number} {formats.money(part.amount_minor)}" for part in one.allocations]
        if one.advance_minor:
            settled.append(_("%(amount)s in advance", amount=formats.money(one.advance_minor)))
        lines.append(
            PaymentLine(
                payment_id=one.payment.payment_id,
                paid=formats.datetime(one.payment.paid_at),
                channel=labels.channel(_, one.payment.channel),
                amount=formats.money(one.payment.amount_minor),
                settled=", ".join(settled),
                taken_by=one.payment.taken_by,
            )
        )
    return tuple(lines)


def _agreements(visit: Visit, *, account_id: int) -> tuple[AgreementLine, ...]:
    _, formats = visit.translate, visit.formats
    found = registry_queries.agreements_of_account(visit.conn, utility_id=visit.utility_id, account_id=account_id)
    return tuple(
        AgreementLine(
            agreement_id=one.agreement_id,
            service=one.service,
            point_number=one.point_number,
            tariff=one.tariff_code,
            size=f"{one.size_mm} mm" if one.size_mm else f"{one.capacity_a} A" if one.capacity_a else "",
            valid=_("since %(day)s", day=formats.day_of(one.valid_from))
            if one.valid_to is None
            else f"{formats.day_of(one.valid_from)} – {formats.day_of(one.valid_to)}",
            is_open=one.valid_to is None or one.valid_to > visit.now,
        )
        for one in found
    )
