"""A sender keeps what is not durable, whatever gets lost on the way."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.wire import RESEND_AFTER_S, WINDOW, Ack, MessageUnusable, Outbox, read_ack, read_order


def filled(count: int) -> Outbox:
    outbox = Outbox(boot="a")
    for number in range(count):
        outbox.put(readings=[{"at": number, "register": number}])
    return outbox


@given(count=st.integers(0, 60), through=st.integers(0, 80), missing=st.sets(st.integers(1, 80)))
def test_an_acknowledgement_removes_exactly_what_it_covers(count: int, through: int, missing: set[int]) -> None:
    outbox = filled(count)
    outbox.acknowledge(Ack(through, tuple(missing)), now_s=0)
    assert set(outbox.kept) == {seq for seq in range(1, count + 1) if seq > through or seq in missing}


@given(seed=st.integers(0, 10_000), loss=st.floats(0, 0.7), count=st.integers(1, 50))
def test_everything_arrives_in_the_end_and_nothing_is_forgotten_before(seed: int, loss: float, count: int) -> None:
    outbox, durable, now_s, chance = filled(count), set[int](), 0.0, Random(seed)
    for _ in range(2_000):
        now_s += RESEND_AFTER_S
        for seq, body in outbox.due(now_s=now_s):
            if chance.random() >= loss:
                assert json.loads(body)["seq"] == seq
                durable.add(seq)
        if durable and chance.random() >= loss:
            through = max(durable)
            missing = tuple(seq for seq in range(1, through) if seq not in durable)
            outbox.acknowledge(Ack(through, missing), now_s=now_s)
        assert set(range(1, count + 1)) - durable <= set(outbox.kept)
        if not outbox.kept:
            break
    assert durable == set(range(1, count + 1))
    assert not outbox.kept


def test_no_more_than_a_window_is_under_way() -> None:
    outbox = filled(3 * WINDOW)
    assert [seq for seq, _ in outbox.due(now_s=0)] == list(range(1, WINDOW + 1))
    assert outbox.due(now_s=1) == []
    outbox.acknowledge(Ack(5, ()), now_s=1)
    assert [seq for seq, _ in outbox.due(now_s=1)] == list(range(WINDOW + 1, WINDOW + 6))


def test_what_is_called_missing_is_sent_again_before_its_time() -> None:
    outbox = filled(3)
    outbox.due(now_s=0)
    outbox.acknowledge(Ack(3, (2,)), now_s=1)
    assert outbox.due(now_s=1) == []  # it may still be under way
    outbox.acknowledge(Ack(3, (2,)), now_s=4)
    assert [seq for seq, _ in outbox.due(now_s=4)] == [2]


def test_a_saved_outbox_goes_on_with_its_count_and_a_killed_one_begins_another() -> None:
    outbox = filled(4)
    outbox.acknowledge(Ack(2, ()), now_s=0)
    same = Outbox.restored(outbox.saved())
    assert (same.next_seq, list(same.kept)) == (5, [3, 4])
    anew = Outbox.restored(outbox.saved(), new_boot="b")
    bodies = [json.loads(body) for body in anew.kept.values()]
    assert [(body["boot"], body["seq"], body["readings"][0]["at"]) for body in bodies] == [("b", 1, 2), ("b", 2, 3)]


def test_a_full_outbox_says_what_it_holds_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.wire.MOST_KEPT", 5)
    outbox = filled(8)
    assert list(outbox.kept) == [4, 5, 6, 7, 8]
    assert json.loads(outbox.kept[8])["oldest"] == 3  # the lowest that it held when it was written


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"through": "1"}', b'{"through": 1, "missing": ["x"]}'])
def test_an_acknowledgement_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageUnusable):
        read_ack(payload)


def test_a_command_is_read_as_the_protocol_says() -> None:
    payload = (
        b'{"id": 5, "meter": "W-0001", "command": "valve.close", "expires_at": "2026-04-01T00:00:00Z", "args": {}}'
    )
    order = read_order(payload)
    assert (order.order_id, order.meter, order.command, order.expires_at.year) == (5, "W-0001", "valve.close", 2026)
    with pytest.raises(MessageUnusable):
        read_order(payload.replace(b"00Z", b"00"))


def test_an_outbox_holds_no_more_bytes_than_a_device_has_and_says_what_it_overwrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulators.wire.MOST_KEPT_BYTES", 2_000)
    outbox = Outbox(boot="a")
    for number in range(50):
        outbox.put(readings=[{"at": number, "register": number}] * 5)
        assert sum(map(len, outbox.kept.values())) <= 2_000
    assert 1 < len(outbox.kept) < 50
    assert outbox.dropped == 50 - len(outbox.kept)
    assert json.loads(outbox.kept[50])["oldest"] == 50 - len(outbox.kept)
    outbox.acknowledge(Ack(50, ()), now_s=0.0)
    outbox.put(readings=[{"at": 51, "register": 1}] * 1_000)  # what is larger by itself is said all the same
    assert list(outbox.kept) == [51]
