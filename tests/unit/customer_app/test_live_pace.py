"""The pace at which pages are told to ask again: who is told when, and how often."""

import asyncio
import itertools

from customer_app.live_pace import Pace
from customer_app.live_viewer import Viewer
from tests.unit.customer_app.test_live import run_apart


def viewers(count: int) -> list[Viewer]:
    return [Viewer(1, {}) for _ in range(count)]


def test_a_single_viewer_is_told_at_once() -> None:
    async def run() -> None:
        (one,) = viewers(1)
        Pace(per_s=1).tell(one, {"use"})
        assert one.due == {"use"}

    run_apart(run)


def test_many_viewers_are_told_in_the_order_of_their_coming_so_many_a_second() -> None:
    async def run() -> None:
        pace, all_of_them = Pace(per_s=50), viewers(10)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for one in all_of_them:
            pace.tell(one, {"use"})
        told_s: list[float] = []
        for one in all_of_them:
            await asyncio.wait_for(one.woken.wait(), timeout=5)
            told_s.append(loop.time())
        assert all(earlier <= later for earlier, later in itertools.pairwise(told_s))
        assert told_s[-1] - began_s >= 9 / 50 * 0.9  # the first is told at once

    run_apart(run)


def test_who_waits_is_told_once_however_often_it_changed() -> None:
    async def run() -> None:
        pace, (first, second) = Pace(per_s=100), viewers(2)
        for _ in range(20):
            pace.tell(first, {"use"})
            pace.tell(second, {"use"})
        await second.woken.wait()
        first.due.clear()
        second.due.clear()
        await asyncio.sleep(0.1)
        assert (first.due, second.due) == ({"use"}, set())  # the first was told, and changed after that

    run_apart(run)


def test_what_changes_while_it_is_held_back_is_told_again_once_that_is_made_too() -> None:
    async def run() -> None:
        pace, (one,) = Pace(per_s=1000, delay_s=0.1), viewers(1)
        pace.tell(one, {"use"})
        await asyncio.sleep(0.05)
        assert not one.due
        pace.tell(one, {"use"})
        for _ in range(2):
            await asyncio.wait_for(one.woken.wait(), timeout=2)
            assert one.due == {"use"}
            one.due.clear()
            one.woken.clear()
        await asyncio.sleep(0.2)
        assert not one.due

    run_apart(run)


def test_who_has_left_is_not_told() -> None:
    async def run() -> None:
        pace, (first, second) = Pace(per_s=100), viewers(2)
        pace.tell(first, {"use"})
        pace.tell(second, {"use"})
        pace.forget(second)
        await asyncio.sleep(0.05)
        assert not second.due

    run_apart(run)
