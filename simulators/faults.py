"""What breaks in the town: thrown in by hand, by the script of the demo, or by chance."""

from dataclasses import dataclass
from typing import Any, Literal

from simulators import fault_models, places, power
from simulators.noise import uniform
from simulators.town import Town

FaultKind = Literal[
    "burst", "seep", "closure", "leak", "backflow", "tamper", "stuck", "drift", "low_battery", "mute",
    "sag", "swell", "outage", "phase_loss", "theft", "roof",
]  # fmt: skip

LEAK_LPH = 55.0
MUTE_H = 12.0
SCRIPTED_LEAK_AFTER_H = 5  # hours after the town's first one: at the home of the demo's customer
MOST_BY_CHANCE = 4  # at one time
FORGOTTEN_AFTER_H = 21 * 24  # what nobody found for so long no longer keeps other things from breaking
USUAL_SIZE: dict[FaultKind, float] = {
    "burst": 1.0, "seep": 0.15, "closure": 0.0, "leak": LEAK_LPH, "backflow": 160.0, "tamper": 0.15, "stuck": 1.0,
    "drift": 0.02, "low_battery": 4.0, "mute": MUTE_H, "sag": power.SAG, "swell": power.SWELL, "outage": 0.0,
    "phase_loss": 0.12, "theft": 0.25, "roof": 3.5,
}  # fmt: skip
CHANCE_PER_HOUR: dict[FaultKind, float] = {
    "leak": 1 / (24 * 9),
    "burst": 1 / (24 * 25),
    "stuck": 1 / (24 * 16),
    "sag": 1 / (24 * 20),
    "swell": 1 / (24 * 45),
    "mute": 1 / (24 * 5),
    "seep": 1 / (24 * 40),
    "closure": 1 / (24 * 45),
    "backflow": 1 / (24 * 40),
    "tamper": 1 / (24 * 35),
    "drift": 1 / (24 * 35),
    "low_battery": 1 / (24 * 30),
    "outage": 1 / (24 * 45),
    "phase_loss": 1 / (24 * 45),
    "theft": 1 / (24 * 35),
    "roof": 1 / (24 * 40),
}
# Where each kind can happen, and what faults a visit there ends: who comes to a meter mends all of the meter.
AT_METER: tuple[FaultKind, ...] = ("stuck", "tamper", "theft", "drift", "low_battery", "phase_loss", "roof")
AT_POINT: tuple[FaultKind, ...] = ("leak", "backflow")
IN_AREA: tuple[FaultKind, ...] = ("burst", "seep", "closure")
REPAIRED_BY: dict[str, tuple[FaultKind, ...]] = {
    "pipe_burst": IN_AREA,
    "slow_leak": IN_AREA,
    "pressure_sag": IN_AREA,
    "valve_closure": IN_AREA,
    "household_leak": ("leak",),
    "backflow": ("backflow",),
    "stuck_meter": ("stuck", "tamper", "theft"),
    "tamper": ("stuck", "tamper"),
    "theft": ("stuck", "theft"),
    "sensor_drift": ("drift",),
    "low_battery": ("low_battery",),
    "silent_meter": ("mute", "low_battery"),
    "concentrator_lost": ("mute",),
    "unregistered_export": ("roof",),
    "voltage_sag": ("sag", "drift"),
    "voltage_swell": ("swell", "drift"),
    "outage": ("outage", "phase_loss"),
    "phase_loss": ("phase_loss", "outage"),
}
# A ticket that says nothing of these was opened by people: whatever is broken there is mended.
ALL_KINDS: tuple[FaultKind, ...] = (*IN_AREA, *AT_POINT, *AT_METER, "sag", "swell", "outage")


