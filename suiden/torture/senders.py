"""Concentrators and meters that number their messages, keep them until they are acknowledged, and log all they read."""

import json
import random
import threading
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RESEND_S = 0.5  # after which a message that no ack covers is sent again
MISSING_RESEND_S = 0.15  # after which one that an ack calls missing is
SILENT_S = 1.0  # without an ack for so long, a sender only knocks
KNOCKS = 2  # messages that it then sends again at a time
RESENDS_A_TICK = 3
WINDOW = 120  # kept and not acknowledged: beyond it a sender reads nothing new
RECONNECT_S = (0.05, 0.2)
INFLIGHT = 1_000


class LoggedReading(NamedTuple):
    """What a meter's own log says."""

    serial: str
    read_at_us: int
    register: int
    flow: float


@dataclass(slots=True)
class _Kept:
    """A message that is not acknowledged: which line of the log it tells, and when it was sent last (monotonic)."""

    entry: int
    sent_s: float = float("-inf")
    missing: bool = False


@dataclass(slots=True)
class Counts:
    """What became of a sender's messages, as the sender sees it."""

    sent: int = 0
    sent_again: int = 0
    dropped: int = 0
    acks: int = 0
    acks_dropped: int = 0


@dataclass(slots=True)
class SenderLog:
    """One line a message: the instant at which all meters of the sender were read."""

    serials: Sequence[str]
    instants_us: "array[int]" = field(default_factory=lambda: array("q"))

    def readings(self, entry: int) -> Iterator[LoggedReading]:
        """Give what the meters read at a line of the log: registers that only rise."""
        for index, serial in enumerate(self.serials):
            yield LoggedReading(serial, self.instants_us[entry], entry * 3 + index, float((entry * 7 + index) % 1000))


