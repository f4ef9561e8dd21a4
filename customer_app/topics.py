"""What can be watched live: a page names topics, and each becomes the changes that this login may wait for."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from customer_app import customers, reading_lines
from customer_app.live_viewer import ShownMeter
from customer_app.visit import NotFound, Visit


@dataclass(frozen=True, slots=True)
class Topic:
    """Who may watch, and which changes ("event topic/key", key "*" for all) belong to it."""

    right: str
    changes: Callable[[Visit, str], Iterable[str]]


def _all(*event_topics: str) -> Callable[[Visit, str], Iterable[str]]:
    return lambda _visit, _about: [f"{event_topic}/*" for event_topic in event_topics]


def _own_use(visit: Visit, _about: str) -> Iterable[str]:
    return [f"intake.batch_stored/meter:{meter_id}" for meter_id in customers.own_meter_ids(visit)]


def _own_money(visit: Visit, _about: str) -> Iterable[str]:
    kinds = ("bill.issued", "bill.cancelled", "payment.received", "suspension.changed")
    return [f"{kind}/account:{account_id}" for account_id in customers.own_account_ids(visit) for kind in kinds]


def _own_repairs(visit: Visit, _about: str) -> Iterable[str]:
    kinds = ("ticket.changed", "planned_work.changed")
    return [f"{kind}/point:{point_id}" for point_id in customers.own_point_ids(visit) for kind in kinds]


def _own_notices(visit: Visit, _about: str) -> Iterable[str]:
    return [f"notice.created/party:{visit.own_party_id}"]


def _account(_visit: Visit, about: str) -> Iterable[str]:
    kinds = ("bill.issued", "bill.cancelled", "payment.received", "suspension.changed")
    return [f"{kind}/account:{_number(about)}" for kind in kinds]


def _meter(_visit: Visit, about: str) -> Iterable[str]:
    return [f"{kind}/meter:{_number(about)}" for kind in ("intake.batch_stored", "command.changed")]


def _number(about: str) -> int:
    """:raises NotFound: if the topic does not say of which account or meter"""
    if not about.isdecimal():
        raise NotFound(f"no live topic about {about!r}")
    return int(about)


# What a customer's use shows beside its newest reading changes slowly: pages ask again for it at a pace.
PACED = frozenset({"use"})
READING = "reading"  # `reading:4`: the newest reading of one's own meter is sent itself

TOPICS = {
    # a customer's own
    "use": Topic("use.view_own", _own_use),
    "money": Topic("bill.view_own", _own_money),
    "repairs": Topic("repair.view_own", _own_repairs),
    "notices": Topic("use.view_own", _own_notices),
    # staff's; `account:17` and `meter:4` name what they are about
    "telemetry": Topic("telemetry.view", _all("intake.batch_stored")),
    "anomalies": Topic("anomaly.view", _all("anomaly.opened", "anomaly.closed")),
    "commands": Topic("telemetry.view", _all("command.changed")),
    "tickets": Topic("ticket.view", _all("ticket.changed")),
    "works": Topic("ticket.view", _all("planned_work.changed")),
    "suspensions": Topic("collection.view", _all("suspension.changed")),
    "account": Topic("customer.view", _account),
    "meter": Topic("telemetry.view", _meter),
}


def wants(visit: Visit, names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Give for each change the page topics that it makes stale; topics without the right are left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for full_name in names:
        name, _, about = full_name.partition(":")
        topic = TOPICS.get(name)
        if topic is None or not visit.may(topic.right):
            continue
        for change in topic.changes(visit, about):
            found[change].add(name)
    return {change: frozenset(named) for change, named in found.items()}


def shown_meters(visit: Visit, names: Iterable[str]) -> dict[int, ShownMeter]:
    """Give the meters whose newest readings this login may be sent, of those that the page shows."""
    asked = {about for name, _, about in (full_name.partition(":") for full_name in names) if name == READING}
    if not asked or not visit.may("use.view_own"):
        return {}
    own = customers.own_meters(visit, points=customers.own_points(visit)).values()
    return {meter.meter_id: reading_lines.shown(visit, meter) for meter in own if str(meter.meter_id) in asked}
