"""Unpacking of compressed payloads, bounded in size."""

import zlib

from ingest_gateway.domain.wire import Refused

MAX_INFLATED_BYTES = 1_048_576
GZIP_MAGIC = b"\x1f\x8b"

_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32


def inflate(packed: bytes) -> bytes:
    """Unpack zlib or gzip; no more than the limit is ever made.

    :raises Refused: if it is neither, is cut short, or holds more
    """
    unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        unpacked = unpacker.decompress(packed, MAX_INFLATED_BYTES + 1)
    except zlib.error as error:
        raise Refused("malformed", f"cannot be unpacked: {error}") from error
    if len(unpacked) > MAX_INFLATED_BYTES:
        raise Refused("too_large", f"unpacks to more than {MAX_INFLATED_BYTES} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise Refused("malformed", "the packed data is cut short, or something follows it")
    return unpacked
