"""Senders' message numbers: what is said to be durable came, in whatever order."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ingest_gateway.domain.sequence import MAX_ACK_MISSING, Numbered, SequenceState, ack_of, encode_ack, take


def came(number: int, *, boot: str | None = None, kept_from: int | None = None, new: bool = True) -> Numbered:
    return Numbered(number=number, boot=boot, kept_from=kept_from, brought_new=new)


def after(*messages: Numbered, state: SequenceState | None = None) -> SequenceState:
    current = state or SequenceState()
    for message in messages:
        current = take(current, message)
    return current


@given(st.lists(st.integers(1, 40), max_size=60))
def test_what_is_said_to_be_durable_came_and_what_is_missing_did_not(numbers: list[int]) -> None:
    seen: set[int] = set()
    state = SequenceState()
    for number in numbers:
        state = take(state, came(number, new=number not in seen))
        seen.add(number)
        ack = ack_of(state)
        assert {n for n in range(1, ack.through + 1) if n not in ack.missing} == seen
    assert state.missing_count == state.through - len(seen)


@given(st.permutations(range(1, 30)))
def test_any_order_of_arrival_ends_without_a_gap(numbers: list[int]) -> None:
    state = after(*(came(number) for number in numbers))
    assert (state.through, state.missing) == (29, ())


def test_the_first_number_ever_heard_says_that_the_ones_before_are_missing() -> None:
    assert ack_of(after(came(4))).missing == (1, 2, 3)


def test_a_number_one_with_new_readings_begins_anew() -> None:
    assert after(came(1), came(2), came(3), came(1)).through == 1


def test_a_number_one_that_is_delivered_again_changes_nothing() -> None:
    assert after(came(1), came(2), came(3), came(1, new=False)).through == 3


def test_another_boot_begins_anew_whatever_number_comes_first() -> None:
    state = after(came(50, boot="a"), came(2, boot="b", new=False))
    assert (state.through, ack_of(state).missing) == (2, (1,))
    assert json.loads(encode_ack(ack_of(state))) == {"through": 2, "missing": [1], "boot": "b"}


def test_the_first_boot_name_is_no_restart() -> None:
    assert after(came(1), came(2), came(3, boot="a")).through == 3


def test_numbers_that_the_sender_holds_no_longer_are_not_asked_for_and_stay_missing() -> None:
    state = after(came(1), came(10, kept_from=8))
    assert ack_of(state).missing == (8, 9)
    assert state.missing_count == 8


def test_a_list_that_would_be_too_long_says_less_to_be_durable() -> None:
    ack = ack_of(after(came(1), came(10**12)))
    assert len(ack.missing) == MAX_ACK_MISSING
    assert ack.through == ack.missing[-1]


def test_what_comes_late_under_a_count_that_is_over_says_nothing_of_the_new_one() -> None:
    state = after(came(1, boot="a"), came(2, boot="a"), came(1, boot="b"), came(2, boot="b"))
    assert take(state, came(3, boot="a")) == state
    assert after(came(3, boot="b"), state=take(state, came(3, boot="a"))).missing == ()


@given(st.permutations([("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]))
def test_once_a_new_count_was_heard_no_order_of_arrival_shows_a_gap_that_is_none(
    order: list[tuple[str, int]],
) -> None:
    heard = after(came(1, boot="a"), came(1, boot="b"))
    state = after(*(came(number, boot=boot) for boot, number in order), state=heard)
    assert (state.boot, state.through, state.missing) == ("b", 3, ())
