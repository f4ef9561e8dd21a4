"""What the gateway remembers of meters, which windows are open, and senders' numbers taken many at a time."""

import queue
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from itertools import count as count_from
from itertools import islice
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway import preparer
from ingest_gateway.batches import Prepared, Window, Windows
from ingest_gateway.books import Books as BooksOfTheGateway
from ingest_gateway.domain import marks
from ingest_gateway.domain.columns import ABSENT, Columns
from ingest_gateway.domain.marks import Marks
from ingest_gateway.domain.meters import Meter, MeterBook, Sender
from ingest_gateway.domain.registers import KnownRegisters, Newest
from ingest_gateway.domain.sequence import Numbered, SequenceState, take
from ingest_gateway.domain.validation import Baseline, Fall
from ingest_gateway.monitor import Monitor
from ingest_gateway.mqtt.buffer import Buffer, Delivery
from ingest_gateway.settings import GatewaySettings
from ingest_gateway.shared import Shared
from kernel.clock import FixedClock
from kernel.database import Pool
from kernel.metrics import Metrics
from tests import gateway_town as town
from tests.gateway_intake import Broker, at, message


def book(*meter_ids: int) -> MeterBook:
    """Give a book of water meters M-<id>, for which C-1 speaks."""
    meters = {
        f"M-{number}": Meter(number, f"M-{number}", "water", "m3", -3, 9, frozenset([town.CONCENTRATOR]))
        for number in meter_ids
    }
    senders = {town.CONCENTRATOR: Sender(1, town.CONCENTRATOR, "concentrator")}
    return MeterBook(1, town.CODE, ZoneInfo("Asia/Tokyo"), meters, senders)


def known(of: MeterBook, stored: Mapping[int, Newest] | None = None) -> KnownRegisters:
    found = stored or {}
    return KnownRegisters(of.table, load=lambda ids: {number: found[number] for number in ids if number in found})


ids = st.lists(st.integers(1, 12), min_size=0, max_size=8, unique=True)


@settings(deadline=None)
@given(before=ids, after=ids)
def test_another_book_carries_what_is_known_to_the_same_meters(before: list[int], after: list[int]) -> None:
    first, second = book(*before), book(*after)
    memory = known(first, {number: Newest(number, number * 10, Fall(number + 1, 1, 2)) for number in before})
    memory.ensure(np.arange(len(before)))
    asked: list[int] = []
    memory._load = lambda missing: asked.extend(missing) or {}
    carried = memory.on(second.table)
    for number in after:
        expected = Baseline(number, number * 10, Fall(number + 1, 1, 2)) if number in before else None
        assert carried.of(number) == expected
    assert sorted(asked) == sorted(set(after) - set(before))


@pytest.mark.parametrize("stored_us", [100, 200, 300])
def test_doubt_never_moves_back_in_time(stored_us: int) -> None:
    memory = known(book(5), {5: Newest(stored_us, stored_us)})
    memory.advance(np.array([0]), Columns(read_at_us=np.array([200]), register=np.array([200])))
    memory.doubt()
    memory.ensure(np.array([0]))
    assert memory.of(5) == Baseline(max(200, stored_us), max(200, stored_us))
    assert int(memory.read_at_us[0]) == max(200, stored_us)


def test_meters_are_asked_for_many_at_a_time_and_each_once() -> None:
    memory = known(book(*range(1, 2_501)))
    asked: list[list[int]] = []
    memory._load = lambda missing: asked.append(missing) or {}
    for slot in (2_400, 2_400, 7, 1_500, 2_499):
        memory.ensure(np.array([slot]))
    assert len(asked) == 3
    assert 2_401 in asked[0]
    assert sorted(number for ids in asked for number in ids) == list(range(1, 2_501))


