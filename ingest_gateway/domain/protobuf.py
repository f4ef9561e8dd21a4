"""A reader of the protocol buffers' wire format: the fields of a message, as they stand there."""

from collections.abc import Iterator

from ingest_gateway.domain.wire import Refused

MAX_FIELDS = 50_000

Field = tuple[int, int | bytes]  # its number, and a varint or fixed number, or what is in it

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BITS = 70
_ALL_64_BITS = (1 << 64) - 1


def fields(message: bytes) -> Iterator[Field]:
    """Give the fields of a message in their order. Fixed ones come as their bytes.

    :raises Refused: if it is cut short, is no message, or has too many
    """
    at, end, count = 0, len(message), 0
    while at < end:
        count += 1
        if count > MAX_FIELDS:
            raise Refused("too_large", f"more than {MAX_FIELDS} fields")
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise Refused("malformed", "a field with the number 0")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _LENGTH:
            length, at = _varint(message, at)
        if length is None:
            raise Refused("malformed", f"a field of the wire type {kind}")
        if length > end - at:
            raise Refused("malformed", "a field is cut short")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < _MAX_VARINT_BITS:
        if at >= len(message):
            raise Refused("malformed", "a number is cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _ALL_64_BITS, at
        shift += 7
    raise Refused("malformed", "a number of more than ten bytes")
