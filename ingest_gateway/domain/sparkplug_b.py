"""The decoder of Sparkplug B: births and data of edge nodes and devices."""

import struct
from dataclasses import dataclass
from decimal import Decimal

from ingest_gateway.domain import protobuf
from ingest_gateway.domain.inflate import inflate
from ingest_gateway.domain.measures import NAMES, Said, exact, flags_of, of_double, reading_of
from ingest_gateway.domain.suiden_json import MAX_READINGS
from ingest_gateway.domain.wire import Fragment, Refused, Telegram, WireReading

TYPE_LEVEL, NODE_LEVEL = 2, 3  # spBv1.0/{group}/{type}/{node}, and /{device} of those of a device
TYPES = {"NBIRTH": 4, "NDATA": 4, "DBIRTH": 5, "DDATA": 5}  # those that hold readings, and their levels
COMPRESSED = "SPBV1.0_COMPRESSED"
MAX_METRICS = 20_000
MAX_NAME_BYTES = 500
MAX_FLOAT_DIGITS = 6  # decimal digits that a 32-bit float keeps, whatever they are

# Every birth brings these: they are of the node itself and measure nothing.
BOOKKEEPING = ("bdSeq", "Node Control/", "Device Control/", "Node Info/", "Device Info/", "Properties/")

_FLOAT, _DOUBLE, _STRING, _TEXT = 9, 10, 12, 14
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}  # Int8 to Int64: two's complement in an unsigned field


@dataclass(slots=True)
class _Metric:
    """A metric, as far as we read it. `whole` is its integer, `inner` its float or text."""

    name: str | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    is_null: bool = False
    whole: int | None = None
    real: bytes | None = None
    words: str | None = None


@dataclass(slots=True)
class _Payload:
    timestamp_ms: int | None = None
    uuid: str = ""
    body: bytes | None = None
    metrics: list[_Metric] | None = None


def decode(*, topic: str, payload: bytes, utility: str, sender: str) -> Telegram:
    """Read one message: a reading for each instant that its metrics are of. The device, or else the node, is the meter.

    :raises Refused: if it is no birth or data, names no metric, or has none that we know
    """
    levels = topic.split("/")
    kind = levels[TYPE_LEVEL]
    if TYPES.get(kind) != len(levels):
        raise Refused("unknown_format", f"{kind[:20]} at level {TYPE_LEVEL + 1} of {len(levels)}: no birth and no data")
    message = _unpacked(_payload(payload))
    measured, words, other = _by_instant(message)
    if not measured and not words and (other or not kind.endswith("BIRTH")):
        raise Refused("no_register", f"no metric that we know by its name; there is {other or 'none'}"[:200])
    readings: list[WireReading] = []
    fragments: list[Fragment] = []
    for at_ms in dict.fromkeys((*measured, *words)):
        said = measured.get(at_ms, [])
        try:
            readings.append(reading_of(said, at=at_ms, meter=levels[-1], flags=words.get(at_ms)))
        except Refused as refused:
            if len(measured) == 1:
                raise
            part = ", ".join(f"{measure.slot} {number}" for measure, number in said)[:1000]
            fragments.append(Fragment(f"{at_ms}: {part}".encode(), refused.reason, refused.detail))
    return Telegram(
        topic=topic,
        payload=payload,
        utility=utility,
        sender=sender,
        readings=readings,
        fragments=tuple(fragments),
    )


def _by_instant(message: _Payload) -> tuple[dict[int, list[Said]], dict[int, list[str]], str]:
    """Give what is measured and what is flagged by instant, and the first metric that is something else."""
    measured: dict[int, list[Said]] = {}
    words: dict[int, list[str]] = {}
    other = ""
    for metric in message.metrics or ():
        name = metric.name
        if name is None:
            raise Refused("unknown_format", "a metric says its alias alone: let the node send names with its data")
        short = name.rpartition("/")[2].lower().replace(" ", "_")
        measure = NAMES.get(short)
        if name.startswith(BOOKKEEPING) or metric.is_null:
            continue
        if measure is None and short != "flags":
            other = other or name
            continue
        at_ms = message.timestamp_ms if metric.timestamp_ms is None else metric.timestamp_ms
        if at_ms is None:
            raise Refused("malformed", "neither the metric nor the payload has a timestamp")
        if measure is not None:
            is_total = measure.slot in ("register", "export_register", "total", "export_total")
            measured.setdefault(at_ms, []).append((measure, _number(metric, name=name[:80], is_total=is_total)))
        elif found := flags_of(metric.words or ""):
            words.setdefault(at_ms, []).extend(found)
        if len(measured) + len(words) > MAX_READINGS:
            raise Refused("too_large", f"metrics of more than {MAX_READINGS} instants")
    return measured, {at_ms: found[:32] for at_ms, found in words.items()}, other


