"""What the benchmark of intake publishes: messages of meters and concentrators, and the readings that are in them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from suiden.bench.rig import FIRST_READING, INTERVAL_S, METERS_OF_A_CONCENTRATOR, UTILITY, concentrator, serial

BOOT = "b1"
FLOW_LH = 12.5
LATER_BY = 7  # rounds after which a reading is sent again


@dataclass(frozen=True, slots=True)
class Load:
    """Messages in the order they are published, and what is to become of them, in readings."""

    name: str
    messages: list[tuple[bytes, bytes]]  # topic and payload
    stored: int
    duplicates: int
    rejected: int

    @property
    def received(self) -> int:
        return self.stored + self.duplicates + self.rejected


def of_concentrators(name: str, *, readings: int, meters: int, spoil: "Spoil | None" = None) -> Load:
    """Messages of a hundred readings: each concentrator's meters at one instant."""
    groups = meters // METERS_OF_A_CONCENTRATOR
    messages: list[tuple[bytes, bytes]] = []
    stored = duplicates = rejected = 0
    sent: set[Line] = set()
    for number in range(readings // METERS_OF_A_CONCENTRATOR):
        turn, group = divmod(number, groups)
        first = group * METERS_OF_A_CONCENTRATOR
        said = [(meter, turn) for meter in range(first, first + METERS_OF_A_CONCENTRATOR)]
        lines, kind = spoil(number, said) if spoil else (said, "")
        payload = _payload(turn + 1, [_reading(meter, at, by=serial(meter)) for meter, at in lines])
        if kind == "malformed":
            payload = payload[:-2] + b"," + payload[-2:]
            rejected += 1
        else:
            new = sum(line not in sent for line in lines) if spoil else len(lines)
            stored += new
            duplicates += len(lines) - new
            if spoil:
                sent.update(lines)
        messages.append((_topic(concentrator(group)), payload))
    return Load(name, messages, stored=stored, duplicates=duplicates, rejected=rejected)


def of_meters(name: str, *, readings: int, meters: int, malformed_every: int = 0) -> Load:
    """Messages of one reading, each of a meter that speaks for itself."""
    messages: list[tuple[bytes, bytes]] = []
    rejected = 0
    for number in range(readings):
        turn, meter = divmod(number, meters)
        payload = _payload(turn + 1, [_reading(meter, turn, by=None)])
        if malformed_every and number % malformed_every == 0:
            payload = payload[:-2] + b"," + payload[-2:]
            rejected += 1
        messages.append((_topic(serial(meter)), payload))
    return Load(name, messages, stored=readings - rejected, duplicates=0, rejected=rejected)


# Changes what a message says: meters and rounds, and a word for what was done to it.
Line = tuple[int, int]
Spoil = Callable[[int, list[Line]], tuple[list[Line], str]]


def with_duplicates(share_percent: int) -> Spoil:
    """Have that share of all readings, scattered, be those of an earlier round."""

    def spoil(number: int, said: list[Line]) -> tuple[list[Line], str]:
        step = 100 // share_percent
        changed = [
            (meter, turn - LATER_BY) if (place * 37 + number) % step == 0 and turn >= LATER_BY else (meter, turn)
            for place, (meter, turn) in enumerate(said)
        ]
        return changed, ""

    return spoil


def with_malformed(every: int) -> Spoil:
    """Have every n-th message be no JSON."""
    return lambda number, said: (said, "malformed" if number % every == 0 else "")


def rows(*, readings: int, meters: int, meter_ids: list[int]) -> Iterator[tuple[int, int, int]]:
    """Give meter id, instant (microseconds) and register of the readings that `of_concentrators` sends."""
    first_us = int(FIRST_READING.timestamp()) * 1_000_000
    for number in range(readings):
        turn, meter = divmod(number, meters)
        yield meter_ids[meter], first_us + turn * INTERVAL_S * 1_000_000, _register(meter, turn)


def pressure_kpa(meter: int, turn: int) -> float:
    return 300.0 + (meter + turn) % 97 / 10


def _register(meter: int, turn: int) -> int:
    return 100_000 + meter % 1_000 + turn * 3


def _reading(meter: int, turn: int, *, by: str | None) -> dict[str, object]:
    at = FIRST_READING + timedelta(seconds=turn * INTERVAL_S)
    told: dict[str, object] = {} if by is None else {"meter": by}
    return told | {
        "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "register": _register(meter, turn),
        "flow": FLOW_LH,
        "pressure_kpa": pressure_kpa(meter, turn),
    }


def _payload(number: int, readings: list[dict[str, object]]) -> bytes:
    return json.dumps({"seq": number, "boot": BOOT, "readings": readings}, separators=(",", ":")).encode()


def _topic(sender: str) -> bytes:
    return f"suiden/v1/{UTILITY}/{sender}/up".encode()
