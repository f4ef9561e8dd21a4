"""The live benchmark's arithmetic: whose turn it is, what goes over the wire, when a reading was shown."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suiden.bench.live.figures import percentile, shown, waited_ms
from suiden.bench.live.publisher import Plan, publish, stride


def numbers(*given_numbers: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(given_numbers, dtype=np.int64)


def plan(meters: int) -> Plan:
    return Plan("mqtt://127.0.0.1", "bench", [f"W{number}" for number in range(meters)], 1.0, meters, "begun", "times")


@given(meters=st.integers(1, 300))
def test_each_meter_has_one_turn_a_round(meters: int) -> None:
    whole = plan(meters)
    for turn in range(2):
        found = Counter(whole.meter_of(turn * meters + number) for number in range(meters))
        assert found == Counter(range(meters))


def test_neighbours_speak_far_apart_in_time() -> None:
    turns = sorted((number * stride(5000) % 5000, number) for number in range(5000))
    watched = sorted(number for meter, number in turns if meter < 995)
    assert max(np.diff(watched)) < 20  # those that are watched are spread over the whole round


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan(3).write(tmp_path / "plan")
    assert Plan.read(tmp_path / "plan") == plan(3)


@pytest.mark.parametrize("size", [1, 100, 127, 128, 16_384])
def test_a_packet_is_what_mqtt_says(size: int) -> None:
    payload = json.dumps("x" * size).encode()
    packet = publish(b"a/b", payload, packet_id=513)
    assert packet[0] == 0x32  # PUBLISH of quality 1
    length, shift, index = 0, 0, 1
    while True:
        length |= (packet[index] & 0x7F) << shift
        shift, index = shift + 7, index + 1
        if packet[index - 1] < 0x80:
            break
    body = packet[index:]
    assert len(body) == length
    assert body == b"\x00\x03a/b" + b"\x02\x01" + payload


def test_a_reading_counts_as_shown_with_the_first_as_new_or_newer() -> None:
    found = shown(
        published_screen=numbers(0, 0, 0, 1),
        published_us=numbers(1_000, 2_000, 3_000, 1_000),
        seen_screen=numbers(0, 1, 0),
        seen_us=numbers(2_000, 500, 3_000),  # the first was passed over for the second; screen 1 shows an older one
        arrived_us=numbers(6_000, 7_000, 9_000),
    )
    assert sorted(found.after_ms) == [4.0, 5.0, 6.0]
    assert found.never == 1


def test_what_comes_out_of_order_does_not_make_a_screen_older() -> None:
    found = shown(
        published_screen=numbers(0, 0),
        published_us=numbers(1_000, 2_000),
        seen_screen=numbers(0, 0),
        seen_us=numbers(2_000, 1_000),
        arrived_us=numbers(4_000, 9_000),
    )
    assert sorted(found.after_ms) == [2.0, 3.0]


def test_nothing_published_is_nothing_late() -> None:
    none = numbers()
    found = shown(published_screen=none, published_us=none, seen_screen=none, seen_us=none, arrived_us=none)
    assert found.never == 0
    assert np.isnan(percentile(found.after_ms, 99))


def test_a_percentile_of_waits_is_of_those_between_two_looks() -> None:
    before = {"2": 50, "9": 4}
    after = {"2": 60, "9": 93, "110": 5}
    assert waited_ms(before, after, percent=50) == 9.0
    assert waited_ms(before, after, percent=99) == 110.0
    assert waited_ms({}, before, percent=50) == 2.0
    assert np.isnan(waited_ms(after, after, percent=50))
