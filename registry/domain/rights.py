"""What each role may do, as a new utility starts; from then on the table role_right says it."""

from collections.abc import Mapping
from typing import Literal

RoleName = Literal["customer", "crew", "operator", "office", "reader", "admin", "auditor"]

CUSTOMER = frozenset({"use.view_own", "bill.view_own", "repair.view_own", "payment.pay_own"})
CREW = frozenset({"ticket.view", "ticket.work"})
OPERATOR = frozenset(
    {
        "telemetry.view",
        "anomaly.view",
        "anomaly.judge",
        "checker.change",
        "gateway.view",
        "ticket.view",
        "command.send",
        "reject.replay",
        "work.plan",
    }
)
OFFICE = frozenset(
    {
        "customer.find",
        "customer.view",
        "bill.view",
        "payment.take",
        "collection.view",
        "collection.decide",
        "ticket.view",
        "agreement.change",
        "report.export",
        "work.plan",
    }
)
READER = frozenset({"handheld.use"})
AUDITOR = frozenset({"audit.view"})
ADMIN = CUSTOMER | CREW | OPERATOR | OFFICE | READER | AUDITOR | {"login.manage"}

RIGHTS_AT_FOUNDING: Mapping[RoleName, frozenset[str]] = {
    "customer": CUSTOMER,
    "crew": CREW,
    "operator": OPERATOR,
    "office": OFFICE,
    "reader": READER,
    "admin": ADMIN,
    "auditor": AUDITOR,
}
