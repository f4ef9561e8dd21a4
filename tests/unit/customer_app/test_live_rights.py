"""Streams end once their grounds are gone, and only those."""

from collections.abc import Sequence

from customer_app.live import Hub, stream
from customer_app.live_rights import StandingWatch
from customer_app.live_viewer import Standing, Viewer
from tests.unit.customer_app.test_live import run_apart


def standing(token: str) -> Standing:
    return Standing(token, frozenset({"use.view_own"}), 7, frozenset({1}))


def test_only_streams_whose_grounds_are_gone_end() -> None:
    def check(utility_id: int, standings: Sequence[Standing]) -> list[Standing]:
        assert utility_id == 1
        return [one for one in standings if one.token == "gone"]

    async def run() -> None:
        good, gone, second = (Viewer(1, {}, standing=standing(token)) for token in ("good", "gone", "gone"))
        await StandingWatch(check=check, every_s=60).look([good, gone, second])
        assert [one.is_ended for one in (good, gone, second)] == [False, True, True]

    run_apart(run)


def test_a_stream_that_is_ended_sends_nothing_more() -> None:
    async def run() -> None:
        hub, one = Hub(resolvers={}), Viewer(1, {"bill/account:1": frozenset({"bill"})}, standing=standing("gone"))
        chunks = stream(hub, one, limit_s=60)
        assert b"ready" in await anext(chunks)
        one.wake({"bill"})
        one.send(1, b"data: a reading\n\n")
        one.end()
        assert [chunk async for chunk in chunks] == []
        assert hub.viewers == 0

    run_apart(run)