def test_a_register_that_was_not_said_stays_as_it_was_said_last_and_a_said_one_ends_a_fall() -> None:
    memory = known(book(5, 6), {5: Newest(100, 7, Fall(150, 1, 3))})
    memory.ensure(np.array([0, 1]))
    memory.advance(np.array([0, 1]), Columns(read_at_us=np.array([200, 200]), register=np.array([ABSENT, ABSENT])))
    assert (memory.of(5), memory.of(6)) == (Baseline(200, 7, Fall(150, 1, 3)), None)
    memory.advance(np.array([0]), Columns(read_at_us=np.array([300]), register=np.array([9])))
    assert memory.of(5) == Baseline(300, 9)


def test_a_fall_is_forgotten_when_a_newer_register_is_found_stored() -> None:
    stored = {5: Newest(100, 50_000, Fall(150, 1, 3))}
    memory = known(book(5), stored)
    assert memory.of(5) == Baseline(100, 50_000, Fall(150, 1, 3))
    stored[5] = Newest(200, 50_001)
    memory.doubt()
    assert memory.of(5) == Baseline(200, 50_001)


# --- senders' numbers

messages = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 8),
        st.sampled_from([None, None, "", "a", "b"]),
        st.sampled_from([None, 1, 3]),
    ),
    min_size=1,
    max_size=14,
)
standing = st.dictionaries(
    st.integers(1, 3),
    st.builds(
        SequenceState,
        through=st.integers(0, 5),
        missing=st.just(()),
        boot=st.sampled_from(["", "a"]),
        kept_from=st.integers(1, 3),
    ),
)


def marks_of(came: list[tuple[int, int, str | None, int | None]]) -> Marks:
    return Marks(
        sender_ids=[one[0] for one in came],
        numbers=[one[1] for one in came],
        boots=[one[2] for one in came],
        kept_from=[one[3] for one in came],
        brought_new=[True] * len(came),
    )


@given(came=messages, states=standing)
def test_runs_of_numbers_end_where_taking_them_one_by_one_does(
    came: list[tuple[int, int, str | None, int | None]], states: dict[int, SequenceState]
) -> None:
    runs, others = marks.runs_of(marks_of(came))
    ended: dict[int, SequenceState] = {}
    names = list(zip(runs.sender_ids.tolist(), runs.first.tolist(), runs.last.tolist(), runs.boots, strict=True))
    for (sender_id, first, last, boot), kept_from in zip(names, runs.kept_from.tolist(), strict=True):
        state = states.get(sender_id, SequenceState(boot=boot))  # as the store does: where it stood, or never heard
        if state.through == first - 1 and state.boot == boot:
            ended[sender_id] = SequenceState(last, state.missing, 0, boot, max(state.kept_from, kept_from))
    for sender_id in {one[0] for one in came}:
        mine = [one for one in came if one[0] == sender_id]
        assert (sender_id in others) != (sender_id in runs.sender_ids.tolist())
        if sender_id in others:
            assert others[sender_id].numbered() == [Numbered(one[1], one[2], one[3], True) for one in mine]
        expected = states.get(sender_id, SequenceState())
        for one in mine:
            expected = take(expected, Numbered(one[1], one[2], one[3], True))
        if sender_id in ended:
            found = ended[sender_id]
            assert (found.through, found.missing, found.boot) == (expected.through, expected.missing, expected.boot)
            assert found.kept_from == expected.kept_from


@given(messages)
def test_marks_and_falls_that_are_kept_read_back(came: list[tuple[int, int, str | None, int | None]]) -> None:
    whole = marks_of(came)
    assert marks.decode(marks.encode(whole)) == whole
    falls = {one[0]: Fall(-5, one[1], 2) for one in came}
    assert marks.decode_falls(marks.encode_falls(falls)) == falls


# --- windows, and what the preparer does between


def test_a_window_is_settled_only_when_its_commits_have_ended() -> None:
    windows, window = Windows(), Window(1, town.CODE, 10, 11)
    assert (windows.begin(window), windows.begin_another(window)) == (1, 2)
    assert windows.current(1) is window
    assert windows.close_all() == [window]
    assert windows.current(1) is None
    windows.end(window)
    assert not windows.has_ended(window, timeout_s=0.01)
    timer = threading.Timer(0.05, lambda: windows.end(window))
    timer.start()
    assert windows.has_ended(window, timeout_s=10)
    timer.join()


