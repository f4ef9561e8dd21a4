"""Newest readings sent to pages: one look for all, each change written once, only to who watches."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from customer_app.live import Hub, stream
from customer_app.live_readings import ReadingFeed
from customer_app.live_viewer import ShownMeter, Viewer
from ingest_gateway.queries import NewestReading
from tests.unit.customer_app.test_live import run_apart

AT = datetime(2026, 6, 1, tzinfo=UTC)


class Meters:
    """What the store would say, and how often it was asked."""

    def __init__(self, count: int) -> None:
        self.readings = {number: NewestReading(number, AT, 100, 1.0) for number in range(1, count + 1)}
        self.asked: list[list[int]] = []
        self.written = 0
        self.is_away = False
        self.unwritable = 0

    def count_on(self, meter_id: int) -> None:
        before = self.readings[meter_id]
        self.readings[meter_id] = NewestReading(meter_id, before.read_at + timedelta(seconds=1), 101, 2.0)

    def read(self, utility_id: int, meter_ids: Sequence[int]) -> Iterable[NewestReading]:
        assert utility_id == 1
        if self.is_away:
            raise OSError("the database is away")
        self.asked.append(sorted(meter_ids))
        return [self.readings[meter_id] for meter_id in meter_ids if meter_id in self.readings]

    def write(self, reading: NewestReading, meter: ShownMeter, locale: str) -> bytes:
        self.written += 1
        if reading.meter_id == self.unwritable:
            raise ValueError("no words for it")
        assert reading.meter_id == meter.meter_id
        return f"{locale} {meter.meter_id} {reading.read_at:%S}".encode()


def viewer(*meter_ids: int, locale: str = "en") -> Viewer:
    zone = ZoneInfo("Asia/Tokyo")
    return Viewer(
        1,
        {},
        meters={number: ShownMeter(number, f"W{number}", "water", "m3", -3, zone) for number in meter_ids},
        locale=locale,
    )


def feed_of(meters: Meters, *viewers: Viewer, look_gap_s: float = 0.01) -> ReadingFeed:
    feed = ReadingFeed(read=meters.read, write=meters.write, look_gap_s=look_gap_s)
    for one in viewers:
        feed.join(one)
    return feed


def taken(one: Viewer) -> list[bytes]:
    found = list(one.messages.values())
    one.messages.clear()
    return found


def test_the_store_is_asked_once_for_all_who_watch() -> None:
    async def run() -> None:
        meters = Meters(50)
        feed = feed_of(meters, *(viewer(number) for number in range(1, 51)))
        await feed.look()
        assert meters.asked == [list(range(1, 51))]

    run_apart(run)


def test_nobody_watches_and_the_store_is_left_alone() -> None:
    async def run() -> None:
        meters = Meters(1)
        one = viewer(1)
        feed = feed_of(meters, one)
        feed.leave(one)
        await feed.look()
        assert meters.asked == []

    run_apart(run)


def test_only_those_who_watch_a_meter_are_sent_what_it_said() -> None:
    async def run() -> None:
        meters, mine, other = Meters(2), viewer(1), viewer(2)
        feed = feed_of(meters, mine, other)
        await feed.look()
        assert (taken(mine), taken(other)) == ([b"en 1 00"], [b"en 2 00"])  # what its page may lack
        meters.count_on(1)
        await feed.look()
        assert (taken(mine), taken(other)) == ([b"en 1 01"], [])
        await feed.look()
        assert (taken(mine), taken(other)) == ([], [])

    run_apart(run)


def test_a_reading_is_written_once_a_language() -> None:
    async def run() -> None:
        meters = Meters(1)
        family = [viewer(1), viewer(1), viewer(1, locale="ja")]
        feed = feed_of(meters, *family)
        await feed.look()
        assert [taken(one) for one in family] == [[b"en 1 00"], [b"en 1 00"], [b"ja 1 00"]]
        assert meters.written == 2

    run_apart(run)


def test_who_comes_later_is_sent_what_the_others_have() -> None:
    async def run() -> None:
        meters, first, second = Meters(1), viewer(1), viewer(1)
        feed = feed_of(meters, first)
        await feed.look()
        taken(first)
        feed.join(second)
        await feed.look()
        assert (taken(first), taken(second)) == ([], [b"en 1 00"])

    run_apart(run)


def test_a_reading_that_cannot_be_written_keeps_none_of_the_others_back() -> None:
    async def run() -> None:
        meters, ill, well = Meters(2), viewer(1), viewer(2)
        meters.unwritable = 1
        feed = feed_of(meters, ill, well)
        await feed.look()
        assert (taken(ill), taken(well)) == ([], [b"en 2 00"])

    run_apart(run)


def test_a_slow_page_is_sent_the_newest_reading_only() -> None:
    async def run() -> None:
        meters, one = Meters(1), viewer(1)
        feed = feed_of(meters, one)
        for _ in range(3):
            await feed.look()
            meters.count_on(1)
        await feed.look()
        assert taken(one) == [b"en 1 03"]

    run_apart(run)


def test_after_the_store_was_away_the_page_catches_up_by_itself() -> None:
    async def run() -> None:
        meters, one = Meters(1), viewer(1)
        meters.is_away = True
        feed = feed_of(meters, one)
        feed.start()
        await asyncio.sleep(0.05)
        meters.is_away = False
        await asyncio.wait_for(one.woken.wait(), timeout=5)
        assert taken(one) == [b"en 1 00"]
        feed.stop()

    run_apart(run)


def test_a_stream_sends_readings_without_waiting_for_the_gap_between_names() -> None:
    async def run() -> None:
        meters, one = Meters(1), viewer(1)
        feed = ReadingFeed(read=meters.read, write=meters.write, look_gap_s=0.01)
        hub = Hub(resolvers={}, readings=feed)
        feed.start()
        found: list[bytes] = []

        async def watch() -> None:
            async for chunk in stream(hub, one, limit_s=60, least_gap_s=60):
                found.append(chunk)
                if len(found) >= 2:
                    one.wake({"use"})
                if len(found) == 5:
                    return
                meters.count_on(1)
                feed.stored()

        await asyncio.wait_for(watch(), timeout=5)
        feed.stop()
        assert [b"live-use" in chunk for chunk in found] == [False, False, True, False, False]
        assert [chunk[:4] for chunk in found[3:]] == [b"en 1", b"en 1"]

    run_apart(run)
