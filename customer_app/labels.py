"""Words of the trade for what the other packages store as codes, in the reader's language."""

from datetime import date

from customer_app.visit import Visit
from kernel.i18n import Translate, mark
from rating_engine import queries as rating_queries
from registry.queries import Delivery

SERVICES = {"water": mark("Water"), "sewerage": mark("Sewerage"), "electricity": mark("Electricity")}
METHODS = {
    "read": mark("read by radio"),
    "handheld": mark("read by our meter reader"),
    "edited": mark("corrected by our office"),
    "estimated": mark("estimated"),
    "customer": mark("read by you"),
    "installed": mark("when the meter was installed"),
    "removed": mark("when the meter was removed"),
    "billed": mark("as on the bill before"),
    "carried": mark("carried forward"),
}
CHANNELS = {
    "card": mark("Card"),
    "store": mark("Convenience store"),
    "transfer": mark("Bank transfer"),
    "debit": mark("Direct debit"),
    "counter": mark("At our counter"),
    "door": mark("At your door"),
}
PAYMENT_METHODS = {
    "slip": mark("Payment slip"),
    "card": mark("Card"),
    "debit": mark("Direct debit"),
    "transfer": mark("Bank transfer"),
    "cash": mark("Cash"),
}
# Ticket states in the order of a repair, with the look of their badge.
TICKET_STATES = {
    "open": (mark("Reported"), "is-warn"),
    "taken": (mark("Crew assigned"), "is-info"),
    "started": (mark("Repair under way"), "is-info"),
    "finished": (mark("Repaired"), "is-good"),
    "confirmed": (mark("Confirmed by you"), "is-good"),
    "cancelled": (mark("Cancelled"), ""),
}
FAULTS = {
    "pipe_burst": mark("Burst pipe"),
    "slow_leak": mark("Leak in the network"),
    "household_leak": mark("Water flows without a pause"),
    "stuck_meter": mark("The meter stands still"),
    "backflow": mark("Water flows backwards"),
    "tamper": mark("The meter counts too little"),
    "sensor_drift": mark("A sensor shows wrong values"),
    "pressure_sag": mark("Low water pressure"),
    "valve_closure": mark("A valve is closed"),
    "low_battery": mark("Battery nearly empty"),
    "silent_meter": mark("The meter is silent"),
    "voltage_sag": mark("Low voltage"),
    "voltage_swell": mark("High voltage"),
    "phase_loss": mark("A phase is missing"),
    "outage": mark("Power cut"),
    "theft": mark("The meter counts too little power"),
    "unregistered_export": mark("Power fed in without an agreement"),
    "concentrator_lost": mark("A concentrator is silent"),
    "storm": mark("Many meters are silent"),
    # what people report
    "burst": mark("Burst pipe"),
    "leak": mark("Leak"),
}
# Supply itself fails, or is not safe: these are looked at first.
SEVERE = frozenset(
    {"pipe_burst", "backflow", "pressure_sag", "voltage_sag", "voltage_swell", "phase_loss", "outage", "storm"}
)
BOTH_SERVICES = ("stuck_meter", "sensor_drift", "low_battery", "silent_meter", "concentrator_lost")
KINDS_OF_WATER = (
    *("pipe_burst", "slow_leak", "household_leak", "backflow", "tamper", "pressure_sag", "valve_closure"),
    *BOTH_SERVICES,
)
KINDS_OF_POWER = (
    *("voltage_sag", "voltage_swell", "phase_loss", "outage", "theft", "unregistered_export"),
    *BOTH_SERVICES,
)
CHANNEL_KINDS = {
    "phone": mark("Phone"),
    "sms": mark("Text message"),
    "email": mark("E-mail"),
    "post": mark("Post"),
    "web": mark("These pages"),
}
DELIVERY_STATES = {
    "queued": (mark("waiting"), ""),
    "sent": (mark("sent"), "is-info"),
    "delivered": (mark("delivered"), "is-good"),
    "failed": (mark("failed"), "is-bad"),
    "returned": (mark("came back"), "is-bad"),
}
WORKS = {
    "closure": mark("Water shut off for work"),
    "flushing": mark("Flushing of the mains"),
    "outage": mark("Power cut for work"),
    "meter_exchange": mark("Exchange of the meter"),
    "other": mark("Work"),
}
TIMELINE = {
    "opened": mark("The fault was noticed"),
    "affected": mark("More homes are affected"),
    "taken": mark("A crew has taken the job"),
    "started": mark("The repair has begun"),
    "promised": mark("Expected to be repaired"),
    "note": mark("Note"),
    "finished": mark("The repair is done"),
    "confirmed": mark("Confirmed: it works again"),
    "reopened": mark("Reported as still broken"),
    "cancelled": mark("Closed without a repair"),
    "released": mark("The job went back to the office"),
}


def service(_: Translate, code: str) -> str:
    return _(SERVICES.get(code, code))


def method(_: Translate, code: str) -> str:
    return _(METHODS.get(code, code))


def channel(_: Translate, code: str) -> str:
    return _(CHANNELS.get(code, code))


def fault(_: Translate, code: str) -> str:
    return _(FAULTS.get(code, code.replace("_", " ")))


def fault_look(code: str) -> str:
    """Give the look of a fault's badge."""
    return "is-bad" if code in SEVERE else "is-warn"


def ticket_state(_: Translate, code: str) -> tuple[str, str]:
    """Give the words for a ticket's state and the class of its badge."""
    words, look = TICKET_STATES.get(code, (code, ""))
    return _(words), look


def work(_: Translate, kind: str) -> str:
    return _(WORKS.get(kind, kind))


def delivery(_: Translate, one: Delivery) -> tuple[str, str]:
    """Name what became of a message, with the reason if one was given, and the look of its badge."""
    words, look = DELIVERY_STATES.get(one.state, (one.state, ""))
    return f"{_(words)} ({one.detail})" if one.detail else _(words), look


def timeline(_: Translate, kind: str) -> str:
    return _(TIMELINE.get(kind, kind))


def bill_line(visit: Visit, label: str) -> str:
    """Write the label of a bill's line, such as block|10|20|m3, with months in words."""
    message, parameters = rating_queries.line_message(label)
    month = parameters.get("month", "")
    if len(month) == len("2026-05"):
        parameters = {**parameters, "month": visit.formats.month(date.fromisoformat(f"{month}-01"))}
    return visit.translate(message, **parameters) if parameters else visit.translate(message)
