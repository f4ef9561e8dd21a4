"""The buffer between the connection and the writer: bounded, and emptied of what a lost connection brought."""

import threading
import time

from ingest_gateway.mqtt.buffer import Buffer, Received


class Link:
    """A connection that is there."""

    is_up = True

    def acknowledge(self, message_ids: list[int]) -> None:
        """Take it."""

    def publish(self, *, topic: str, payload: bytes, qos: int) -> bool:
        return bool(topic and payload and qos)


def received(link: Link, number: int = 1, size: int = 10) -> Received:
    return Received(link, number, "t", b"x" * size, is_redelivered=False, received_s=time.monotonic())


def test_no_more_is_taken_than_there_is_room_for() -> None:
    link = Link()
    buffer = Buffer(max_messages=2, max_bytes=1_000)
    assert buffer.put(received(link), timeout_s=0)
    assert buffer.put(received(link), timeout_s=0)
    assert not buffer.put(received(link), timeout_s=0.01)
    assert (buffer.messages, buffer.bytes) == (2, 20)


def test_bytes_are_bounded_too_and_a_huge_message_alone_gets_through_to_be_refused() -> None:
    link = Link()
    buffer = Buffer(max_messages=10, max_bytes=100)
    assert buffer.put(received(link, size=5_000), timeout_s=0)
    assert not buffer.put(received(link, size=1), timeout_s=0)
    assert len(buffer.take(max_messages=10, linger_s=0, timeout_s=0)) == 1
    assert buffer.put(received(link, size=1), timeout_s=0)


def test_what_a_lost_connection_brought_is_dropped_and_the_rest_kept() -> None:
    lost, other = Link(), Link()
    buffer = Buffer(max_messages=10, max_bytes=1_000)
    for number, link in enumerate((lost, other, lost), start=1):
        buffer.put(received(link, number), timeout_s=0)
    assert buffer.drop(lost) == 2
    assert [message.message_id for message in buffer.take(max_messages=9, linger_s=0, timeout_s=0)] == [2]
    assert buffer.bytes == 0


def test_a_batch_is_closed_by_its_size_or_by_the_age_of_its_first_message() -> None:
    link = Link()
    buffer = Buffer(max_messages=10, max_bytes=1_000)
    assert buffer.take(max_messages=2, linger_s=5, timeout_s=0.01) == []
    buffer.put(received(link, 1), timeout_s=0)
    timer = threading.Timer(0.05, lambda: buffer.put(received(link, 2), timeout_s=0))
    timer.start()
    assert [message.message_id for message in buffer.take(max_messages=9, linger_s=0.4, timeout_s=1)] == [1, 2]
    for number in (3, 4, 5):
        buffer.put(received(link, number), timeout_s=0)
    began_s = time.monotonic()
    assert [message.message_id for message in buffer.take(max_messages=2, linger_s=5, timeout_s=1)] == [3, 4]
    assert time.monotonic() - began_s < 2
    timer.join()
