"""What breaks in the town: thrown in by hand, by the script of the demo, or by chance."""

from dataclasses import dataclass
from typing import Any, Literal

from simulators import places, power
from simulators.noise import uniform
from simulators.town import Town

FaultKind = Literal["burst", "leak", "stuck", "sag", "swell", "mute"]

LEAK_LPH = 55.0
MUTE_H = 12.0
SCRIPTED_LEAK_AFTER_H = 5  # hours after the town's first one: at the home of the demo's customer
MOST_BY_CHANCE = 4  # at one time
CHANCE_PER_HOUR: dict[FaultKind, float] = {
    "leak": 1 / (24 * 9),
    "burst": 1 / (24 * 25),
    "stuck": 1 / (24 * 16),
    "sag": 1 / (24 * 20),
    "swell": 1 / (24 * 45),
    "mute": 1 / (24 * 5),
}
# Which faults a finished ticket ends, by what was found.
REPAIRED_BY: dict[str, tuple[FaultKind, ...]] = {
    "pipe_burst": ("burst",),
    "slow_leak": ("burst",),
    "pressure_sag": ("burst",),
    "valve_closure": ("burst",),
    "household_leak": ("leak",),
    "stuck_meter": ("stuck",),
    "voltage_sag": ("sag",),
    "voltage_swell": ("swell",),
}
# A ticket that says nothing of these was opened by people: whatever is broken there is mended.
ALL_KINDS: tuple[FaultKind, ...] = ("burst", "leak", "stuck", "sag", "swell")


class FaultImpossible(ValueError):
    """The fault names a kind or a place that the town does not have."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something broken: a junction, point, meter, transformer or sender; `size` is litres an hour, or times the usual.

    A mute sender is heard again by itself, `size` hours later; what it said meanwhile is lost.
    """

    kind: FaultKind
    place: str
    size: float
    since_h: int  # hours since 1970


@dataclass(frozen=True, slots=True)
class Places:
    """Where faults can happen, and what each place is called by others."""

    junctions: tuple[str, ...]
    water_points: tuple[str, ...]
    serials: tuple[str, ...]
    zone_of_point: dict[str, str]
    point_of_serial: dict[str, str]
    junction_of: dict[str, str]
    sender_of_serial: dict[str, str]

    @property
    def lone_senders(self) -> tuple[str, ...]:
        """Meters that speak for themselves."""
        return tuple(serial for serial, name in self.sender_of_serial.items() if serial == name)


def places_of(town: Town) -> Places:
    current = {i.serial: i.point_number for i in town.installations if i.valid_to is None}
    return Places(
        junctions=tuple(j.name for j in places.junctions()),
        water_points=tuple(p.point_number for p in town.points if p.service == "water"),
        serials=tuple(current),
        zone_of_point={p.point_number: p.zone for p in town.points},
        point_of_serial=current,
        junction_of=dict(town.junction_of),
        sender_of_serial={serial: sender.name for sender in town.senders for serial in sender.serials},
    )


def ordered(order: dict[str, Any], *, known: Places, hour: int) -> Fault:
    """Read an order such as {"fault": "burst", "place": "W2"}; a place may be given by any name that leads to it.

    :raises FaultImpossible: if there is no such fault or place
    """
    kind, place = order.get("fault"), str(order.get("place") or "")
    size = float(order.get("size") or 0)
    if kind not in CHANCE_PER_HOUR:
        raise FaultImpossible(f"no fault {kind!r}; there are {', '.join(CHANCE_PER_HOUR)}")
    match kind:
        case "burst":
            junction = known.junction_of.get(known.point_of_serial.get(place, place), place)
            if place in places.AREAS:
                junction = f"{place}-J08"  # in the midst of the area
            return Fault("burst", _one_of(junction, known.junctions, "junction or area"), size or 1.0, hour)
        case "leak":
            point = known.point_of_serial.get(place, place)
            return Fault("leak", _one_of(point, known.water_points, "water point"), size or LEAK_LPH, hour)
        case "stuck":
            serial = next((s for s, point in known.point_of_serial.items() if point == place), place)
            return Fault("stuck", _one_of(serial, known.serials, "meter"), 1.0, hour)
        case "mute":
            names = tuple(dict.fromkeys(known.sender_of_serial.values()))
            sender = known.sender_of_serial.get(place, place)
            return Fault("mute", _one_of(sender, names, "meter or concentrator"), size or MUTE_H, hour)
        case _:
            transformer = known.zone_of_point.get(known.point_of_serial.get(place, place), place)
            usual = power.SAG if kind == "sag" else power.SWELL
            return Fault(kind, _one_of(transformer, places.TRANSFORMERS, "transformer"), size or usual, hour)


def by_script_and_chance(town: Town, *, known: Places, hour: int, first_hour: int, active: int) -> list[Fault]:
    """Tell what breaks by itself at an hour."""
    if hour == first_hour + SCRIPTED_LEAK_AFTER_H:
        home = next(p for p in town.premises if p.party_number == town.customer_party)
        assert home.water_point is not None, "the customer's home has water"
        return [Fault("leak", home.water_point, LEAK_LPH, hour)]
    if active >= MOST_BY_CHANCE or hour < first_hour + 3 * 24:
        return []
    targets = {
        "leak": known.water_points,
        "burst": known.junctions,
        "stuck": known.serials,
        "mute": known.lone_senders,
    }
    broken: list[Fault] = []
    for kind, chance in CHANCE_PER_HOUR.items():
        if float(uniform(town.seed, f"fault/{kind}", hour)) < chance:
            choices = targets.get(kind, places.TRANSFORMERS)
            place = choices[int(float(uniform(town.seed, f"fault/{kind}/place", hour)) * len(choices))]
            broken.append(ordered({"fault": kind, "place": place}, known=known, hour=hour))
    return broken[:1]


def is_repaired(fault: Fault, *, kind: str, zone: str | None, point: str | None, serial: str | None,
                known: Places) -> bool:  # fmt: skip
    """Tell whether finished work of a ticket ends a fault: it must fit by kind and by place."""
    if fault.kind not in REPAIRED_BY.get(kind, ALL_KINDS):
        return False
    match fault.kind:
        case "burst":
            return (zone is not None and fault.place.startswith(f"{zone}-")) or (
                point is not None and known.zone_of_point.get(point) == fault.place.split("-")[0]
            )
        case "leak":
            return fault.place in (point, known.point_of_serial.get(serial or ""))
        case "stuck":
            return fault.place == serial or (point is not None and known.point_of_serial.get(fault.place) == point)
        case _:
            return fault.place == (zone or known.zone_of_point.get(point or ""))


def _one_of(place: str, known: tuple[str, ...], what: str) -> str:
    if place not in known:
        raise FaultImpossible(f"no {what} {place!r}; there is {known[0]}, for example")
    return place
