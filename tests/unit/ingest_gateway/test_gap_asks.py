"""Asking for backfill: bounded in all and for each sender, ever more patient, about stretches that a meter can have."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest_gateway.domain.gaps import MOST_READINGS, PROBES, AskLimits, Candidate, OpenGap, ask_for, choose

AT = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITS = AskLimits.at_rate(1.0, grace_s=900, kept_days=40, most_open=10, most_open_per_sender=3)


def gap(after_h: float, before_h: float | None, *, asks: int = 0) -> OpenGap:
    """Make a gap by hours before now."""
    return OpenGap(1, AT - HOUR * after_h, None if before_h is None else AT - HOUR * before_h, asks)


@given(
    senders=st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=60),
    is_open=st.dictionaries(st.integers(1, 6), st.integers(0, 4), max_size=6),
)
def test_never_more_is_asked_than_the_limits_allow(senders: list[tuple[int, bool]], is_open: dict[int, int]) -> None:
    candidates = [Candidate(n, 3600, sender, heard) for n, (sender, heard) in enumerate(senders)]
    chosen = choose(candidates, open_by_sender=is_open, limits=LIMITS)
    assert len(chosen) <= max(0, LIMITS.most_open - sum(is_open.values()))
    for sender, count in Counter(one.sender_id for one in chosen).items():
        assert count + is_open.get(sender, 0) <= LIMITS.most_open_per_sender
    for one in chosen:
        before = sum(other.sender_id == one.sender_id for other in chosen[: chosen.index(one)])
        assert one.sender_is_heard or before + is_open.get(one.sender_id, 0) < PROBES


def test_one_dead_sender_does_not_keep_the_others_waiting() -> None:
    candidates = [Candidate(n, 3600, 1, sender_is_heard=False) for n in range(50)]
    candidates.append(Candidate(99, 3600, 2, sender_is_heard=True))
    assert [one.meter_id for one in choose(candidates, open_by_sender={}, limits=LIMITS)] == [0, 99]


def test_the_wait_doubles_up_to_a_day() -> None:
    assert [LIMITS.wait(asks) / HOUR for asks in range(1, 8)] == [1, 2, 4, 8, 16, 24, 24]
    assert LIMITS.wait(10_000) == LIMITS.longest_wait


def test_in_a_time_lapse_what_is_on_its_way_is_waited_for_by_the_wall() -> None:
    fast = AskLimits.at_rate(4_320, grace_s=900, kept_days=40, most_open=10, most_open_per_sender=3)
    assert fast.grace == timedelta(days=3)
    assert fast.lasts >= fast.grace


def test_gaps_near_each_other_are_asked_for_together() -> None:
    ask = ask_for([gap(50, 45), gap(40, 38), gap(3, 1)], interval_s=3600, limits=LIMITS, at=AT)
    assert ask is not None
    assert len(ask.gaps) == 2, "the third is more than a day's readings away"
    assert (ask.from_at, ask.to_at) == (AT - HOUR * 49.5, AT - HOUR * 38.5)


def test_a_silent_meter_is_asked_for_all_until_now() -> None:
    ask = ask_for([gap(7, None)], interval_s=3600, limits=LIMITS, at=AT)
    assert ask is not None
    assert (ask.from_at, ask.to_at) == (AT - HOUR * 6.5, AT)


def test_a_meter_is_not_asked_for_what_it_no_longer_keeps() -> None:
    assert ask_for([gap(60 * 24, 50 * 24)], interval_s=3600, limits=LIMITS, at=AT) is None
    ask = ask_for([gap(60 * 24, 39 * 24)], interval_s=3600, limits=LIMITS, at=AT)
    assert ask is not None
    assert ask.from_at == AT - LIMITS.kept


@given(
    edges=st.lists(st.integers(0, 40 * 96), min_size=2, max_size=20, unique=True).map(sorted),
    interval_s=st.sampled_from([60, 900, 3600, 86_400]),
)
def test_an_ask_is_bounded_and_begins_with_the_oldest_gap(edges: list[int], interval_s: int) -> None:
    starts = AT - timedelta(days=40)
    quarter = timedelta(minutes=15)
    gaps = [
        OpenGap(1, starts + quarter * after, starts + quarter * before, 0)
        for after, before in zip(edges[::2], edges[1::2], strict=False)
    ]
    ask = ask_for(gaps, interval_s=interval_s, limits=LIMITS, at=AT)
    assert ask is not None
    assert ask.gaps == tuple(gaps[: len(ask.gaps)])
    assert timedelta() <= ask.to_at - ask.from_at <= MOST_READINGS * timedelta(seconds=interval_s)
    assert ask.to_at <= AT
