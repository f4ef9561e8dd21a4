"""Readings as columns are stored as they would be row by row, and messages read together stay apart."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ingest_gateway.domain import suiden_json
from ingest_gateway.domain.columns import ABSENT, BEYOND, MEASURES, Columns, columns_of, columns_of_rows, join
from ingest_gateway.domain.packing import COLUMNS, HEADER, TRAILER, pack, pack_columns
from ingest_gateway.domain.suiden_json import MAX_DEPTH, Up, decode_many
from ingest_gateway.domain.validation import Row
from ingest_gateway.domain.wire import MAX_EPOCH_MS, Refused, WireReading, instant_us

measures = st.none() | st.sampled_from([0.0, 0.1, -3.25, 12.5, 1e9, 301.5])
registers = st.none() | st.integers(0, 10**18 - 1)
rows = st.builds(
    Row,
    st.integers(1, 1 << 40),
    st.integers(-(10**15), 2 * 10**15),
    registers,
    registers,
    *[measures] * 5,
    st.none() | st.integers(0, 100),
    st.integers(0, (1 << 30) + 511),
)


def records(stream: bytes) -> list[tuple[bytes | None, ...]]:
    """Cut a COPY stream without header and trailer into the fields of its rows."""
    found: list[tuple[bytes | None, ...]] = []
    position = 0
    while position < len(stream):
        count = int.from_bytes(stream[position : position + 2])
        position += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            size = int.from_bytes(stream[position : position + 4], signed=True)
            position += 4
            fields.append(None if size < 0 else stream[position : position + size])
            position += max(size, 0)
        assert len(fields) == len(COLUMNS)
        found.append(tuple(fields))
    return found


@given(st.lists(rows, min_size=1, max_size=12))
def test_columns_are_packed_as_the_rows_would_be(some: list[Row]) -> None:
    by_row = pack(some, utility_id=3, batch_id=7)[len(HEADER) : -len(TRAILER)]
    meter_ids = np.array([row.meter_id for row in some], dtype=np.int64)
    by_column = pack_columns(columns_of_rows(some), meter_ids=meter_ids, utility_id=3, batch_id=7)
    assert sorted(records(by_column), key=str) == sorted(records(by_row), key=str)


@given(st.lists(st.lists(rows, min_size=1, max_size=4), min_size=1, max_size=4))
def test_blocks_that_are_joined_are_packed_as_one(blocks: list[list[Row]]) -> None:
    whole = [row for block in blocks for row in block]
    meter_ids = np.array([row.meter_id for row in whole], dtype=np.int64)
    joined = join([columns_of_rows(block) for block in blocks])
    packed = pack_columns(joined, meter_ids=meter_ids, utility_id=3, batch_id=7)
    by_row = pack(whole, utility_id=3, batch_id=7)[len(HEADER) : -len(TRAILER)]
    assert sorted(records(packed), key=str) == sorted(records(by_row), key=str)


numbers = st.none() | st.integers(-(10**30), 10**30) | st.sampled_from([-(1 << 62), 1 << 63, -1, 0, (1 << 61) - 1])
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001 - the zone is given
instants = times | st.integers(-(10**19), 10**19) | st.sampled_from([MAX_EPOCH_MS, MAX_EPOCH_MS + 1, -MAX_EPOCH_MS])
wire_readings = st.builds(
    WireReading,
    at=instants,
    register=numbers,
    export_register=numbers,
    flow=st.none() | st.sampled_from([-0.0, 0.0, 1.5, 1e300]),
    pressure_kpa=st.none() | st.just(-0.0),
    voltage_v=st.none() | st.lists(st.none() | st.sampled_from([0.0, 101.2]), max_size=3),
    battery_pct=numbers,
    flags=st.none() | st.lists(st.sampled_from(["tamper", "leak", "what"]), max_size=3),
)
LIVING_US = [int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 for year in (1970, 2200)]


@given(st.lists(wire_readings, min_size=1, max_size=6))
def test_any_number_and_any_instant_becomes_a_column_and_none_is_taken_for_absent(some: list[WireReading]) -> None:
    columns = columns_of(some)
    for place, reading in enumerate(some):
        for name in ("register", "export_register", "battery_pct"):
            column, value = getattr(columns, name), getattr(reading, name)
            found = ABSENT if column is None else int(column[place])
            assert found == (ABSENT if value is None else value) or (value is not None and abs(value) >= 1 << 61)
            assert (found == ABSENT) == (value is None)
        found_us = int(columns.read_at_us[place])
        if isinstance(reading.at, int) and abs(reading.at) > MAX_EPOCH_MS:
            assert found_us == BEYOND
        elif LIVING_US[0] <= instant_us(reading.at) <= LIVING_US[1]:
            assert found_us == instant_us(reading.at)
        else:  # outside what is ever stored: near is enough, on the same side
            assert abs(found_us - instant_us(reading.at)) <= 64
    for name in MEASURES:
        column = getattr(columns, name)
        assert column is None or not any(np.signbit(one) and one == 0 for one in column)


@given(times, st.integers(0, 999_999))
def test_an_instant_that_may_be_stored_is_exact_to_the_microsecond(moment: datetime, microsecond: int) -> None:
    moment = moment.replace(year=2000 + moment.year % 100, day=min(moment.day, 28), microsecond=microsecond)
    assert columns_of([WireReading(at=moment, register=1)]).read_at_us.tolist() == [instant_us(moment)]


def test_what_is_absent_is_stored_as_null_and_never_as_nan() -> None:
    columns = Columns(
        read_at_us=np.array([0, 1], dtype=np.int64),
        flow=np.array([np.nan, 1.0]),
        voltage_1_v=np.array([np.nan, np.nan]),
    )
    packed = records(pack_columns(columns, meter_ids=np.array([1, 2]), utility_id=1, batch_id=1))
    flow, voltage = COLUMNS.index("flow"), COLUMNS.index("voltage_1_v")
    assert [(row[flow], row[voltage]) for row in packed] == [(b"\x3f\x80\x00\x00", None), (None, None)]


GOOD = [b"{}", b'{"seq":1}', b' {"seq":2} ', b'{"readings":[{"at":1,"register":2}]}', b'{"boot":"\xe6\xb0\xb4"}']
ODD = [
    b"",
    b" ",
    b"{",
    b"}",
    b'{"seq":1',
    b',"boot":"a"}',
    b'{"readings":[',
    b"]}",
    b'{"seq":3} {"seq":4}',
    b'{"seq":3}{"seq":4}',
    b'{"seq":3}\n{"seq":4}',
    b'{"seq"\n:5}',
    b"\n",
    b"\r",
    b'{"seq":6}\r',
    b"\xef\xbb\xbf{}",
    b'{"boot":"\xff"}',
    b'{"boot":"',
    b'a"}',
    b"null",
    b"[]",
    b"[" * 2000,
    b'{"seq":0}',
    b'{"seq":99999999999999999999999}',
    b'{"unknown":1}',
    b'{"boot":"\\ud800"}',
    b"\0",
]


@given(st.lists(st.sampled_from(GOOD + ODD) | st.sampled_from(GOOD), max_size=8))
@example([b'{"seq":3} {"seq":4}', b"\r"])
@example([b" ", b'{"seq":3}{"seq":4}'])
def test_messages_read_together_are_each_read_as_by_itself(payloads: list[bytes]) -> None:
    assert told(decode_many(payloads)) == [alone(payload) for payload in payloads]


@given(st.lists(st.binary(max_size=6) | st.text('{}[]",:\n 1e', max_size=6).map(str.encode), max_size=6))
def test_no_payload_goes_on_in_the_next_one(payloads: list[bytes]) -> None:
    assert told(decode_many(payloads)) == [alone(payload) for payload in payloads]


@given(st.sampled_from(GOOD), st.integers(0, 40), st.lists(st.sampled_from(GOOD), max_size=3))
def test_a_message_torn_in_two_is_two_that_cannot_be_read(whole: bytes, cut: int, others: list[bytes]) -> None:
    parts = [whole[: cut % len(whole)], whole[cut % len(whole) :]]
    assert told(decode_many([*others, *parts])) == [alone(payload) for payload in [*others, *parts]]


def alone(payload: bytes) -> Any:
    """Read one message with nothing beside it."""
    [found] = told([suiden_json._decode_one(payload)])
    return found


def told(messages: Sequence[Up | Refused | None]) -> list[Any]:
    """Tell what was read; of what cannot be read, why."""
    return [(one.reason, one.detail) if isinstance(one, Refused) else one for one in messages]


@given(
    st.text('{}[]",:a\\ ', max_size=60).map(str.encode) | st.integers(0, 80).map(lambda depth: b"[" * depth + b'"[["')
)
def test_what_nests_too_deeply_is_told_alike_at_a_glance_and_bracket_by_bracket(payload: bytes) -> None:
    is_deep = suiden_json.depth(payload) > MAX_DEPTH
    assert suiden_json._may_be_deep(payload) >= is_deep
    if b"\\" not in payload:
        assert suiden_json._may_be_deep(payload) == is_deep
