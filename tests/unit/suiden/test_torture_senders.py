"""Senders that keep what is not acknowledged, and the order of faults."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from suiden.torture.faults import KINDS
from suiden.torture.ingest import order_of_faults
from suiden.torture.senders import WINDOW, Sender

HOUR_US = 3_600_000_000


def sender() -> Sender:
    return Sender(utility="torture", name="C-1", password="", serials=("W-1", "E-1"), seed="1", loss=0.0, trusts=False)


def ack(one: Sender, *, through: int, missing: tuple[int, ...] = (), boot: str = "1") -> None:
    one.take_ack(json.dumps({"through": through, "missing": missing, "boot": boot}).encode())


def test_a_sender_keeps_what_no_ack_covers_and_what_one_calls_missing() -> None:
    one = sender()
    for tick in range(5):
        one.read(now_us=tick * 1_000_000)
    ack(one, through=3, missing=(2,))
    assert one.kept_numbers() == [2, 4, 5]


def test_an_ack_of_another_count_is_passed_over() -> None:
    one = sender()
    for tick in range(5):
        one.read(now_us=tick * 1_000_000)
    ack(one, through=2)
    one.restart_count()
    ack(one, through=5)
    assert one.kept_numbers() == [1, 2, 3]
    ack(one, through=3, boot="2")
    assert one.kept_numbers() == []
    assert one.entries == 5, "the log stays as it is"


def test_a_sender_that_is_not_heard_reads_nothing_new_beyond_its_window() -> None:
    one = sender()
    for tick in range(WINDOW + 50):
        one.read(now_us=tick * 1_000_000)
    assert one.entries == one.kept == WINDOW


def test_what_is_forgotten_is_sent_no_more_and_remembered_with_its_line_of_the_log() -> None:
    one = sender()
    for tick in range(4):
        one.read(now_us=tick * 1_000_000)
    ack(one, through=1)
    one.forget(2)
    assert one.kept_numbers() == [4]
    assert one.forgotten == {2: 1, 3: 2}


@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.sampled_from([0, 0, -3, 2, 2, 70])), max_size=100))
def test_no_two_lines_of_a_log_have_the_same_instant_whatever_the_clock_does(ticks: list[tuple[int, int]]) -> None:
    one, now_us = sender(), 10**15
    for step_us, hours in ticks:
        now_us += step_us
        if hours * HOUR_US != one.offset_us:
            one.jump_clock(hours * HOUR_US)
        one.read(now_us=now_us)
    assert len(set(one.log.instants_us)) == one.entries


SHORT = [name for name, kind in KINDS.items() if not kind.is_long]
LONG = [name for name, kind in KINDS.items() if kind.is_long]


@given(st.integers(0, 2**32), st.integers(1, 100), st.lists(st.sampled_from(list(KINDS)), min_size=1, unique=True))
def test_a_seed_repeats_the_order_of_faults(seed: int, cycles: int, kinds: list[str]) -> None:
    order = order_of_faults(kinds=kinds, cycles=cycles, seed=seed)
    assert order == order_of_faults(kinds=kinds, cycles=cycles, seed=seed)
    assert len(order) == cycles
    assert set(order) <= set(kinds)


@given(st.integers(0, 2**32))
def test_each_short_fault_comes_once_in_a_deck_and_each_long_one_in_every_other(seed: int) -> None:
    deck = len(SHORT) + len(LONG) // 2
    order = order_of_faults(kinds=list(KINDS), cycles=2 * deck, seed=seed)
    assert Counter(order) == Counter(2 * SHORT + LONG)
    assert set(SHORT) <= set(order[:deck])


def test_another_seed_is_another_order() -> None:
    orders = {tuple(order_of_faults(kinds=list(KINDS), cycles=20, seed=seed)) for seed in range(20)}
    assert len(orders) == 20
