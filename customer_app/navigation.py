"""The ways through the pages: who sees which entry, and where each role begins."""

from collections.abc import Set
from dataclasses import dataclass

from kernel.i18n import Translate, mark
from registry.operations import SignedIn


@dataclass(frozen=True, slots=True)
class Way:
    """An entry of the menu, for those who have the right."""

    right: str
    path: str
    label: str
    icon: str
    tab: bool = True  # also in the bar at the bottom of a phone
    own: bool = False  # shows what is the visitor's own: staff, who are no customers, have nothing there


@dataclass(frozen=True, slots=True)
class Entry:
    """A way as it stands on one page."""

    path: str
    label: str
    icon: str
    tab: bool
    active: bool


MOST_TABS = 5

# The first way that a login may go is its home.
WAYS = (
    Way("use.view_own", "/home", mark("Home"), "home", own=True),
    Way("use.view_own", "/use", mark("Use"), "chart", own=True),
    Way("bill.view_own", "/bills", mark("Bills"), "receipt", own=True),
    Way("repair.view_own", "/repairs", mark("Repairs"), "wrench", own=True),
    Way("use.view_own", "/notices", mark("Notices"), "bell", own=True),
    Way("payment.pay_own", "/payments", mark("Payments"), "card", tab=False, own=True),
    Way("telemetry.view", "/operator", mark("Control room"), "gauge"),
    Way("telemetry.view", "/operator/telemetry", mark("Telemetry"), "radio"),
    Way("anomaly.view", "/operator/anomalies", mark("Anomalies"), "alert"),
    Way("anomaly.view", "/operator/incidents", mark("Incidents"), "pin", tab=False),
    Way("anomaly.view", "/operator/watch", mark("Watch list"), "search", tab=False),
    Way("anomaly.view", "/operator/checker", mark("Detectors"), "shield", tab=False),
    Way("customer.find", "/office", mark("Customers"), "search"),
    Way("collection.view", "/office/arrears", mark("Arrears"), "receipt"),
    Way("bill.view", "/office/runs", mark("Bill runs"), "file"),
    Way("bill.view", "/office/adjustments", mark("Adjustments"), "sync", tab=False),
    Way("customer.view", "/office/letters", mark("Letters"), "print", tab=False),
    Way("ticket.view", "/crew", mark("Tickets"), "wrench"),
    Way("ticket.view", "/works", mark("Planned works"), "clock", tab=False),
    Way("handheld.use", "/handheld", mark("Meter reading"), "pin"),
    Way("gateway.view", "/operator/gaps", mark("Gaps"), "list", tab=False),
    Way("gateway.view", "/operator/rejected", mark("Refused"), "note", tab=False),
    Way("gateway.view", "/operator/files", mark("Files"), "file", tab=False),
    Way("gateway.view", "/operator/processes", mark("Processes"), "sync", tab=False),
    Way("audit.view", "/audit", mark("Audit log"), "shield"),
)


def entries(who: SignedIn | None, *, served: Set[str], active: str, translate: Translate) -> tuple[Entry, ...]:
    """List the ways that are open to somebody, among the pages that this process serves; a phone has room for five."""
    open_ways = [way for way in WAYS if _is_open(way, who=who, served=served)]
    tabs = [way for way in open_ways if way.tab][:MOST_TABS]
    return tuple(
        Entry(path=way.path, label=translate(way.label), icon=way.icon, tab=way in tabs, active=way.path == active)
        for way in open_ways
    )


def home(who: SignedIn, *, served: Set[str]) -> str | None:
    """Give the page where somebody begins; None if this process serves none of their pages."""
    return next((way.path for way in WAYS if _is_open(way, who=who, served=served)), None)


def _is_open(way: Way, *, who: SignedIn | None, served: Set[str]) -> bool:
    if who is None or way.path not in served:
        return False
    return way.right in who.rights and (who.party_id is not None or not way.own)
