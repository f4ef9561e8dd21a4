"""What the checker found, in one plain sentence that a customer understands, in the reader's language."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from customer_app import evidence
from customer_app.formats import Formats
from ingest_gateway.queries import Anomaly
from kernel.i18n import Translate, mark

HOURS_A_MONTH = 24 * 30
WHOLE_LITRES_FROM = 3.0  # an hour
PARAMETER = re.compile(r"%\((\w+)\)s")


class Reader(Protocol):
    """Whoever reads it: a visit of these pages, or the addressee of a letter."""

    @property
    def translate(self) -> Translate: ...

    @property
    def formats(self) -> Formats: ...


@dataclass(frozen=True, slots=True)
class Said:
    """The sentences of a kind: the first whose parameters are all known is said."""

    sentences: tuple[str, ...]
    at_one_home: tuple[str, ...] = ()  # said instead of a finding at one meter, where it makes a difference


SENTENCES: Mapping[str, Said] = {
    "pipe_burst": Said(
        (
            mark(
                "Since %(since)s about %(rate)s litres an hour more than people use have flowed into your area: "
                "a pipe has very likely burst."
            ),
            mark(
                "Since %(since)s much more water than people use has flowed into your area: "
                "a pipe has very likely burst."
            ),
        )
    ),
    "slow_leak": Said(
        (
            mark(
                "Since about %(since)s some %(rate)s litres an hour more than people use have flowed into your area: "
                "a pipe under the street very likely leaks."
            ),
            mark(
                "Since about %(since)s more water than people use has flowed into your area: "
                "a pipe under the street very likely leaks."
            ),
        )
    ),
    "household_leak": Said(
        (
            mark(
                "Water has flowed without a pause since %(since)s, about %(rate)s litres an hour, "
                "%(cost)s a month if it goes on."
            ),
            mark("Water has flowed without a pause since %(since)s, about %(rate)s litres an hour."),
            mark("Water has flowed without a pause since %(since)s."),
        )
    ),
    "stuck_meter": Said((mark("The meter has not counted since %(since)s, although it very likely should have."),)),
    "backflow": Said(
        (
            mark(
                "Water has flowed backwards through your meter since %(since)s, from your pipes into the street. "
                "We will look at it soon."
            ),
        )
    ),
    "tamper": Said(
        (mark("The meter has counted much less than before since %(since)s. We will look at the meter and its pipes."),)
    ),
    "theft": Said(
        (mark("The meter has counted much less than before since %(since)s. We will look at the meter and its wires."),)
    ),
    "sensor_drift": Said(
        (
            mark(
                "A sensor in your meter has shown wrong values since about %(since)s. "
                "What you use is counted as before."
            ),
        )
    ),
    "pressure_sag": Said(
        (
            mark("Water pressure in your area has been low since %(since)s: %(seen)s where %(usual)s is usual."),
            mark("Water pressure in your area has been low since %(since)s."),
        ),
        at_one_home=(
            mark("Water pressure at your home has been low since %(since)s: %(seen)s where %(usual)s is usual."),
            mark("Water pressure at your home has been low since %(since)s."),
        ),
    ),
    "valve_closure": Said(
        (mark("Hardly any water has come through since %(since)s: a valve in the street is very likely closed."),)
    ),
    "low_battery": Said(
        (
            mark(
                "The battery of your meter is nearly empty (%(battery)s). "
                "We will exchange it; you need not do anything."
            ),
            mark("The battery of your meter is nearly empty. We will exchange it; you need not do anything."),
        )
    ),
    "silent_meter": Said(
        (
            mark(
                "We have heard nothing from your meter since %(since)s. It goes on counting, and we will look after it."
            ),
        )
    ),
    "voltage_sag": Said(
        (
            mark("The voltage in your area has been too low since %(since)s: %(seen)s where %(usual)s is usual."),
            mark("The voltage in your area has been too low since %(since)s."),
        ),
        at_one_home=(
            mark("The voltage at your home has been too low since %(since)s: %(seen)s where %(usual)s is usual."),
            mark("The voltage at your home has been too low since %(since)s."),
        ),
    ),
    "voltage_swell": Said(
        (
            mark("The voltage in your area has been too high since %(since)s: %(seen)s where %(usual)s is usual."),
            mark("The voltage in your area has been too high since %(since)s."),
        ),
        at_one_home=(
            mark("The voltage at your home has been too high since %(since)s: %(seen)s where %(usual)s is usual."),
            mark("The voltage at your home has been too high since %(since)s."),
        ),
    ),
    "phase_loss": Said(
        (
            mark(
                "One of the lines that bring your power has been dead since %(since)s. "
                "Motors may suffer: please switch off machines that run on three phases."
            ),
        )
    ),
    "outage": Said(
        (mark("There has been no power in your area since %(since)s."),),
        at_one_home=(mark("There has been no power at your home since %(since)s."),),
    ),
    "unregistered_export": Said(
        (
            mark(
                "Power has been fed from your home into the grid since %(since)s, and we know of no agreement for it. "
                "Please tell us of solar panels or batteries."
            ),
        )
    ),
    "concentrator_lost": Said(
        (
            mark(
                "The station that collects the readings of your area has been silent since %(since)s. "
                "The meters go on counting."
            ),
        )
    ),
}


def sentence(
    reader: Reader, found: Anomaly, *, now: datetime, cost_minor: int | None = None, is_shared: bool = False
) -> str:
    """Say what was found; `cost_minor` is what it costs a month if it goes on, where that is known.

    `is_shared`: other homes have it too.
    """
    said = SENTENCES[found.kind]
    is_own = found.scope == "meter" and not is_shared
    choices = said.at_one_home if is_own and said.at_one_home else said.sentences
    known = _known(reader, found, now=now, cost_minor=cost_minor)
    text = next(one for one in choices if set(PARAMETER.findall(one)) <= set(known))
    text = reader.translate(text, **known)
    if found.ended_at is None:
        return text
    ended = reader.translate("It ended %(at)s.", at=reader.formats.datetime(found.ended_at))
    return f"{text} {ended}"


def base_units_a_month(found: Anomaly) -> float | None:
    """Tell how many litres a leak behind the meter would waste in a month; None for what wastes none."""
    return None if found.litres_per_hour is None else found.litres_per_hour * HOURS_A_MONTH


def _known(reader: Reader, found: Anomaly, *, now: datetime, cost_minor: int | None) -> dict[str, str]:
    told, formats = found.evidence, reader.formats
    known = {"since": formats.since(found.started_at, now=now)}
    rate = evidence.rate_lph(told)
    if rate is not None:
        known["rate"] = formats.number(rate, decimals=0 if rate >= WHOLE_LITRES_FROM else 1)
    if cost_minor is not None and cost_minor > 0:
        known["cost"] = formats.money(_rounded(cost_minor))
    pair = evidence.seen_and_usual(told)
    if pair is not None:
        known |= {"seen": evidence.text(reader, pair[0]), "usual": evidence.text(reader, pair[1])}
    battery = evidence.amount(told, "battery_pct")
    if battery is not None:
        known["battery"] = f"{formats.number(battery)} %"
    return known


def _rounded(amount_minor: int) -> int:
    """Leave two digits that count: more would look as if we knew."""
    step = 10 ** max(0, len(str(amount_minor)) - 2)
    return amount_minor // step * step
