"""What has been received and not yet stored: bounded in messages and in bytes."""

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

    def publish(self, *, topic: str, payload: bytes, qos: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came. `message_id` 0: it needs no acknowledgement."""

    link: Acknowledger
    message_id: int
    topic: str
    payload: bytes
    is_redelivered: bool
    received_s: float  # monotonic


class Buffer:
    """Filled by the connection's thread, emptied by the writer."""

    def __init__(self, *, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: deque[Received] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def put(self, message: Received, *, timeout_s: float) -> bool:
        """Add a message; False if there was no room in time. It then stays un-acknowledged."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(len(message.payload)), timeout=timeout_s):
                return False
            self._messages.append(message)
            self._bytes += len(message.payload)
            self._changed.notify_all()
            return True

    def take(self, *, max_messages: int, linger_s: float, timeout_s: float) -> list[Received]:
        """Take a batch: it is closed by its size, or when its first message is `linger_s` old. May be empty."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._messages), timeout=timeout_s):
                return []
            due_s = self._messages[0].received_s + linger_s
        # Not woken by each message: only a full batch is in a hurry, and that is looked for a few times.
        while (left_s := due_s - time.monotonic()) > 0 and len(self._messages) < max_messages:
            time.sleep(min(left_s, linger_s / 4))
        with self._changed:
            count = min(max_messages, len(self._messages))
            batch = [self._messages.popleft() for _ in range(count)]
            self._bytes -= sum(len(message.payload) for message in batch)
            self._changed.notify_all()
            return batch

    def drop(self, link: Acknowledger) -> int:
        """Drop what came on a connection that is gone: the broker sends it again."""
        with self._changed:
            kept = deque(message for message in self._messages if message.link is not link)
            dropped = len(self._messages) - len(kept)
            self._messages = kept
            self._bytes = sum(len(message.payload) for message in kept)
            self._changed.notify_all()
            return dropped

    @property
    def messages(self) -> int:
        return len(self._messages)

    @property
    def bytes(self) -> int:
        return self._bytes

    def _has_room(self, size: int) -> bool:
        if not self._messages:
            return True  # a message that is too large by itself must get through, to be refused
        return len(self._messages) < self._max_messages and self._bytes + size <= self._max_bytes