class Books:
    """Books that change under way."""

    def __init__(self, *books: MeterBook) -> None:
        self.books = list(books)

    def now(self) -> dict[str, MeterBook]:
        return {town.CODE: self.books[0]}

    def of(self, code: str) -> MeterBook | None:
        found = self.books[0] if code == town.CODE else None
        if len(self.books) > 1:
            self.books.pop(0)
        return found

    def later_than(self, *_: Any, **__: Any) -> MeterBook | None:
        return None


def prepared_by(books: Books, clock: Any, windows: Windows, monkeypatch: pytest.MonkeyPatch, count: int = 1) -> Any:
    """Prepare a message of meter M-3, so often, as the preparer's thread does."""
    ready: queue.Queue[Any] = queue.Queue()
    batch_ids = count_from(10)

    @contextmanager
    def nowhere(*_: Any, **__: Any) -> Any:
        yield None

    monkeypatch.setattr(preparer, "transaction", nowhere)
    monkeypatch.setattr(preparer.readings, "next_batch_ids", lambda _conn, count: list(islice(batch_ids, count)))
    monkeypatch.setattr(preparer.latest, "newest", lambda _conn, **_: {})
    buffer = Buffer(max_messages=9, max_bytes=9_999, max_age_s=9)
    shared = Shared(
        pool=cast("Pool", None),
        clock=clock,
        books=cast("BooksOfTheGateway", books),
        monitor=Monitor(Metrics()),
        settings=GatewaySettings(),
        worker="gateway-test",
        stop=threading.Event(),
        windows=windows,
        ready=ready,
    )
    one = preparer.Preparer(shared, buffer=buffer)
    for number in range(count):
        sent = message({"meter": "M-3", "at": at(number), "register": 5 + number})
        delivery = Delivery(Broker(), [1], [sent.topic.encode()], [sent.payload], 9, False, 0.0)
        one._prepare_until_done([delivery])
    return [ready.get_nowait() for _ in range(count)]


def test_a_window_that_was_closed_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, closed = Windows(), list[Window]()

    class Closing(FixedClock):
        def rate(self) -> float:
            for window in windows.close_all():  # as the settler does, which then settles it
                assert windows.has_ended(window, timeout_s=0)
                closed.append(window)
            return 1.0

    first = prepared_by(Books(book(3)), FixedClock(town.START), windows, monkeypatch)[0]
    windows.end(first.window)
    second = prepared_by(Books(book(3)), Closing(town.START), windows, monkeypatch)[0]
    assert closed == [first.window]
    assert second.window is not first.window


def test_a_reading_is_of_its_meter_whatever_book_is_read_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    books = Books(book(3, 4), book(1, 2, 3, 4))
    [first] = prepared_by(books, FixedClock(town.START), Windows(), monkeypatch)
    assert isinstance(first, Prepared)
    assert first.fresh.meter_ids.tolist() == [3]


def test_a_message_that_cannot_be_prepared_is_refused_and_keeps_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = preparer.prepare

    def failing(incoming: Any, **more: Any) -> Prepared:
        if any(b'"register": 6' in payload for payload in incoming.messages.payloads):
            raise ZeroDivisionError
        return prepare(incoming, **more)

    monkeypatch.setattr(preparer, "prepare", failing)
    windows = Windows()
    monkeypatch.setattr(preparer, "log", Silent())
    found = prepared_by(Books(book(3)), FixedClock(town.START), windows, monkeypatch, count=3)
    assert [len(one.fresh) for one in found] == [1, 0, 1]
    assert [refusal.reason for refusal in found[1].others.refusals] == ["malformed"]
    for one in found:
        windows.end(one.window)
    assert all(windows.has_ended(window, timeout_s=0) for window in windows.close_all())


class Silent:
    """A log that nobody reads."""

    def exception(self, *_: Any, **__: Any) -> None:
        """Take it."""
