"""Notices in the reader's language, made from kind and parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from customer_app import finding_texts, labels
from customer_app.reader import Reader
from customer_app.visit import Visit
from kernel.i18n import Translate, mark
from registry import queries as registry_queries
from registry.queries import Delivery, Notice


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of notice looks, and what it leads to."""

    title: str
    icon: str
    look: str
    path: str  # with {bill_id} and the like


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A notice ready to print."""

    notice_id: int
    title: str
    text: str
    at: str
    icon: str
    look: str
    path: str
    is_new: bool
    ways: tuple[tuple[str, str, str], ...] = ()  # channel, what became of it there, look


KINDS = {
    "bill.issued": Kind(mark("Your bill is here"), "receipt", "", "/bills/{bill_id}"),
    "bill.cancelled": Kind(mark("A bill was cancelled"), "receipt", "warn", "/bills/{bill_id}"),
    "payment.received": Kind(mark("Thank you for your payment"), "check", "good", "/payments"),
    "arrears.reminder": Kind(mark("Reminder: a bill is unpaid"), "alert", "warn", "/bills/{bill_id}"),
    "arrears.final_demand": Kind(mark("Final demand for an unpaid bill"), "alert", "bad", "/bills/{bill_id}"),
    "arrears.suspension_notice": Kind(mark("Your supply will be stopped"), "alert", "bad", "/bills/{bill_id}"),
    "supply.suspended": Kind(mark("Your supply was stopped"), "alert", "bad", "/home"),
    "supply.restored": Kind(mark("Your supply is on again"), "check", "good", "/home"),
    "supply.suspension_announced": Kind(mark("Supply at your home may be stopped"), "alert", "bad", "/home"),
    "debit.failed": Kind(mark("The direct debit did not work"), "alert", "warn", "/bills"),
    "leak.suspected": Kind(mark("Water may be leaking at your home"), "drop", "warn", "/use"),
    "repair.opened": Kind(mark("A fault near you was noticed"), "wrench", "warn", "/repairs/{ticket_id}"),
    "repair.taken": Kind(mark("A crew is on its way"), "wrench", "", "/repairs/{ticket_id}"),
    "repair.started": Kind(mark("The repair has begun"), "wrench", "", "/repairs/{ticket_id}"),
    "repair.promised": Kind(mark("New time for the repair"), "clock", "", "/repairs/{ticket_id}"),
    "repair.finished": Kind(mark("The repair is done"), "check", "good", "/repairs/{ticket_id}"),
    "repair.reopened": Kind(mark("The repair goes on"), "wrench", "warn", "/repairs/{ticket_id}"),
    "repair.cancelled": Kind(mark("The fault has gone"), "check", "good", "/repairs/{ticket_id}"),
    "work.planned": Kind(mark("Planned work near you"), "clock", "", "/repairs"),
    "work.changed": Kind(mark("News of the planned work near you"), "clock", "warn", "/repairs"),
    "work.finished": Kind(mark("The planned work is done"), "check", "good", "/repairs"),
}
OTHER = Kind(mark("News about your supply"), "bell", "", "/notices")


def newest(visit: Visit, *, limit: int) -> tuple[NoticeText, ...]:
    """Write the customer's newest notices."""
    notices = registry_queries.notices_of_party(
        visit.conn, utility_id=visit.utility_id, party_id=visit.own_party_id, limit=limit
    )
    ways = registry_queries.newest_deliveries(
        visit.conn, utility_id=visit.utility_id, notice_ids=[notice.notice_id for notice in notices]
    )
    return tuple(
        replace(written(visit, notice), ways=_ways(visit.translate, ways.get(notice.notice_id, [])))
        for notice in notices
    )


def written(reader: Reader, notice: Notice) -> NoticeText:
    """Write one notice; its address leads to a page that marks it as seen."""
    kind = KINDS.get(notice.kind, OTHER)
    return NoticeText(
        notice_id=notice.notice_id,
        title=reader.translate(kind.title),
        text=_text(reader, notice),
        at=reader.formats.full_datetime(notice.created_at),
        icon=kind.icon,
        look=kind.look,
        path=f"/notices/{notice.notice_id}",
        is_new=notice.seen_at is None,
    )


