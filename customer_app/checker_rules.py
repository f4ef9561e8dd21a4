"""Each detector's rule in a few words of every day; the detector's own file says it in full."""

from collections.abc import Mapping
from dataclasses import dataclass

from kernel.i18n import mark


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for, and how it is told from what only looks like it."""

    title: str
    rule: str


RULES: Mapping[str, Rule] = {
    "outage": Rule(
        mark("Power is gone"),
        mark(
            "The meters behind a transformer fall silent together although their concentrators are heard, or send a "
            "last message on losing power. Lost radio looks otherwise: then other zones are silent too."
        ),
    ),
    "phase_loss": Rule(
        mark("One of three phases is gone"),
        mark("The lowest phase stays far below the highest one, which is itself as it should be."),
    ),
    "voltage_step": Rule(
        mark("Voltage sags or swells"),
        mark(
            "Voltage leaves its own usual level by more than loads and tap changers move it, for half an hour; at most "
            "meters of a transformer together it is the transformer's."
        ),
    ),
    "voltage_limit": Rule(
        mark("Voltage outside the statutory bounds"),
        mark("Voltage was outside the bounds of the law for most of a day. Only watched: no crew can mend it tonight."),
    ),
    "voltage_drift": Rule(
        mark("A voltage sensor drifts"),
        mark("A meter's voltage moves away from its neighbours' for days, step by step, and it alone."),
    ),
    "concentrator_lost": Rule(
        mark("A concentrator is no longer heard"),
        mark("Nine in ten of its meters have fallen silent together, while neighbours behind others are heard."),
    ),
    "silent_meter": Rule(
        mark("A meter is no longer heard"),
        mark(
            "No reading for a day and a half, or for longer than is common for this meter, while most others come in."
        ),
    ),
    "low_battery": Rule(
        mark("A battery is nearly empty"),
        mark("The meter says so, or its charge is low, in most readings of a day."),
    ),
    "water_network": Rule(
        mark("Bursts, leaks, low pressure and closed valves of the mains"),
        mark(
            "A zone's pressure falls below what its usual days do, or more flows in than is expected at this hour: "
            "suddenly, then a pipe broke; for days, then one leaks. Weather and holidays are taken out by the other "
            "zones."
        ),
    ),
    "part_closure": Rule(
        mark("A valve is closed in a part of a zone"),
        mark("Some meters of a zone lose nearly all pressure, the others none."),
    ),
    "pressure_drift": Rule(
        mark("A pressure sensor drifts"),
        mark("A meter's pressure moves away from its neighbours' for days, and it alone."),
    ),
    "household_leak": Rule(
        mark("Water never stops behind a meter"),
        mark(
            "Hours without rest come where hours of rest are usual, for most of a day, and what flows is as steady as "
            "a leak. Guests and new tenants use more where much was used before; pools stop within two days."
        ),
    ),
    "stuck_meter": Rule(
        mark("A meter stands still"),
        mark(
            "The register does not move while flow is reported, or nothing is used for longer than a holiday at a "
            "meter in regular use, or for a day while there is voltage."
        ),
    ),
    "backflow": Rule(
        mark("Water runs backwards"),
        mark(
            "The register goes back and the meter reports flow backwards. A few digits back alone are a wrong reading."
        ),
    ),
    "tamper": Rule(
        mark("Water goes past the meter"),
        mark(
            "Use falls by one factor at all hours, while people go on using water at their usual hours. Being away, or "
            "fewer at home, changes the hours instead."
        ),
    ),
    "theft": Rule(
        mark("Power goes past the meter"),
        mark(
            "On two mornings in a row the base load and all other use have fallen by one factor. Away from home the "
            "base load stays."
        ),
    ),
    "unregistered_export": Rule(
        mark("Power is fed in without an agreement"),
        mark("The export register moves by more than a trickle at a meter for which no feeding in was agreed."),
    ),
}
