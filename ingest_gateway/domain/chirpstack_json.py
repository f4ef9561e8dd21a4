"""The decoder of ChirpStack's uplink events (version 4, JSON)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec

from ingest_gateway.domain import told
from ingest_gateway.domain.measures import NAMES, Said, flags_of, reading_of
from ingest_gateway.domain.suiden_json import MAX_READINGS
from ingest_gateway.domain.wire import Fragment, Refused, Telegram, WireReading

DEVICE_LEVEL = 3  # application/{application}/device/{devEui}/event/up


def decode(*, topic: str, payload: bytes, utility: str, sender: str, zone: ZoneInfo | None) -> Telegram:
    """Read one uplink: what its device profile's codec made of it stands in `object`.

    :raises Refused: if it is no uplink, of another device than the topic, or its codec gave nothing that we know
    """
    event = told.read_object(payload)
    device = told.member(event, "deviceInfo")
    dev_eui = told.text(device, "devEui")
    if dev_eui is None or "time" not in event:
        raise Refused("unknown_format", "not an uplink event of ChirpStack 4: it needs time and deviceInfo.devEui")
    if dev_eui.lower() != topic.split("/")[DEVICE_LEVEL].lower():
        raise Refused("malformed", f"the topic is not that of the device {dev_eui[:40]}")
    measures = told.member(event, "object")
    if not measures:
        raise Refused("no_register", "no object: the device profile has no codec, or it read nothing")
    heard_at = told.instant(event["time"], name="time")
    meter = told.text(told.member(device, "tags"), "meter") or dev_eui
    readings: list[WireReading] = []
    fragments: list[Fragment] = []
    for part in _parts(measures):
        try:
            readings.append(_reading(part, meter=meter, heard_at=heard_at, zone=zone))
        except Refused as refused:
            if part is measures:
                raise
            fragments.append(Fragment(msgspec.json.encode({"readings": [part]}), refused.reason, refused.detail))
    return Telegram(
        topic=topic,
        payload=payload,
        utility=utility,
        sender=sender,
        readings=readings,
        fragments=tuple(fragments),
    )


def _parts(measures: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the reading of now, if there is one, and those of the log that a meter may send along with it."""
    if measures.get("readings") is None:
        yield measures
        return
    log = _list(measures["readings"])
    if not log or len(log) >= MAX_READINGS:
        raise Refused("malformed", f"readings is not a list of 1 to {MAX_READINGS - 1} readings")
    if any(name.lower() in NAMES for name in measures):
        yield {name: value for name, value in measures.items() if name != "readings"}
    for part in log:
        yield told.as_object(part) or {"": part}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _reading(part: Mapping[str, Any], *, meter: str, heard_at: datetime, zone: ZoneInfo | None) -> WireReading:
    at = heard_at if part.get("at") is None else told.instant(part["at"], name="at", zone=zone)
    flags = part.get("flags")
    words = flags if isinstance(flags, str) else " ".join(str(word)[:80] for word in _list(flags)[:100])
    return reading_of(_said(part), at=at, meter=meter, flags=flags_of(words))


def _said(part: Mapping[str, Any]) -> Iterator[Said]:
    for name, value in part.items():
        measure = NAMES.get(name.lower())
        if measure is None:
            continue
        number = told.double(value, name=name)  # the codec's object is carried as 64-bit floats
        if number is not None:
            yield measure, number