class Sender:
    """One sender with its own line to the broker; its methods are called by several threads."""

    def __init__(
        self, *, utility: str, name: str, password: str, serials: Sequence[str], seed: str, loss: float, trusts: bool
    ) -> None:
        """`loss` is the share of all messages and acks that is lost on the way; who trusts sends nothing again."""
        self.name = name
        self.log = SenderLog(tuple(serials))
        self.counts = Counts()
        self.number = 0
        self.boot = "1"
        self.offset_us = 0  # of its own clock
        self.is_suspect = False  # while some clock is wrong: what is read now may be refused
        self.may_be_refused: set[int] = set()  # lines of the log that a clock may have spoiled
        self.forgotten: dict[int, int] = {}  # numbers that it can send no more, with their lines of the log
        self.last_ack: Mapping[str, object] = {}
        self._loss = loss
        self._trusts = trusts
        self._random = random.Random(seed)
        self._topic = f"suiden/v1/{utility}/{name}"
        self._lock = threading.Lock()
        self._kept: dict[int, _Kept] = {}
        self._acked_s = 0.0
        self._jumps = 0
        self._newest_us: dict[tuple[int, int], int] = {}  # by each clock it ever had
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
        self._client.username_pw_set(name, password)
        self._client.reconnect_delay_set(*RECONNECT_S)  # pyright: ignore[reportArgumentType]  (it takes fractions)
        self._client.max_inflight_messages_set(INFLIGHT)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _client, _userdata, message: self.take_ack(bytes(message.payload))

    def connect(self, port: int) -> None:
        self._client.connect_async("127.0.0.1", port, keepalive=5)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def kept(self) -> int:
        """Tell how many messages are not acknowledged."""
        return len(self._kept)

    @property
    def entries(self) -> int:
        """Tell how long the log is."""
        return len(self.log.instants_us)

    def has_ack_beyond(self, number: int) -> bool:
        """Tell whether a message made after this one was acknowledged."""
        through = self.last_ack.get("through", 0)
        return isinstance(through, int) and through > number

    def kept_numbers(self) -> list[int]:
        with self._lock:
            return sorted(self._kept)

    def read(self, *, now_us: int) -> None:
        """Read the meters, write that down, and send it for the first time."""
        with self._lock:
            if len(self._kept) >= WINDOW:
                return
            self.log.instants_us.append(self._instant_us(now_us))
            if self.is_suspect:
                self.may_be_refused.add(self.entries - 1)
            self.number += 1
            self._kept[self.number] = _Kept(self.entries - 1)
            number = self.number
        self._send(number)

    def resend(self, *, now_s: float) -> None:
        """Send again what is due: what is missing, what no ack covers, and while nobody answers a little of it."""
        with self._lock:
            is_silent = now_s - self._acked_s > SILENT_S
            due = [
                number
                for number, kept in self._kept.items()
                if now_s - kept.sent_s > (MISSING_RESEND_S if kept.missing and not is_silent else RESEND_S)
            ]
            if is_silent and len(due) < len(self._kept):
                due = []  # it has knocked lately
        for number in due[: KNOCKS if is_silent else RESENDS_A_TICK]:
            self.counts.sent_again += 1
            self._send(number)

    def jump_clock(self, offset_us: int) -> None:
        """Set the sender's clock wrong by so much; 0: right again."""
        with self._lock:
            self._jumps += 1
            self.offset_us = offset_us

    def suspect(self, *, is_wrong: bool) -> None:
        """Note whether some clock is wrong, so that what is under way and what is read may be refused."""
        with self._lock:
            self.is_suspect = is_wrong
            if is_wrong:
                self.may_be_refused.update(kept.entry for kept in self._kept.values())

    def forget(self, count: int) -> None:
        """Lose the oldest messages that are kept: what did not arrive stays a gap."""
        with self._lock:
            for number in sorted(self._kept)[:count]:
                self.forgotten[number] = self._kept.pop(number).entry

    def restart_count(self) -> None:
        """Begin at 1 under a new name of the count; what is kept gets new numbers."""
        with self._lock:
            self.boot = str(int(self.boot) + 1)
            entries = [kept.entry for _, kept in sorted(self._kept.items())]
            self._kept = {number: _Kept(entry) for number, entry in enumerate(entries, start=1)}
            self.number = len(entries)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(f"{self._topic}/ack", 0)

    def _instant_us(self, now_us: int) -> int:
        """Read the sender's clock: milliseconds while it is right; a jump leaves its mark in the microseconds.

        So no two lines of the log have the same instant, whatever the clock does.
        """
        jump_mark = self._jumps % 999 + 1 if self.offset_us else 0
        instant_us = (now_us + self.offset_us) // 1000 * 1000 + jump_mark
        clock = (self.offset_us, jump_mark)
        instant_us = max(instant_us, self._newest_us.get(clock, instant_us - 1000) + 1000)
        self._newest_us[clock] = instant_us
        return instant_us

    def _send(self, number: int) -> None:
        """Publish a message, unless it gets lost on its way to the broker."""
        with self._lock:
            kept = self._kept.get(number)
            if kept is None:
                return
            kept.sent_s = time.monotonic()
            kept.missing = False
            is_lost = self._random.random() < self._loss
            payload = self._encode(number, kept.entry)
            if self._trusts:
                del self._kept[number]
        self.counts.sent += 1
        if is_lost or not self._client.is_connected():
            self.counts.dropped += 1
            return
        self._client.publish(f"{self._topic}/up", payload, qos=1)

    def _encode(self, number: int, entry: int) -> str:
        at = (EPOCH + timedelta(microseconds=self.log.instants_us[entry])).isoformat()
        readings = [
            {"meter": reading.serial, "at": at, "register": reading.register, "flow": reading.flow}
            for reading in self.log.readings(entry)
        ]
        return json.dumps({"seq": number, "boot": self.boot, "oldest": min(self._kept), "readings": readings})

    def take_ack(self, payload: bytes) -> None:
        """Forget what is durable, and note what is missing."""
        ack = json.loads(payload)
        with self._lock:
            if self._random.random() < self._loss:
                self.counts.acks_dropped += 1
                return
            if ack.get("boot", self.boot) != self.boot or ack["through"] > self.number:
                return  # it speaks of an earlier life
            self.counts.acks += 1
            self.last_ack = ack
            self._acked_s = time.monotonic()
            missing = set(ack["missing"])
            for number in [number for number in self._kept if number <= ack["through"]]:
                if number in missing:
                    self._kept[number].missing = True
                else:
                    del self._kept[number]