def _number(metric: _Metric, *, name: str, is_total: bool) -> Decimal:
    if metric.whole is not None:
        bits = _SIGNED_BITS.get(metric.datatype)
        whole = metric.whole
        if bits is not None:
            whole &= (1 << bits) - 1
            whole -= (whole >> (bits - 1)) << bits
        return exact(Decimal(whole), name=name)
    if metric.real is not None and len(metric.real) == 8:
        return of_double(Decimal(repr(struct.unpack("<d", metric.real)[0])), name=name)
    if metric.real is not None and len(metric.real) == 4:
        return _of_float(metric.real, name=name, is_total=is_total)
    raise Refused("malformed", f"{name} is not a number")


def _of_float(real: bytes, *, name: str, is_total: bool) -> Decimal:
    """Give the shortest decimal that a 32-bit float stands for; of a total only where no digit can have been lost.

    :raises Refused: if it is not finite, or a total that has more digits than such a float keeps
    """
    value = struct.unpack("<f", real)[0]
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            if struct.pack("<f", float(text)) == real:
                break
        except OverflowError:  # rounded up beyond what a float holds: more digits are needed
            continue
    else:
        raise Refused("not_finite", f"{name} is {value}")
    if is_total and digits > MAX_FLOAT_DIGITS:
        raise Refused("unit_mismatch", f"{name} {text}: a 32-bit float does not keep {digits} digits; send a Double")
    return exact(Decimal(text), name=name)


def _unpacked(message: _Payload) -> _Payload:
    """Unpack a compressed payload: one packed twice is refused."""
    if message.uuid != COMPRESSED:
        return message
    algorithms = [metric.words for metric in message.metrics or () if metric.name == "algorithm"]
    if algorithms and algorithms[0] not in ("DEFLATE", "GZIP"):
        raise Refused("unknown_format", f"packed by {algorithms[0]}: only DEFLATE and GZIP are known")
    inner = _payload(inflate(message.body or b""))
    if inner.uuid == COMPRESSED:
        raise Refused("too_deep", "packed twice")
    return inner


def _payload(message: bytes) -> _Payload:
    payload = _Payload()
    metrics: list[_Metric] = []
    for number, value in protobuf.fields(message):
        match number, value:
            case 1, int():
                payload.timestamp_ms = value
            case 2, bytes():
                metrics.append(_metric(value))
                if len(metrics) > MAX_METRICS:
                    raise Refused("too_large", f"more than {MAX_METRICS} metrics")
            case 4, bytes():
                payload.uuid = _text(value)
            case 5, bytes():
                payload.body = value
            case _:
                pass  # the number of the message, and what later versions add
    payload.metrics = metrics
    return payload


def _metric(message: bytes) -> _Metric:
    metric = _Metric()
    for number, value in protobuf.fields(message):
        match number, value:
            case 1, bytes():
                metric.name = _text(value)
            case 3, int():
                metric.timestamp_ms = value
            case 4, int():
                metric.datatype = value
            case 7, int():
                metric.is_null = bool(value)
            case ((10 | 11), int()):
                metric.whole = value
            case ((12 | 13), bytes()):
                metric.real = value
            case 15, bytes():
                metric.words = _text(value)
            case _:
                pass  # properties, data sets and templates: no measure of ours is in them
    return metric


def _text(value: bytes) -> str:
    if len(value) > MAX_NAME_BYTES:
        raise Refused("malformed", f"a name of more than {MAX_NAME_BYTES} bytes")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Refused("malformed", "a name that is not UTF-8") from error
