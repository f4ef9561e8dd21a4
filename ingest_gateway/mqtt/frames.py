"""MQTT packets in a stream of bytes: publications cut out in one pass, all others left as they are.

The layout is that of MQTT 3.1.1 (sections 2.2, 3.3) and MQTT 5 (2.1, 3.3), OASIS.
"""

from dataclasses import dataclass, field

PUBLISH = 0x30
PUBLISH_AT_LEAST_ONCE = 0x32
DUPLICATE = 0x08
RETAIN = 0x01
MAX_LENGTH_BYTES = 4


class StreamBroken(ValueError):
    """The bytes cannot be MQTT packets; the connection is of no more use."""


@dataclass(slots=True)
class Frames:
    """What a stretch of the stream held. The three lists go together; message id 0 needs no acknowledgement.

    `others` are packets of other types, whole: their first byte and what follows the length. `consumed` bytes were
    read; what is behind them is the beginning of a packet, of `needed` bytes in all (0: its length is not known yet).
    """

    message_ids: list[int] = field(default_factory=list[int])
    topics: list[bytes] = field(default_factory=list[bytes])
    payloads: list[bytes] = field(default_factory=list[bytes])
    others: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    payload_bytes: int = 0
    is_redelivered: bool = False
    consumed: int = 0
    needed: int = 0


def split(stream: bytes, *, is_v5: bool) -> Frames:
    """Cut a stretch of the stream into packets.

    :raises StreamBroken: if a length, a topic or a property list runs out of its packet
    """
    frames = Frames()
    add_id, add_topic, add_payload = frames.message_ids.append, frames.topics.append, frames.payloads.append
    position, size = 0, len(stream)
    while position + 2 <= size:
        length = stream[position + 1]
        start = position + 2
        if length >= 128:
            found = _long_length(stream, position + 1)
            if found is None:
                break
            length, start = found
        end = start + length
        if end > size:
            frames.needed = end - position
            break
        head = stream[position]
        if head & 0xF4 != PUBLISH:  # another packet, or a publication of quality 2
            frames.others.append((head, stream[start:end]))
            position = end
            continue
        try:
            topic_end = start + 2 + (stream[start] << 8 | stream[start + 1])
            payload_start = topic_end
            message_id = 0
            if head & PUBLISH_AT_LEAST_ONCE == PUBLISH_AT_LEAST_ONCE:
                message_id = stream[topic_end] << 8 | stream[topic_end + 1]
                payload_start += 2
                if head & DUPLICATE:
                    frames.is_redelivered = True
            if is_v5:
                payload_start += 1 if not stream[payload_start] else _properties(stream, payload_start)
        except IndexError as error:
            raise StreamBroken("a publication ends before its header does") from error
        if payload_start > end:
            raise StreamBroken("a publication's header is longer than its packet")
        add_id(message_id)
        add_topic(stream[start + 2 : topic_end])
        add_payload(stream[payload_start:end])
        frames.payload_bytes += end - payload_start
        position = end
    frames.consumed = position
    return frames


def publication(*, topic: bytes, payload: bytes, is_v5: bool) -> bytes:
    """Write a publication of quality 0."""
    length = 2 + len(topic) + is_v5 + len(payload)
    return b"".join(
        (
            bytes((PUBLISH,)),
            _length(length),
            len(topic).to_bytes(2),
            topic,
            b"\0" if is_v5 else b"",
            payload,
        )
    )


# Joined by the thousand: a table is faster than writing each.
ACKNOWLEDGEMENTS = tuple(b"\x40\x02" + number.to_bytes(2) for number in range(65_536))


def acknowledgements(message_ids: list[int]) -> bytes:
    """Write the acknowledgements of publications of quality 1; in MQTT 5 this short form says success."""
    return b"".join([ACKNOWLEDGEMENTS[message_id] for message_id in message_ids])


def _long_length(stream: bytes, position: int) -> tuple[int, int] | None:
    """Read a length of several bytes; it and where it ends, or None where it goes on behind the stream."""
    length = 0
    for index in range(MAX_LENGTH_BYTES):
        if position + index >= len(stream):
            return None
        byte = stream[position + index]
        length |= (byte & 0x7F) << 7 * index
        if byte < 128:
            return length, position + index + 1
    raise StreamBroken("a packet's length has more than four bytes")


def _properties(stream: bytes, position: int) -> int:
    """Tell how many bytes a publication's properties take with their own length."""
    found = _long_length(stream, position)
    if found is None:
        raise StreamBroken("a publication ends before its header does")
    return found[0] + found[1] - position


def _length(length: int) -> bytes:
    written = bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        written.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(written)
