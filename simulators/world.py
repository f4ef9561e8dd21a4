"""The town as it is now: registers, valves, relays and faults, moved on hour by hour."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from simulators import breakdowns, faults, measures
from simulators.book import Meter
from simulators.breakdowns import Supply
from simulators.faults import Fault
from simulators.noise import Floats, Ints
from simulators.town import Town

KEPT_HOURS = 40 * 24  # how far back a meter remembers what it showed, as real ones do


@dataclass(frozen=True, slots=True)
class HourRead:
    """What all meters show at one full hour, in the order of the town's points; NaN: not measured."""

    hour: int  # since 1970
    register: Ints
    flow: Floats
    pressure_kpa: Floats
    voltage_v: Floats
    battery_pct: Ints
    exported: Ints  # Wh fed back since the town began, by point; 0: never
    lost_phase: Ints  # of each power point: 0 none, else 1 to 3
    lost_left: Floats  # what share of the voltage is still seen on it


@dataclass(slots=True)
class WorldState:
    """What cannot be computed anew: all else follows from the seed and the hour."""

    hour: int
    first_hour: int
    offsets: dict[str, int] = field(default_factory=dict)  # by meter, against the use model
    exported: dict[str, int] = field(default_factory=dict)  # by meter: Wh fed back
    supply: dict[str, Supply] = field(default_factory=dict)  # by meter, where it is not on
    faults: list[Fault] = field(default_factory=list)


