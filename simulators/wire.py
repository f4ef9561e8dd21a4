"""The senders' side of suiden JSON, version 1: messages, their numbers, and what the utility has acknowledged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

WINDOW = 20  # sent and not acknowledged at one time
RESEND_AFTER_S = 20.0  # wall time; doubled each time up to the longest
RESEND_LONGEST_S = 300.0
MISSING_AFTER_S = 2.0  # what is called missing may still be under way
MOST_KEPT = 1_000  # messages of one sender: forty days of one an hour, as real meters keep
MOST_KEPT_BYTES = 16 * 2**20  # and no more memory than a concentrator has


class MessageUnusable(ValueError):
    """A message to a sender is not what the protocol says."""


@dataclass(frozen=True, slots=True)
class Ack:
    """All numbers up to `through` but the missing ones are durable at the utility."""

    through: int
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """A command to a meter's valve or relay, or for what it remembers."""

    order_id: int
    meter: str
    command: str
    expires_at: datetime
    args: Mapping[str, Any]


@dataclass(slots=True)
class _Sent:
    at_s: float
    wait_s: float


@dataclass(slots=True)
class Outbox:
    """A sender's messages that the utility has not acknowledged, numbered by one."""

    boot: str  # changes when the count begins anew
    next_seq: int = 1
    kept: dict[int, bytes] = field(default_factory=dict)
    dropped: int = 0
    _sent: dict[int, _Sent] = field(default_factory=dict)
    _kept_bytes: int = 0

    def __post_init__(self) -> None:
        self._kept_bytes = sum(map(len, self.kept.values()))

    def put(self, *, readings: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]] = ()) -> int:
        """Number a message and keep it; a full outbox drops its oldest, as a real one does."""
        seq = self.next_seq
        body: dict[str, Any] = {"seq": seq, "boot": self.boot, "readings": list(readings)}
        if answers:
            body["answers"] = list(answers)
        if self.dropped:
            body["oldest"] = next(iter(self.kept), seq)
        self.kept[seq] = msgspec.json.encode(body)
        self._kept_bytes += len(self.kept[seq])
        self.next_seq += 1
        while len(self.kept) > MOST_KEPT or (self._kept_bytes > MOST_KEPT_BYTES and len(self.kept) > 1):
            self._forget(next(iter(self.kept)))
            self.dropped += 1
        return seq

    def lose_all(self) -> None:
        """Forget what is kept, as a device does whose radio was dead for too long."""
        self.dropped += len(self.kept)
        self.kept.clear()
        self._sent.clear()
        self._kept_bytes = 0

    def acknowledge(self, ack: Ack, *, now_s: float) -> None:
        """Forget what is durable; what is missing is due again, unless it was sent a moment ago."""
        missing = set(ack.missing)
        for seq in [seq for seq in self.kept if seq <= ack.through and seq not in missing]:
            self._forget(seq)
        for seq in missing:
            sent = self._sent.get(seq)
            if sent is not None and now_s - sent.at_s > MISSING_AFTER_S:
                del self._sent[seq]

    def _forget(self, seq: int) -> None:
        self._kept_bytes -= len(self.kept.pop(seq))
        self._sent.pop(seq, None)

    def due(self, *, now_s: float) -> list[tuple[int, bytes]]:
        """Give what is to be sent now, oldest first, and mark it as sent; at most a window is under way."""
        messages: list[tuple[int, bytes]] = []
        for seq, body in self.kept.items():
            if len(self._sent) >= WINDOW and seq not in self._sent:
                break
            sent = self._sent.get(seq)
            if sent is None:
                self._sent[seq] = _Sent(now_s, RESEND_AFTER_S)
            elif now_s - sent.at_s >= sent.wait_s:
                sent.at_s, sent.wait_s = now_s, min(RESEND_LONGEST_S, sent.wait_s * 2)
            else:
                continue
            messages.append((seq, body))
        return messages

    def saved(self) -> dict[str, Any]:
        kept = [[seq, body.decode()] for seq, body in self.kept.items()]
        return {"boot": self.boot, "next_seq": self.next_seq, "dropped": self.dropped, "kept": kept}

    @classmethod
    def restored(cls, saved: Mapping[str, Any], *, new_boot: str | None = None) -> "Outbox":
        """Go on where it was saved; with `new_boot`, count anew, because numbers were used after it was saved."""
        if new_boot is None:
            kept = {seq: body.encode() for seq, body in saved["kept"]}
            return cls(boot=saved["boot"], next_seq=saved["next_seq"], dropped=saved["dropped"], kept=kept)
        anew = cls(boot=new_boot)
        for _, body in saved["kept"]:
            message = msgspec.json.decode(body)
            anew.put(readings=message["readings"], answers=message.get("answers", ()))
        return anew


def read_ack(payload: bytes) -> Ack:
    """:raises MessageUnusable: if it is no acknowledgement"""
    match _decoded(payload):
        case {"through": int(through), **rest}:
            missing = rest.get("missing") or []
            if isinstance(missing, list) and all(isinstance(seq, int) for seq in missing):
                return Ack(through, tuple(missing))
    raise MessageUnusable("an acknowledgement needs `through` and `missing`")


def read_order(payload: bytes) -> Order:
    """:raises MessageUnusable: if it is no command"""
    match _decoded(payload):
        case {"id": int(order_id), "meter": str(meter), "command": str(command), "expires_at": expires, **rest}:
            args = rest.get("args") or {}
            if isinstance(args, dict):
                return Order(order_id, meter, command, instant(expires), args)
    raise MessageUnusable("a command needs `id`, `meter`, `command` and `expires_at`")


def instant(text: object) -> datetime:
    """Read RFC 3339 or epoch milliseconds.

    :raises MessageUnusable: if it is neither
    """
    try:
        if isinstance(text, int | float):
            return datetime.fromtimestamp(text / 1000, UTC)
        read = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError) as error:
        raise MessageUnusable(f"{text!r} is no time") from error
    if read.tzinfo is None:
        raise MessageUnusable(f"{text!r} does not say its zone")
    return read


def rfc3339(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _decoded(payload: bytes) -> object:
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise MessageUnusable(str(error)) from error
