"""What meters and concentrators say and obey: readings into numbered messages, orders into valves and relays."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog

from simulators.book import Sender
from simulators.noise import uniform
from simulators.town import Town
from simulators.wire import MessageUnusable, Order, Outbox, instant, rfc3339
from simulators.world import HourRead, Supply, World

log = structlog.get_logger()

DIRECT_EVERY_H = 2  # a meter with a battery of its own sends two hours at once
WRONG_CLOCK_SHARE, WRONG_CLOCK_S = 0.03, 300
BACKFILL_MESSAGE_H = 24
SUPPLY_AFTER: dict[str, tuple[str, Supply]] = {
    "valve.close": ("water", "off"),
    "valve.open": ("water", "on"),
    "valve.trickle": ("water", "trickle"),
    "relay.open": ("electricity", "off"),
    "relay.close": ("electricity", "on"),
}


@dataclass(slots=True)
class Speaker:
    """One credential: its meters, what it has read and not yet said, and what it has said and not yet been believed."""

    sender: Sender
    columns: tuple[int, ...]
    phase: float  # when in the hour it speaks
    outbox: Outbox
    unsaid: list[HourRead] = field(default_factory=list)


class Speakers:
    """All senders of the town."""

    def __init__(self, town: Town, world: World, *, boot: str) -> None:
        """Take the town and its world; `boot` names this life of the senders' counts."""
        self._world = world
        self._due: list[tuple[float, str]] = []
        self._last_order: dict[str, int] = {}  # by meter: orders with lower ids come too late
        self.by_name: dict[str, Speaker] = {}
        for number, sender in enumerate(town.senders):
            columns = tuple(world.column(serial) for serial in sender.serials)
            phase = float(uniform(town.seed, "sender/phase", number)) * 0.9
            self.by_name[sender.name] = Speaker(sender, columns, phase, Outbox(boot=boot))
        ids = np.arange(len(world.serials))
        wrong = uniform(town.seed, "meter/clock", ids) < WRONG_CLOCK_SHARE
        wrong &= ~np.isin(ids, [world.column("W-0001"), world.column("E-0001")])  # the demo's customer
        by = (uniform(town.seed, "meter/clock-by", ids) * 2 - 1) * WRONG_CLOCK_S
        self._clock_offset_s = np.where(wrong, by, 0).astype(np.int64).tolist()

    def hear(self, read: HourRead) -> None:
        """Let every sender read its meters; each speaks at its own moment of the hour."""
        for at, speaker in enumerate(self.by_name.values()):
            speaker.unsaid.append(read)
            if speaker.sender.kind == "concentrator" or (read.hour + at) % DIRECT_EVERY_H == 0:
                heapq.heappush(self._due, ((read.hour + speaker.phase) * 3600, speaker.sender.name))

    def speak(self, *, now_s: float) -> list[str]:
        """Put what is due at a moment of utility time into the outboxes; return whose."""
        spoke: list[str] = []
        while self._due and self._due[0][0] <= now_s:
            speaker = self.by_name[heapq.heappop(self._due)[1]]
            self._say(speaker)
            if self._world.is_mute(speaker.sender.name):
                speaker.outbox.lose_all()
            spoke.append(speaker.sender.name)
        return spoke

    def next_due_s(self) -> float:
        return self._due[0][0] if self._due else float("inf")

    def obey(self, name: str, order: Order, *, now: datetime) -> None:
        """Do what an order says, or say why not; the answer is in the outbox at once."""
        speaker = self.by_name[name]
        state, detail = "failed", "not a meter of this sender"
        if order.meter in speaker.sender.serials:
            state, detail = self._do(speaker, order, now=now)
        answer = {"id": order.order_id, "state": state, "at": rfc3339(now.timestamp())}
        speaker.outbox.put(readings=[], answers=[answer | ({"detail": detail} if detail else {})])
        log.info("meter.obeyed", meter=order.meter, command=order.command, id=order.order_id, state=state, why=detail)

    def _do(self, speaker: Speaker, order: Order, *, now: datetime) -> tuple[str, str]:
        column = self._world.column(order.meter)
        own_clock = now + timedelta(seconds=self._clock_offset_s[column])
        if order.expires_at <= own_clock:
            return "failed", "expired"
        if order.command == "backfill":
            return self._backfill(speaker, order)
        meter = self._world.meters[column]
        kind, supply = SUPPLY_AFTER.get(order.command, ("", "on"))
        if kind != meter.kind or not meter.has_actuator:
            return "failed", "this meter has no such valve or relay"
        if order.order_id < self._last_order.get(order.meter, 0):
            return "failed", "a later order was obeyed before"
        self._last_order[order.meter] = order.order_id
        self._world.set_supply(order.meter, supply)
        return "done", ""

    def _backfill(self, speaker: Speaker, order: Order) -> tuple[str, str]:
        """Say again what the meter remembers from one time to another, both by its own clock; the last day unless told.

        The readings go the way of all others: numbered, and kept until they are acknowledged.
        """
        column = self._world.column(order.meter)
        until_h, first_h = self._world.state.hour, self._world.state.hour - BACKFILL_MESSAGE_H
        try:
            if "from" in order.args:
                first_h = math.ceil(self._own_hours(order.args["from"], column))
            if "to" in order.args:
                until_h = math.floor(self._own_hours(order.args["to"], column))
        except MessageUnusable as error:
            return "failed", str(error)
        reads = self._world.remembered(first_h=first_h, until_h=until_h)
        if not reads:
            return "failed", "nothing of it is remembered"
        for start in range(0, len(reads), BACKFILL_MESSAGE_H):
            part = reads[start : start + BACKFILL_MESSAGE_H]
            speaker.outbox.put(readings=[said for read in part for said in self._readings(read, (column,))])
        return "done", f"{len(reads)} readings"

    def _own_hours(self, told: object, column: int) -> float:
        """Tell at which hour since 1970 a meter showed what it dates so, by its own clock."""
        return (instant(told).timestamp() - self._clock_offset_s[column]) / 3600

    def _say(self, speaker: Speaker) -> None:
        readings = [reading for read in speaker.unsaid for reading in self._readings(read, speaker.columns)]
        speaker.unsaid.clear()
        if readings:
            if speaker.sender.kind == "meter":
                for reading in readings:
                    del reading["meter"]  # the sender is the meter
            speaker.outbox.put(readings=readings)

    def _readings(self, read: HourRead, columns: tuple[int, ...]) -> list[dict[str, Any]]:
        world = self._world
        water_count = len(read.pressure_kpa)
        readings: list[dict[str, Any]] = []
        for column in columns:
            at_s = read.hour * 3600 + self._clock_offset_s[column]
            reading: dict[str, Any] = {
                "meter": world.serials[column],
                "at": rfc3339(at_s) if column % 2 else at_s * 1000,
                "register": int(read.register[column]),
                "flow": float(read.flow[column]),
            }
            if column < water_count:
                reading["battery_pct"] = int(read.battery_pct[column])
                if read.pressure_kpa[column] == read.pressure_kpa[column]:  # not NaN
                    reading["pressure_kpa"] = float(read.pressure_kpa[column])
            else:
                voltage_v = self._voltages(read, column)
                if voltage_v is None:
                    continue  # without supply it reads nothing
                reading["voltage_v"] = voltage_v
                if read.exported[column]:
                    reading["export_register"] = int(read.exported[column])
            readings.append(reading)
        return readings

    def _voltages(self, read: HourRead, column: int) -> list[float] | None:
        """Give the voltage of each phase; None: there is no supply."""
        at = column - len(read.pressure_kpa)
        voltage = float(read.voltage_v[at])
        if math.isnan(voltage):
            return None
        volts = [voltage] * self._world.meters[column].phases
        if read.lost_phase[at]:
            volts[int(read.lost_phase[at]) - 1] = round(voltage * float(read.lost_left[at]), 1)
        return volts

    def saved(self) -> dict[str, Any]:
        """Give what a later start needs; what was read and not said yet is said now."""
        self._due.clear()
        for speaker in self.by_name.values():
            self._say(speaker)
        return {
            "orders": dict(self._last_order),
            "outboxes": {name: speaker.outbox.saved() for name, speaker in self.by_name.items()},
        }

    def restore(self, saved: Mapping[str, Any], *, new_boot: str | None) -> None:
        """Go on from `saved`; `new_boot` where the town was killed after it was saved."""
        self._last_order = dict(saved["orders"])
        for name, outbox in saved["outboxes"].items():
            if name in self.by_name:
                self.by_name[name].outbox = Outbox.restored(outbox, new_boot=new_boot)
