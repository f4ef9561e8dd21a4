"""The table of decoders: which topic is read how. A new format is one decoder and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ingest_gateway.domain import suiden_json, wmbus_json
from ingest_gateway.domain.wire import Refused, Telegram

MAX_TOPIC_CHARACTERS = 500


class Decode(Protocol):
    """Reads a payload; raises Refused with the reason if it cannot."""

    def __call__(self, *, topic: str, payload: bytes, utility: str, sender: str) -> Telegram: ...


@dataclass(frozen=True, slots=True)
class Bridge:
    """For whom and as which sender speaks a source whose topics name neither."""

    utility: str
    sender: str


@dataclass(frozen=True, slots=True)
class Format:
    """One format: what to subscribe to, how to tell it by its topic, who speaks, how to read it."""

    name: str
    subscription: str
    owns: Callable[[list[str]], bool]
    speaker: Callable[[list[str], Bridge], Bridge]
    decode: Decode


FORMATS = (
    Format(
        name="suiden JSON 1",
        subscription="suiden/+/+/+/up",
        owns=lambda levels: len(levels) == 5 and levels[:2] == ["suiden", "v1"] and levels[4] == "up",
        speaker=lambda levels, _: Bridge(utility=levels[2], sender=levels[3]),
        decode=suiden_json.decode,
    ),
    Format(
        name="wmbusmeters JSON",
        subscription="wmbusmeters/#",
        owns=lambda levels: levels[0] == "wmbusmeters",
        speaker=lambda _, bridge: bridge,
        decode=wmbus_json.decode,
    ),
)

SUBSCRIPTIONS = tuple(known.subscription for known in FORMATS)


def decode(*, topic: str, payload: bytes, wmbus: Bridge, max_bytes: int) -> Telegram:
    """Read a message by the format that owns its topic.

    :raises Refused: if no format does, or it cannot be read
    """
    if len(topic) > MAX_TOPIC_CHARACTERS:
        raise Refused("unknown_topic", f"the topic is longer than {MAX_TOPIC_CHARACTERS} characters")
    levels = topic.split("/")
    for known in FORMATS:
        if known.owns(levels):
            if len(payload) > max_bytes:
                raise Refused("too_large", f"{len(payload)} bytes; at most {max_bytes} are read")
            speaker = known.speaker(levels, wmbus)
            return known.decode(topic=topic, payload=payload, utility=speaker.utility, sender=speaker.sender)
    if levels[0] == "suiden" and len(levels) == 5 and levels[4] == "up":
        raise Refused("unknown_format", f"no decoder for version {levels[1][:20]!r} of suiden messages")
    raise Refused("unknown_topic", "no decoder knows this topic")


def utility_of_topic(topic: str, *, wmbus: Bridge) -> str | None:
    """Tell which utility a topic names, to keep with what is refused."""
    levels = topic.split("/")
    for known in FORMATS:
        if known.owns(levels):
            return known.speaker(levels, wmbus).utility
    return levels[2] if levels[0] == "suiden" and len(levels) == 5 else None