def target(notice: Notice) -> str:
    """Give the page that a notice is about."""
    path = KINDS.get(notice.kind, OTHER).path
    name = path.partition("{")[2].rstrip("}")
    if not name:
        return path
    subject_kind, _, subject_id = notice.subject_key.partition(":")
    subject_id = subject_id.partition(":")[0]
    number = notice.parameters.get(name, subject_id if f"{subject_kind}_id" == name else "")
    return path.replace("{" + name + "}", str(number)) if str(number).isdecimal() else "/notices"


def _ways(_: Translate, deliveries: Sequence[Delivery]) -> tuple[tuple[str, str, str], ...]:
    """Tell what became of a notice beyond these pages; why a mail came back is for the office."""
    return tuple(
        (_(labels.CHANNEL_KINDS[one.channel]), *labels.delivery(_, replace(one, detail="")))
        for one in deliveries
        if one.channel != "web"
    )


def _text(reader: Reader, notice: Notice) -> str:
    """Say what the notice's parameters tell, in short sentences."""
    told = notice.parameters
    parts = [
        _money(reader, told),
        _until(reader, notice.kind, told),
        _leak(reader, notice),
        _fault(reader.translate, told),
    ]
    if "planned_work_id" in told:
        parts.append(_work(reader, told))
    if notice.kind == "supply.suspended":
        parts.append(reader.translate("It comes back as soon as the payment is here."))
    return " ".join(part for part in parts if part)


def _money(reader: Reader, told: Mapping[str, Any]) -> str:
    service = labels.service(reader.translate, str(told["service"])) if "service" in told else ""
    for name in ("total_minor", "amount_minor", "open_minor", "debt_minor"):
        if name in told:
            amount = reader.formats.money(int(told[name]))
            if service:
                return reader.translate("%(service)s, %(amount)s.", service=service, amount=amount)
            return reader.translate("%(amount)s.", amount=amount)
    return ""


def _until(reader: Reader, kind: str, told: Mapping[str, Any]) -> str:
    _ = reader.translate
    if "payable_until" in told:
        return _("Please pay by %(day)s.", day=_day(reader, told["payable_until"]))
    if "not_before" in told:
        return _("Not before %(day)s.", day=_day(reader, told["not_before"]))
    if kind == "bill.issued" and "due_on" in told:
        return _("Due on %(day)s.", day=_day(reader, told["due_on"]))
    return ""


def _day(reader: Reader, text: object) -> str:
    return reader.formats.date(date.fromisoformat(str(text)[:10]))


def _leak(reader: Reader, notice: Notice) -> str:
    _, told, number = reader.translate, notice.parameters, reader.formats.number
    if told.get("litres_per_hour") is not None and "since" in told:
        since = datetime.fromisoformat(str(told["since"]))
        rate = float(told["litres_per_hour"])
        text = _(
            "Water has flowed without a pause since %(since)s, about %(rate)s litres an hour.",
            since=reader.formats.since(since, now=notice.created_at),
            rate=number(rate, decimals=0 if rate >= finding_texts.WHOLE_LITRES_FROM else 1),
        )
        return " ".join([text, _("Please look at taps, toilet and boiler.")])
    if told.get("litres_so_far") is None:
        return ""
    return _(
        "%(litres)s L have flowed without a pause. Please look at taps, toilet and boiler.",
        litres=number(float(told["litres_so_far"])),
    )


def _work(reader: Reader, told: Mapping[str, Any]) -> str:
    _, formats = reader.translate, reader.formats
    start, end = (datetime.fromisoformat(str(told[name])) for name in ("planned_from", "planned_to"))
    what = f"{told['title']} ({labels.work(_, str(told['work']))})"
    match told["change"]:
        case "started":
            return _("%(what)s has begun. It ends about %(end)s.", what=what, end=formats.datetime(end))
        case "cancelled":
            return _("%(what)s is called off.", what=what)
        case "finished":
            at = datetime.fromisoformat(str(told["finished_at"]))
            text = _("%(what)s ended %(at)s.", what=what, at=formats.datetime(at))
            how = (
                _("That is earlier than planned.") if at < end else _("That is later than planned.") if at > end else ""
            )
            return f"{text} {how}".strip()
        case _:
            return _(
                "%(what)s, from %(start)s to %(end)s.",
                what=what,
                start=formats.datetime(start),
                end=formats.datetime(end),
            )


def _fault(_: Translate, told: Mapping[str, Any]) -> str:
    fault = told.get("trouble")
    return _("%(fault)s.", fault=labels.fault(_, str(fault))) if fault else ""
