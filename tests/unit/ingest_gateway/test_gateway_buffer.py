"""The buffer between the connection and the preparer: bounded, and emptied of what a lost connection brought."""

import threading
import time

from ingest_gateway.mqtt.buffer import Buffer, Delivery


class Link:
    """A connection that is there."""

    is_up = True

    def acknowledge(self, message_ids: list[int]) -> None:
        """Take it."""

    def publish_all(self, messages: list[tuple[str, bytes]]) -> bool:
        return bool(messages)


def came(link: Link, *numbers: int, size: int = 10, ago_s: float = 0.0) -> Delivery:
    """Give messages of these numbers that came together."""
    numbers = numbers or (1,)
    return Delivery(
        link=link,
        message_ids=list(numbers),
        topics=[b"t"] * len(numbers),
        payloads=[b"x" * size] * len(numbers),
        payload_bytes=size * len(numbers),
        is_redelivered=False,
        received_s=time.monotonic() - ago_s,
    )


def empty(*, messages: int = 10, size: int = 1_000, age_s: float = 60.0) -> Buffer:
    return Buffer(max_messages=messages, max_bytes=size, max_age_s=age_s)


def taken(
    buffer: Buffer, *, messages: int = 9, size: int = 1_000, linger_s: float = 0, timeout_s: float = 0
) -> list[int]:
    """Take a batch, and give the numbers of its messages."""
    batch = buffer.take(max_messages=messages, max_bytes=size, linger_s=linger_s, timeout_s=timeout_s)
    return [number for delivery in batch for number in delivery.message_ids]


def test_no_more_is_taken_than_there_is_room_for() -> None:
    link, buffer = Link(), empty(messages=3)
    assert buffer.put(came(link, 1, 2), timeout_s=0)
    assert not buffer.put(came(link, 3, 4), timeout_s=0.01)
    assert buffer.put(came(link, 3), timeout_s=0)
    assert not buffer.put(came(link, 4), timeout_s=0.01)
    assert (buffer.messages, buffer.bytes) == (3, 30)


def test_bytes_are_bounded_too_and_a_huge_message_alone_gets_through_to_be_refused() -> None:
    link, buffer = Link(), empty(size=100)
    assert buffer.put(came(link, size=5_000), timeout_s=0)
    assert not buffer.put(came(link, size=1), timeout_s=0)
    assert taken(buffer) == [1]
    assert buffer.put(came(link, size=1), timeout_s=0)


def test_nothing_more_is_taken_while_the_oldest_message_has_waited_too_long() -> None:
    link, buffer = Link(), empty(age_s=5.0)
    assert buffer.put(came(link, 1, ago_s=4.0), timeout_s=0)
    assert buffer.put(came(link, 2), timeout_s=0)
    assert 4.0 <= buffer.age_s < 5.0
    assert taken(buffer, messages=1) == [1]
    assert buffer.put(came(link, 3, ago_s=6.0), timeout_s=0)  # the oldest is 2
    assert taken(buffer, messages=1) == [2]
    assert buffer.age_s >= 6.0
    assert not buffer.put(came(link, 4), timeout_s=0.01)
    assert taken(buffer) == [3]
    assert (buffer.put(came(link, 4), timeout_s=0), buffer.messages) == (True, 1)


def test_room_that_is_made_in_time_is_waited_for() -> None:
    link, buffer = Link(), empty(messages=1)
    buffer.put(came(link, 1), timeout_s=0)
    timer = threading.Timer(0.05, lambda: taken(buffer))
    timer.start()
    assert buffer.put(came(link, 2), timeout_s=10)
    timer.join()
    assert taken(buffer) == [2]


def test_what_a_lost_connection_brought_is_dropped_and_the_rest_kept() -> None:
    lost, other, buffer = Link(), Link(), empty()
    for numbers, link in (((1, 2), lost), ((3,), other), ((4,), lost)):
        buffer.put(came(link, *numbers), timeout_s=0)
    assert buffer.drop(lost) == 3
    assert (buffer.messages, buffer.bytes) == (1, 10)
    assert taken(buffer) == [3]
    assert (buffer.messages, buffer.bytes, buffer.age_s) == (0, 0, 0.0)


def test_a_batch_is_closed_by_its_size_or_by_the_age_of_its_first_message() -> None:
    link, buffer = Link(), empty()
    assert taken(buffer, messages=2, linger_s=5, timeout_s=0.01) == []
    buffer.put(came(link, 1), timeout_s=0)
    timer = threading.Timer(0.05, lambda: buffer.put(came(link, 2), timeout_s=0))
    timer.start()
    assert taken(buffer, linger_s=0.4, timeout_s=1) == [1, 2]
    timer.join()
    for numbers in ((3,), (4,), (5,)):
        buffer.put(came(link, *numbers), timeout_s=0)
    began_s = time.monotonic()
    assert taken(buffer, messages=2, linger_s=5, timeout_s=1) == [3, 4]
    assert time.monotonic() - began_s < 2


def test_a_batch_is_closed_by_its_bytes_and_what_came_together_is_not_torn_apart() -> None:
    link, buffer = Link(), empty()
    for numbers in ((1, 2, 3), (4, 5), (6,)):
        buffer.put(came(link, *numbers, size=10), timeout_s=0)
    assert taken(buffer, size=20) == [1, 2, 3]
    assert taken(buffer, messages=1) == [4, 5]
    assert taken(buffer) == [6]
