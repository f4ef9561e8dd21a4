"""Live streams: who is woken by what, how often, and that the end of the server ends them."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from customer_app.live import PAST_KEPT, Hub, parse, stream
from customer_app.live_viewer import Viewer


def run_apart(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run in a thread of its own: a browser test of the same process keeps a loop in this one."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        beside.submit(lambda: asyncio.run(run())).result()


def viewer(*wants: str, utility_id: int = 1) -> Viewer:
    return Viewer(utility_id, {want: frozenset({want.split("/")[0]}) for want in wants})


def deliver(hub: Hub, *names: str) -> None:
    """Let the hub hear a notification, as its thread does, and hand over to this loop."""
    hub._loop = asyncio.get_running_loop()
    hub.notified(json.dumps(list(names)) if names else "")


async def messages(hub: Hub, one: Viewer, *, count: int, limit_s: float = 5.0) -> list[str]:
    found: list[str] = []
    async for chunk in stream(hub, one, limit_s=limit_s, least_gap_s=0.01):
        found += [line.removeprefix("event: ") for line in chunk.decode().splitlines() if line.startswith("event: ")]
        if len(found) >= count:
            break
    return found


def test_a_notification_names_what_changed() -> None:
    changes = parse('["1/ticket.changed/ticket:3", "2/bill.issued/account:9"]')
    assert changes is not None
    assert [(change.utility_id, change.topic, change.key) for change in changes] == [
        (1, "ticket.changed", "ticket:3"),
        (2, "bill.issued", "account:9"),
    ]


@pytest.mark.parametrize("payload", ["", '["*"]'])
def test_an_unclear_notification_may_mean_anything(payload: str) -> None:
    assert parse(payload) is None


def test_a_viewer_is_woken_by_its_own_keys_only() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        mine, other = viewer("bill/account:1"), viewer("bill/account:2")
        elsewhere = viewer("bill/account:1", utility_id=2)
        for one in (mine, other, elsewhere):
            hub.join(one)
        deliver(hub, "1/bill/account:1")
        await asyncio.sleep(0)
        assert mine.due == {"bill"}
        assert not other.due
        assert not elsewhere.due

    run_apart(run)


def test_a_batch_wakes_those_who_view_its_meters() -> None:
    async def run() -> None:
        hub = Hub(resolvers={"intake": lambda _utility_id, keys: ["meter:4"] if keys == ["batch:9"] else []})
        mine, other, all_of_them = viewer("intake/meter:4"), viewer("intake/meter:5"), viewer("intake/*")
        for one in (mine, other, all_of_them):
            hub.join(one)
        deliver(hub, "1/intake/batch:9")
        await asyncio.sleep(0)
        assert mine.due == {"intake"}
        assert not other.due
        assert all_of_them.due == {"intake"}

    run_apart(run)


def test_a_failing_look_up_leaves_the_other_topics_alive() -> None:
    def fail(utility_id: int, keys: list[str]) -> list[str]:
        raise OSError("the database is away")

    async def run() -> None:
        hub = Hub(resolvers={"intake": fail})
        mine = viewer("bill/account:1")
        hub.join(mine)
        deliver(hub, "1/intake/batch:9", "1/bill/account:1")
        await asyncio.sleep(0)
        assert mine.due == {"bill"}

    run_apart(run)


def test_after_a_lost_connection_every_viewer_looks_again() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        mine = viewer("bill/account:1", "ticket/point:2")
        hub.join(mine)
        deliver(hub)
        await asyncio.sleep(0)
        assert mine.due == {"bill", "ticket"}

    run_apart(run)


def test_what_changed_between_the_page_and_its_stream_is_told_at_once() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        deliver(hub, "1/ticket/point:2")
        await asyncio.sleep(0)
        mark = hub.mark()
        deliver(hub, "1/bill/account:1")
        await asyncio.sleep(0)
        mine, other = viewer("bill/account:1", "ticket/point:2"), viewer("bill/account:2")
        hub.join(mine, after=mark)
        hub.join(other, after=mark)
        assert mine.due == {"bill"}
        assert not other.due

    run_apart(run)


@pytest.mark.parametrize("mark", ["another-3", "gibberish", "{name}-0"])
def test_a_page_of_another_process_or_of_long_ago_looks_again(mark: str) -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        name = hub.mark().partition("-")[0]
        for _ in range(PAST_KEPT + 1):
            deliver(hub, "1/bill/account:9")
        await asyncio.sleep(0)
        mine = viewer("bill/account:1", "ticket/point:2")
        hub.join(mine, after=mark.format(name=name))
        assert mine.due == {"bill", "ticket"}

    run_apart(run)


def test_many_changes_at_once_become_one_message_a_topic() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        mine = viewer("bill/account:1", "ticket/point:2")
        reading = asyncio.create_task(messages(hub, mine, count=3))
        await asyncio.sleep(0)
        for _ in range(50):
            deliver(hub, "1/bill/account:1", "1/ticket/point:2")
        assert await reading == ["ready", "live-bill", "live-ticket"]

    run_apart(run)


def test_the_servers_end_ends_the_stream_at_once() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        reading = asyncio.create_task(messages(hub, viewer("bill/account:1"), count=99, limit_s=60))
        await asyncio.sleep(0.01)
        assert hub.viewers == 1
        hub.close_streams()
        assert await asyncio.wait_for(reading, timeout=1) == ["ready"]
        assert hub.viewers == 0

    run_apart(run)


def test_a_stream_ends_by_itself_so_that_rights_are_checked_again() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        found = messages(hub, viewer("bill/account:1"), count=99, limit_s=0.05)
        assert await asyncio.wait_for(found, timeout=1) == ["ready"]

    run_apart(run)


def test_a_stream_at_its_limit_names_a_mark_after_which_nothing_is_told_twice() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        deliver(hub, "1/bill/account:1")
        await asyncio.sleep(0)
        chunks = [chunk async for chunk in stream(hub, viewer("bill/account:1"), limit_s=0.05, least_gap_s=0.01)]
        mark = chunks[-1].decode().removeprefix("id: ").strip()
        assert mark == hub.mark()
        again = viewer("bill/account:1")
        hub.join(again, after=mark)
        assert not again.due
        deliver(hub, "1/bill/account:1")
        await asyncio.sleep(0)
        assert again.due == {"bill"}

    run_apart(run)


def test_a_stream_that_ends_before_all_was_told_names_no_mark() -> None:
    async def run() -> None:
        hub, one = Hub(resolvers={}), viewer("bill/account:1")
        chunks = stream(hub, one, limit_s=0.2, least_gap_s=60)
        await anext(chunks)
        one.wake({"bill"})
        assert b"live-bill" in await anext(chunks)
        one.wake({"bill"})  # within the gap
        assert [chunk async for chunk in chunks] == []

    run_apart(run)


def test_a_thousand_viewers_are_woken_together() -> None:
    async def run() -> None:
        hub = Hub(resolvers={})
        reading = [asyncio.create_task(messages(hub, viewer("bill/account:1"), count=2)) for _ in range(1000)]
        await asyncio.sleep(0.05)
        assert hub.viewers == 1000
        deliver(hub, "1/bill/account:1")
        assert await asyncio.wait_for(asyncio.gather(*reading), timeout=5) == [["ready", "live-bill"]] * 1000

    run_apart(run)
