"""Orders: increasing ids, expiry, actuators; and what the senders say."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulators import faults
from simulators.speakers import Speakers
from simulators.town import Town
from simulators.wire import Order, instant, rfc3339
from simulators.world import KEPT_HOURS, World

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def speakers(little: Town, world: World) -> Speakers:
    return Speakers(little, world, boot="a")


def sender_of(speakers: Speakers, serial: str) -> str:
    return next(name for name, speaker in speakers.by_name.items() if serial in speaker.sender.serials)


def obey(speakers: Speakers, command: str, *, serial: str = "W-0001", order_id: int = 5, hours: int = 1,
         args: dict[str, Any] | None = None) -> dict[str, Any]:  # fmt: skip
    name = sender_of(speakers, serial)
    order = Order(order_id, serial, command, NOW + timedelta(hours=hours), args or {})
    speakers.obey(name, order, now=NOW)
    return json.loads(list(speakers.by_name[name].outbox.kept.values())[-1])["answers"][0]


def test_an_order_is_done_and_answered_at_once(speakers: Speakers, world: World) -> None:
    answer = obey(speakers, "valve.close")
    assert (answer["id"], answer["state"], answer["at"]) == (5, "done", "2026-04-01T00:00:00Z")
    assert world.state.supply == {"W-0001": "off"}


def test_an_order_repeated_is_done_again_and_an_earlier_one_is_not(speakers: Speakers, world: World) -> None:
    obey(speakers, "valve.close", order_id=7)
    assert obey(speakers, "valve.close", order_id=7)["state"] == "done"
    assert obey(speakers, "valve.open", order_id=6)["state"] == "failed"
    assert world.state.supply == {"W-0001": "off"}
    assert obey(speakers, "valve.open", order_id=8)["state"] == "done"
    assert world.state.supply == {}


@pytest.mark.parametrize(("command", "serial", "hours"), [
    ("valve.close", "W-0001", -1), ("relay.open", "W-0001", 1), ("valve.close", "E-0001", 1), ("dance", "W-0001", 1),
])  # fmt: skip
def test_what_cannot_be_done_is_answered_failed(
    speakers: Speakers, world: World, command: str, serial: str, hours: int
) -> None:
    assert obey(speakers, command, serial=serial, hours=hours)["state"] == "failed"
    assert world.state.supply == {}


def test_a_meter_without_a_valve_cannot_close_it(speakers: Speakers, world: World) -> None:
    serial = next(m.serial for m in world.meters if m.kind == "water" and not m.has_actuator)
    assert obey(speakers, "valve.close", serial=serial)["state"] == "failed"


def test_a_backfill_says_again_what_the_meter_showed(speakers: Speakers, world: World) -> None:
    reads = [world.step(by_itself=False) for _ in range(30)]
    since = datetime.fromtimestamp(reads[4].hour * 3600, UTC).isoformat()
    assert obey(speakers, "backfill", args={"from": since})["state"] == "done"
    kept = speakers.by_name[sender_of(speakers, "W-0001")].outbox.kept.values()
    registers = [reading["register"] for body in kept for reading in json.loads(body)["readings"]]
    assert registers == [int(read.register[world.column("W-0001")]) for read in reads[4:]]


def test_a_backfill_keeps_to_its_bounds_by_the_meter_s_own_clock(speakers: Speakers, world: World) -> None:
    reads = [world.step(by_itself=False) for _ in range(30)]
    ahead = next(at for at, by_s in enumerate(speakers._clock_offset_s) if by_s > 60)
    serial, by_s = world.serials[ahead], speakers._clock_offset_s[ahead]
    half = 1800  # asked for as the gateway does: half an interval inside what it has
    asked = {"from": rfc3339(reads[3].hour * 3600 + by_s + half), "to": rfc3339(reads[8].hour * 3600 + by_s - half)}
    answer = obey(speakers, "backfill", serial=serial, args=asked)
    assert (answer["state"], answer["detail"]) == ("done", "4 readings")
    kept = speakers.by_name[sender_of(speakers, serial)].outbox.kept.values()
    said = [reading for body in kept for reading in json.loads(body)["readings"]]
    assert [reading["register"] for reading in said] == [int(read.register[ahead]) for read in reads[4:8]]


def test_what_no_meter_remembers_is_not_said_to_be_done(speakers: Speakers, world: World) -> None:
    long_ago = (world.state.hour - KEPT_HOURS - 100) * 3600
    asked = {"from": rfc3339(long_ago), "to": rfc3339(long_ago + 7200)}
    assert obey(speakers, "backfill", args=asked)["state"] == "failed"


def test_what_fell_out_of_a_full_outbox_is_said_again_for_a_backfill(
    speakers: Speakers, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.wire.MOST_KEPT", 3)
    reads = []
    for _ in range(20):  # nobody acknowledges
        reads.append(world.step(by_itself=False))
        speakers.hear(reads[-1])
        speakers.speak(now_s=world.state.hour * 3600 + 3600)
    outbox = speakers.by_name[sender_of(speakers, "W-0001")].outbox
    assert outbox.dropped > 0
    assert json.loads(list(outbox.kept.values())[-1])["oldest"] > 1
    outbox.kept.clear()
    monkeypatch.setattr("simulators.wire.MOST_KEPT", 1000)
    asked = {"from": rfc3339(reads[0].hour * 3600), "to": rfc3339(reads[-1].hour * 3600)}
    assert obey(speakers, "backfill", args=asked)["detail"] == "20 readings"
    said = [json.loads(body)["readings"] for body in outbox.kept.values()]
    hours = {int(instant(reading["at"]).timestamp()) // 3600 for readings in said for reading in readings}
    assert hours == {read.hour for read in reads}


def test_what_a_mute_sender_says_is_lost_for_good_until_it_is_asked_for(speakers: Speakers, world: World) -> None:
    name = sender_of(speakers, "W-0001")
    outbox = speakers.by_name[name].outbox
    world.break_down(faults.ordered({"fault": "mute", "place": "W-0001", "size": 5}, known=world.known,
                                    hour=world.state.hour))  # fmt: skip
    reads = []
    for _ in range(8):
        reads.append(world.step(by_itself=False))
        speakers.hear(reads[-1])
        speakers.speak(now_s=world.state.hour * 3600 + 3600)
    assert world.state.faults == [], "it is heard again by itself"
    assert outbox.dropped > 0
    kept = [json.loads(body) for body in outbox.kept.values()]
    assert kept[0]["oldest"] == kept[0]["seq"] > 1
    asked = {"from": rfc3339(reads[0].hour * 3600), "to": rfc3339(reads[3].hour * 3600)}
    assert obey(speakers, "backfill", args=asked)["detail"] == "4 readings"


def test_every_meter_is_heard_once_for_every_hour(speakers: Speakers, world: World) -> None:
    for _ in range(6):
        speakers.hear(world.step(by_itself=False))
        speakers.speak(now_s=world.state.hour * 3600 + 3600)
    speakers.saved()
    said: dict[str, int] = {}
    for speaker in speakers.by_name.values():
        for body in speaker.outbox.kept.values():
            for reading in json.loads(body)["readings"]:
                serial = reading.get("meter", speaker.sender.name)
                said[serial] = said.get(serial, 0) + 1
    assert said == dict.fromkeys(world.serials, 6)


def test_few_clocks_are_wrong_and_none_by_more_than_five_minutes(speakers: Speakers) -> None:
    offsets = speakers._clock_offset_s
    wrong = [by for by in offsets if by]
    assert 0 < len(wrong) < 0.1 * len(offsets)
    assert max(abs(by) for by in wrong) <= 300