class World:
    """Moves the town from one hour to the next."""

    def __init__(self, town: Town, *, hour: int, state: WorldState | None = None) -> None:
        """Begin at an hour, or where `state` was left."""
        self._town = town
        self._laid = measures.grid(town)
        self.known = faults.places_of(town)
        self.serials = tuple(meter.serial for meter in self._laid.meters)
        self._column = {serial: at for at, serial in enumerate(self.serials)}
        self.state = state or WorldState(hour=hour, first_hour=hour)
        self._offset = np.array([self.state.offsets.get(serial, 0) for serial in self.serials], dtype=np.int64)
        self._ends = np.array([10**meter.digits for meter in self._laid.meters], dtype=np.int64)
        self._has_sensor = np.array([m.has_pressure for m in self._laid.meters[: self._laid.water_count]])
        self._used = self._laid.model.at_hours(np.array([self.state.hour]))[0]
        self._memory: dict[int, HourRead] = {}
        self.changes = 0  # faults and valves, which cannot be computed anew

    @property
    def meters(self) -> tuple[Meter, ...]:
        return self._laid.meters

    def column(self, serial: str) -> int:
        """:raises KeyError: if there is no such meter in use"""
        return self._column[serial]

    def step(self, *, by_itself: bool = True) -> HourRead:
        """Live one hour and read all meters at its end."""
        state = self.state
        state.hour += 1
        if by_itself:
            broken = faults.by_script_and_chance(
                self._town, known=self.known, hour=state.hour, first_hour=state.first_hour, active=self._active()
            )
            for fault in broken:
                self.break_down(fault)
        self.repair(lambda fault: fault.kind == "mute" and state.hour >= fault.since_h + fault.size)
        used = self._laid.model.at_hours(np.array([state.hour]))[0]
        wanted = used - self._used
        drawn, counted, fed_back = breakdowns.flows(
            self._laid, wanted, hour=state.hour, faults=state.faults, supply=state.supply, column=self._column,
            town=self._town,
        )  # fmt: skip
        for at in np.flatnonzero(fed_back):
            state.exported[self.serials[at]] = state.exported.get(self.serials[at], 0) + int(fed_back[at])
        self._offset += counted - wanted
        self._used = used
        state.offsets = {self.serials[at]: int(self._offset[at]) for at in np.nonzero(self._offset)[0]}
        read = self._read(drawn)
        self._remember(read)
        return read

    def skip_to(self, hour: int) -> None:
        """Let hours pass that nobody recorded: the meters ran on, the faults stay as they are."""
        self._used = self._laid.model.at_hours(np.array([hour]))[0]
        self.state.hour = hour

    def break_down(self, fault: Fault) -> None:
        """Let something break; the same place breaks once."""
        self.repair(lambda other: (other.kind, other.place) == (fault.kind, fault.place))
        self.state.faults.append(fault)
        self.changes += 1

    def repair(self, is_repaired: Callable[[Fault], bool]) -> list[Fault]:
        """End the faults for which `is_repaired` is true, and return them."""
        ended = [fault for fault in self.state.faults if is_repaired(fault)]
        self.state.faults = [fault for fault in self.state.faults if fault not in ended]
        self.changes += bool(ended)
        return ended

    def is_mute(self, sender: str) -> bool:
        """Tell whether a sender's radio is dead."""
        return any(fault.kind == "mute" and fault.place == sender for fault in self.state.faults)

    def set_supply(self, serial: str, supply: Supply) -> None:
        self.state.supply.pop(serial, None)
        if supply != "on":
            self.state.supply[serial] = supply
        self.changes += 1

    def remembered(self, *, first_h: int, until_h: int) -> list[HourRead]:
        """Give what the meters still remember of a stretch of hours, oldest first; both ends included.

        Before its first hour the town lived by the use model alone, so that is computed.
        """
        first_h, until_h = max(first_h, self.state.hour - KEPT_HOURS), min(until_h, self.state.hour)
        before = range(first_h, min(until_h, self.state.first_hour) + 1)
        reads: list[HourRead] = []
        if before:
            earlier = World(self._town, hour=before.start - 1)
            reads = [earlier.step(by_itself=False) for _ in before]
        lived = range(max(first_h, self.state.first_hour + 1), until_h + 1)
        return reads + [self._memory[hour] for hour in lived if hour in self._memory]

    def memory(self) -> Iterable[HourRead]:
        return self._memory.values()

    def recall(self, reads: Iterable[HourRead]) -> None:
        """Put back what the meters remembered when the town last stopped."""
        self._memory = {read.hour: read for read in reads}

    def _active(self) -> int:
        """Count the faults that keep others from happening by chance."""
        return sum(self.state.hour - fault.since_h < faults.FORGOTTEN_AFTER_H for fault in self.state.faults)

    def _read(self, drawn: Ints) -> HourRead:
        state, laid, water = self.state, self._laid, self._laid.water_count
        hours = np.array([state.hour])
        flow = drawn[None, :].astype(np.float64)
        mains = breakdowns.mains(state.faults)
        pressure = measures.pressure_kpa(
            laid, hours=hours, flow_lph=flow[:, :water], bursts=mains.bursts, closed=mains.closed
        )[0]
        factors = breakdowns.transformers(state.faults)
        volts = measures.voltage_v(laid, hours=hours, load_w=flow[:, water:], factors=factors)[0]
        error = breakdowns.sensor_factors(state.faults, hour=state.hour, column=self._column, size=len(self.serials))
        battery = measures.battery_pct(laid, hours=hours)[0]
        lost_phase, lost_left = np.zeros(len(volts), dtype=np.int64), np.ones(len(volts))
        for fault in state.faults:
            if fault.kind == "low_battery":
                battery[self._column[fault.place]] = min(int(fault.size), battery[self._column[fault.place]])
            elif fault.kind == "phase_loss":
                at = self._column[fault.place] - water
                lost_phase[at], lost_left[at] = 1 + fault.since_h % 3, fault.size
        volts = volts * error[water:]
        volts[breakdowns.dead(laid, state.faults)] = np.nan
        volts[breakdowns.gasping(laid, state.faults, hour=state.hour)] = 0.0
        return HourRead(
            hour=state.hour,
            register=(laid.opening + self._used + self._offset) % self._ends,
            flow=flow[0],
            pressure_kpa=np.where(self._has_sensor, pressure * error[:water], np.nan).round(1),
            voltage_v=volts.round(1),
            battery_pct=battery,
            exported=np.array([state.exported.get(serial, 0) for serial in self.serials], dtype=np.int64),
            lost_phase=lost_phase,
            lost_left=lost_left,
        )

    def _remember(self, read: HourRead) -> None:
        self._memory[read.hour] = read
        self._memory.pop(read.hour - KEPT_HOURS, None)
