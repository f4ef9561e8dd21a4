"""What has been received and not yet stored: bounded in messages, in bytes and in age."""

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol


class Acknowledger(Protocol):
    """The connection a message came on; its message ids mean nothing on another one."""

    @property
    def is_up(self) -> bool: ...

    def acknowledge(self, message_ids: list[int]) -> None: ...

    def publish_all(self, messages: list[tuple[str, bytes]]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages that came together; the three lists go together. Message id 0: it needs no acknowledgement."""

    link: Acknowledger
    message_ids: list[int]
    topics: list[bytes]
    payloads: list[bytes]
    payload_bytes: int
    is_redelivered: bool  # at least one of them
    received_s: float  # monotonic

    @property
    def messages(self) -> int:
        return len(self.payloads)


class Buffer:
    """Filled by the connection's thread, emptied by the one that prepares batches."""

    def __init__(self, *, max_messages: int, max_bytes: int, max_age_s: float) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._deliveries: deque[Delivery] = deque()
        self._messages = 0
        self._bytes = 0
        self._changed = threading.Condition()

    def put(self, delivery: Delivery, *, timeout_s: float) -> bool:
        """Add what came; False if there was no room in time. It then stays un-acknowledged."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(delivery), timeout=timeout_s):
                return False
            self._deliveries.append(delivery)
            self._messages += delivery.messages
            self._bytes += delivery.payload_bytes
            self._changed.notify_all()
            return True

    def take(self, *, max_messages: int, max_bytes: int, linger_s: float, timeout_s: float) -> list[Delivery]:
        """Take a batch: closed by its size, or when its first message is `linger_s` old. May be empty.

        Deliveries are not torn apart, so that the last one may go beyond the sizes.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._deliveries), timeout=timeout_s):
                return []
            due_s = self._deliveries[0].received_s + linger_s
        # Not woken by each delivery: only a full batch is in a hurry, and that is looked for a few times.
        while (left_s := due_s - time.monotonic()) > 0 and self._messages < max_messages and self._bytes < max_bytes:
            time.sleep(min(left_s, linger_s / 4))
        batch: list[Delivery] = []
        messages = payload_bytes = 0
        with self._changed:
            while self._deliveries and messages < max_messages and payload_bytes < max_bytes:
                delivery = self._deliveries.popleft()
                batch.append(delivery)
                messages += delivery.messages
                payload_bytes += delivery.payload_bytes
            self._messages -= messages
            self._bytes -= payload_bytes
            self._changed.notify_all()
        return batch

    def drop(self, link: Acknowledger) -> int:
        """Drop what came on a connection that is gone, as the broker sends it again; return how many messages."""
        with self._changed:
            kept = deque(delivery for delivery in self._deliveries if delivery.link is not link)
            messages = sum(delivery.messages for delivery in kept)
            dropped = self._messages - messages
            self._deliveries = kept
            self._messages = messages
            self._bytes = sum(delivery.payload_bytes for delivery in kept)
            self._changed.notify_all()
            return dropped

    @property
    def messages(self) -> int:
        return self._messages

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def age_s(self) -> float:
        """Tell for how long the oldest message has waited."""
        oldest = next(iter(self._deliveries), None)
        return 0.0 if oldest is None else time.monotonic() - oldest.received_s

    def _has_room(self, delivery: Delivery) -> bool:
        if not self._deliveries:
            return True  # what is too large by itself must get through, to be refused
        return (
            self._messages + delivery.messages <= self._max_messages
            and self._bytes + delivery.payload_bytes <= self._max_bytes
            and self.age_s <= self._max_age_s
        )