class FaultImpossible(ValueError):
    """The fault names a kind or a place that the town does not have."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something broken: a junction, area, point, meter, transformer or sender.

    `size` is litres an hour of a leak or backflow, a share of the usual for most, an error a day of a drifting sensor,
    per cent of a battery, kilowatts of a roof. A mute sender is heard again by itself, `size` hours later; what it
    said meanwhile is lost.
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
    water_serials: tuple[str, ...]
    power_serials: tuple[str, ...]
    sensor_serials: tuple[str, ...]  # those that measure pressure or voltage
    three_phase_serials: tuple[str, ...]

    def meters_for(self, kind: FaultKind) -> tuple[str, ...]:
        """List the meters to which a kind can happen."""
        return {
            "tamper": self.water_serials,
            "low_battery": self.water_serials,
            "theft": self.power_serials,
            "roof": self.power_serials,
            "drift": self.sensor_serials,
            "phase_loss": self.three_phase_serials,
        }.get(kind, self.serials)

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
        water_serials=tuple(m.serial for m in town.meters if m.kind == "water" and m.serial in current),
        power_serials=tuple(m.serial for m in town.meters if m.kind == "electricity" and m.serial in current),
        sensor_serials=tuple(
            m.serial for m in town.meters if (m.has_pressure or m.kind == "electricity") and m.serial in current
        ),
        three_phase_serials=tuple(m.serial for m in town.meters if m.phases == 3 and m.serial in current),
    )


def ordered(order: dict[str, Any], *, known: Places, hour: int) -> Fault:
    """Read an order such as {"fault": "burst", "place": "W2"}; a place may be given by any name that leads to it.

    :raises FaultImpossible: if there is no such fault or place
    """
    kind, place = order.get("fault"), str(order.get("place") or "")
    size = float(order.get("size") or 0)
    if kind not in CHANCE_PER_HOUR:
        raise FaultImpossible(f"no fault {kind!r}; there are {', '.join(CHANCE_PER_HOUR)}")
    return Fault(kind, _place(kind, place, known=known), size or USUAL_SIZE[kind], hour)


def _place(kind: FaultKind, place: str, *, known: Places) -> str:
    """Find where a fault happens by any name that leads there."""
    match kind:
        case "burst" | "seep":
            junction = known.junction_of.get(known.point_of_serial.get(place, place), place)
            if place in places.AREAS:
                junction = f"{place}-J08"  # in the midst of the area
            return _one_of(junction, known.junctions, "junction or area")
        case "closure":
            area = known.zone_of_point.get(known.point_of_serial.get(place, place), place)
            return _one_of(area, places.AREAS, "area")
        case "leak" | "backflow":
            return _one_of(known.point_of_serial.get(place, place), known.water_points, "water point")
        case "sag" | "swell" | "outage":
            transformer = known.zone_of_point.get(known.point_of_serial.get(place, place), place)
            return _one_of(transformer, places.TRANSFORMERS, "transformer")
        case "mute":
            names = tuple(dict.fromkeys(known.sender_of_serial.values()))
            return _one_of(known.sender_of_serial.get(place, place), names, "meter or concentrator")
        case _:
            serial = next((s for s, point in known.point_of_serial.items() if point == place), place)
            return _one_of(serial, known.meters_for(kind), f"meter for {kind}")


def by_script_and_chance(town: Town, *, known: Places, hour: int, first_hour: int, active: int) -> list[Fault]:
    """Tell what breaks by itself at an hour."""
    if hour == first_hour + SCRIPTED_LEAK_AFTER_H:
        home = next(p for p in town.premises if p.party_number == town.customer_party)
        assert home.water_point is not None, "the customer's home has water"
        return [Fault("leak", home.water_point, LEAK_LPH, hour)]
    if active >= MOST_BY_CHANCE or hour < first_hour + 3 * 24:
        return []
    broken: list[Fault] = []
    for kind, chance in CHANCE_PER_HOUR.items():
        if float(uniform(town.seed, f"fault/{kind}", hour)) < chance:
            choices = _choices(kind, known=known)
            if not choices:
                continue
            place = choices[int(float(uniform(town.seed, f"fault/{kind}/place", hour)) * len(choices))]
            share = float(uniform(town.seed, f"fault/{kind}/size", hour))
            size = _size_by_chance(kind, share, is_power=place in known.power_serials)
            order = {"fault": kind, "place": place, "size": size}
            broken.append(ordered(order, known=known, hour=hour))
    return broken[:1]


def _choices(kind: FaultKind, *, known: Places) -> tuple[str, ...]:
    match kind:
        case "leak" | "backflow":
            return known.water_points
        case "burst" | "seep":
            return known.junctions
        case "closure":
            return places.AREAS
        case "sag" | "swell" | "outage":
            return places.TRANSFORMERS
        case "mute":
            return known.lone_senders
        case _:
            return known.meters_for(kind)


def _size_by_chance(kind: FaultKind, share: float, *, is_power: bool) -> float | None:
    """Choose how bad it is, as in evaluation sets; None: as usual."""
    match kind:
        case "backflow":
            return fault_models.between(fault_models.BACKFLOW_LPH, share)
        case "tamper":
            return fault_models.between(fault_models.TAMPER_SHARE, share)
        case "theft":
            return fault_models.between(fault_models.THEFT_SHARE, share)
        case "roof":
            return fault_models.between(fault_models.ROOF_KWP, share)
        case "drift":  # up or down
            bounds = fault_models.VOLTAGE_DRIFT if is_power else fault_models.PRESSURE_DRIFT
            return (1 if share < 0.5 else -1) * fault_models.between(bounds, share * 2 % 1)
        case _:
            return None


def is_repaired(fault: Fault, *, kind: str, zone: str | None, point: str | None, serial: str | None,
                known: Places) -> bool:  # fmt: skip
    """Tell whether finished work of a ticket ends a fault: it must fit by kind and by place."""
    if fault.kind not in REPAIRED_BY.get(kind, ALL_KINDS):
        return False
    at_point = point or known.point_of_serial.get(serial or "")
    if fault.kind in IN_AREA:
        area = fault.place.split("-")[0]
        return area in (zone, known.zone_of_point.get(at_point or ""))
    if fault.kind in AT_POINT:
        return fault.place == at_point
    if fault.kind in AT_METER:
        return fault.place == serial or (point is not None and known.point_of_serial.get(fault.place) == point)
    if fault.kind == "mute":
        return fault.place in (serial, known.sender_of_serial.get(serial or ""))
    return fault.place == (zone or known.zone_of_point.get(point or ""))


def _one_of(place: str, known: tuple[str, ...], what: str) -> str:
    if place not in known:
        raise FaultImpossible(f"no {what} {place!r}; there is {known[0]}, for example")
    return place
