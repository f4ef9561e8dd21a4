"""The table of decoders: which topic is read how. A new format is one decoder and one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ingest_gateway.domain import (
    chirpstack_json,
    concentrator_csv,
    shelly_rpc,
    sparkplug_b,
    suiden_cbor,
    suiden_json,
    tasmota_sml,
    wmbus_json,
)
from ingest_gateway.domain import kept as kept_parts
from ingest_gateway.domain.wire import Refused, Telegram

MAX_TOPIC_CHARACTERS = 500
NAMED_IN_TOPIC = "+"


@dataclass(frozen=True, slots=True)
class Bridge:
    """For whom and as which sender speaks a source whose topics name neither.

    The sender `+` is the device that the topic names. `zone` holds for times that name none.
    """

    utility: str = ""
    sender: str = ""
    zone: ZoneInfo | None = None


Bridges = Mapping[str, Bridge]  # by the name of the format

DEFAULT_BRIDGES: Bridges = {"wmbusmeters": Bridge(utility="hinode", sender="wmbus-bridge")}

# Reads a payload; raises Refused with the reason if it cannot.
Decode = Callable[[str, bytes, str, str, ZoneInfo | None], Telegram]  # topic, payload, utility, sender, zone
Speaker = tuple[str, str, ZoneInfo | None]  # the utility, the sender, and the zone of times that name none


@dataclass(frozen=True, slots=True)
class Format:
    """One format: what to subscribe to, how to tell it by its topic, how to read it.

    `device_level` is the level of the topic that names the device, of a format that needs a bridge to say who speaks.
    """

    name: str
    subscriptions: tuple[str, ...]
    owns: Callable[[list[str]], bool]
    decode: Decode
    device_level: int | None = None

    def speaker(self, levels: list[str], bridges: Bridges) -> Speaker | None:
        """Tell who speaks: the topic does, or the bridge; None where neither is set."""
        bridge = bridges.get(self.name)
        if self.device_level is None:
            return levels[2], levels[3], None if bridge is None else bridge.zone
        if bridge is None:
            return None
        named = bridge.sender == NAMED_IN_TOPIC
        return bridge.utility, levels[self.device_level] if named else bridge.sender, bridge.zone


def _is_up(levels: list[str], *kind: str) -> bool:
    return levels[:2] == ["suiden", "v1"] and len(levels) >= 5 and levels[4:] == ["up", *kind]


# Ordered by how much comes in; the first that owns a topic reads it.
FORMATS = (
    Format(
        name="suiden-json",
        subscriptions=("suiden/+/+/+/up",),
        owns=lambda levels: len(levels) == 5 and levels[4] == "up" and levels[1] == "v1" and levels[0] == "suiden",
        decode=lambda topic, payload, utility, sender, _: suiden_json.decode(
            topic=topic, payload=payload, utility=utility, sender=sender
        ),
    ),
    Format(
        name="suiden-cbor",
        subscriptions=("suiden/+/+/+/up/cbor",),
        owns=lambda levels: _is_up(levels, "cbor"),
        decode=lambda topic, payload, utility, sender, _: suiden_cbor.decode(
            topic=topic, payload=payload, utility=utility, sender=sender
        ),
    ),
    Format(
        name="csv",
        subscriptions=("suiden/+/+/+/up/csv/#",),  # a concentrator that adds levels of its own may do so
        owns=lambda levels: _is_up(levels[:6], "csv"),
        decode=lambda topic, payload, utility, sender, zone: concentrator_csv.decode(
            topic=topic, payload=payload, utility=utility, sender=sender, zone=zone
        ),
    ),
    Format(
        name="wmbusmeters",
        subscriptions=("wmbusmeters/#",),
        owns=lambda levels: levels[0] == "wmbusmeters" and len(levels) > 1,
        decode=lambda topic, payload, utility, sender, _: wmbus_json.decode(
            topic=topic, payload=payload, utility=utility, sender=sender
        ),
        device_level=1,
    ),
    Format(
        name="chirpstack",
        subscriptions=("application/+/device/+/event/up",),
        owns=lambda levels: (
            len(levels) == 6 and levels[0] == "application" and levels[2] == "device" and levels[4:] == ["event", "up"]
        ),
        decode=lambda topic, payload, utility, sender, zone: chirpstack_json.decode(
            topic=topic, payload=payload, utility=utility, sender=sender, zone=zone
        ),
        device_level=chirpstack_json.DEVICE_LEVEL,
    ),
    Format(
        name="sparkplug",
        subscriptions=tuple(f"spBv1.0/+/{kind}/+" + "/+" * (levels - 4) for kind, levels in sparkplug_b.TYPES.items()),
        owns=lambda levels: levels[0] == "spBv1.0" and len(levels) >= 4,
        decode=lambda topic, payload, utility, sender, _: sparkplug_b.decode(
            topic=topic, payload=payload, utility=utility, sender=sender
        ),
        device_level=sparkplug_b.NODE_LEVEL,
    ),
    Format(
        name="tasmota",
        subscriptions=("tele/+/SENSOR",),
        owns=lambda levels: len(levels) == 3 and levels[0] == "tele" and levels[2] == "SENSOR",
        decode=lambda topic, payload, utility, sender, zone: tasmota_sml.decode(
            topic=topic, payload=payload, utility=utility, sender=sender, zone=zone
        ),
        device_level=tasmota_sml.DEVICE_LEVEL,
    ),
    Format(
        name="shelly",
        subscriptions=("+/events/rpc",),
        owns=lambda levels: len(levels) == 3 and levels[1:] == ["events", "rpc"],
        decode=lambda topic, payload, utility, sender, _: shelly_rpc.decode(
            topic=topic, payload=payload, utility=utility, sender=sender
        ),
        device_level=0,
    ),
)


def is_suiden_json(topic: str) -> bool:
    """Tell whether a topic is one of suiden JSON, whose messages can be read many at a time."""
    return FORMATS[0].owns(topic.split("/"))


def subscriptions(bridges: Bridges) -> tuple[str, ...]:
    """List the topics to subscribe to: of the formats that name their sender, and of those that a bridge is set for."""
    used = [known for known in FORMATS if known.device_level is None or known.name in bridges]
    return tuple(topic for known in used for topic in known.subscriptions)


def decode(*, topic: str, payload: bytes, bridges: Bridges, max_bytes: int) -> Telegram:
    """Read a message by the format that owns its topic.

    :raises Refused: if no format does, or it cannot be read
    """
    if len(topic) > MAX_TOPIC_CHARACTERS:
        raise Refused("unknown_topic", f"the topic is longer than {MAX_TOPIC_CHARACTERS} characters")
    levels = topic.split("/")
    for known in FORMATS:
        if known.owns(levels):
            speaker = known.speaker(levels, bridges)
            if speaker is None:
                raise Refused("unknown_topic", f"no bridge is set for {known.name}: see SUIDEN_GATEWAY_BRIDGES")
            if len(payload) > max_bytes:
                raise Refused("too_large", f"{len(payload)} bytes; at most {max_bytes} are read")
            return known.decode(topic, payload, *speaker)
    if levels[0] == "suiden" and len(levels) >= 5 and levels[4] == "up":
        form = "/".join([levels[1], *levels[4:]])[:40]
        raise Refused("unknown_format", f"no decoder for suiden messages of the kind {form!r}")
    raise Refused("unknown_topic", "no decoder knows this topic")


def decode_kept(*, topic: str, payload: bytes, bridges: Bridges) -> Telegram:
    """Read a message that was refused and kept: as it came, or the part of it that was refused.

    :raises Refused: if it still cannot be read
    """
    levels = topic.split("/")
    known = next((known for known in FORMATS if known.owns(levels)), None)
    speaker = None if known is None else known.speaker(levels, bridges)
    if known is None or speaker is None or known.name == "suiden-json" or not kept_parts.is_part(payload):
        return decode(topic=topic, payload=payload, bridges=bridges, max_bytes=len(payload))
    return kept_parts.decode(topic=topic, payload=payload, utility=speaker[0], sender=speaker[1])


def utility_of_topic(topic: str, *, bridges: Bridges) -> str | None:
    """Tell which utility a topic names, to keep with what is refused."""
    levels = topic.split("/")
    for known in FORMATS:
        if known.owns(levels):
            speaker = known.speaker(levels, bridges)
            return None if speaker is None else speaker[0]
    return levels[2] if levels[0] == "suiden" and len(levels) >= 5 else None
