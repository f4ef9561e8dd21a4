"""Readings taken in as columns end as they would one by one, however the messages were cut into batches."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from tests import gateway_town as town
from tests.gateway_intake import Intake, Message, as_gateway, at, message, state, wipe

EXAMPLES = 40
METERS = ("W-0001", "W-0002", "E-0001", "W-SELF", "W-NONE", None)
MINUTES = (-90, -60, -45, -30, -15, -14.5, 0, 14, 16, -900 * 1440)
REGISTERS = (None, 0, 90, 100, 101, 900, 40_000, 50_000, 999_999_990, 10**9, -1, 10**30)
FLAGS = (None, [], ["tamper"], ["burst", "never heard of"])

readings = st.fixed_dictionaries(
    {"meter": st.sampled_from(METERS[:3]) | st.sampled_from(METERS), "at": st.sampled_from(MINUTES).map(at)},
    optional={
        "register": st.sampled_from(REGISTERS[1:8]) | st.sampled_from(REGISTERS),
        "export_register": st.sampled_from(REGISTERS[:6]),
        "flow": st.sampled_from([None, 0.0, -0.0, 0.1, 12.5, -3.0, 1e30]),
        "pressure_kpa": st.sampled_from([None, 301.5, -0.0, 1e6]),
        "voltage_v": st.sampled_from([None, [], [None], [101.2], [101.2, None, 99.5], [1e9]]),
        "battery_pct": st.sampled_from([None, 0, 88, 101, 10**20]),
        "flags": st.sampled_from(FLAGS),
    },
)
numbers: dict[str, Any] = {
    "seq": st.integers(1, 7),
    "boot": st.sampled_from([None, "a", "b", 7]),
    "oldest": st.integers(1, 5),
    "answers": st.just([{"id": 5, "state": "done"}]),
}
senders = st.sampled_from([town.CONCENTRATOR] * 5 + ["W-SELF", "W-SELF", "W-OTHER", "nobody"])
whole = st.builds(
    lambda readings, sender, more: message(*readings, sender=sender, **more),
    st.lists(readings, max_size=4),
    senders,
    st.fixed_dictionaries({}, optional=numbers),
)
broken = st.sampled_from(
    [
        b"",
        b"{not json",
        b'{"readings":[',
        b"{}\n{}",
        b'{"readings":[{"meter":"W-0001","at":1.5}]}',
        b'{"readings":[{"meter":"W-0001","at":"2026-04-01T02:00:00Z","register":77},{"meter":"W-0002"}]}',
        b'{"readings":[{"meter":"W-0001","at":1775012400000,"register":78},{"meter":"W-0001","at":%d}]}' % 10**18,
    ]
).map(lambda payload: Message(f"suiden/v1/{town.CODE}/{town.CONCENTRATOR}/up", payload))
streams = st.lists(st.one_of(whole, whole, whole, whole, broken), max_size=7)
hundredfold = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@pytest.fixture
def gateway(database_url: str) -> Iterator[Connection[TupleRow]]:
    """A connection with the gateway's rights, to a database with the town in it."""
    with psycopg.connect(database_url) as conn:
        town.found(conn)
    with as_gateway(database_url) as conn:
        yield conn
        conn.rollback()


def taken_in(owner: Connection[TupleRow], conn: Connection[TupleRow], batches: list[list[Message]], way: str) -> Any:
    """Take batches in from an empty store, and give all that was written, with the counts by reason."""
    wipe(owner)
    intake = Intake(conn)
    reasons: dict[str, int] = {}
    for batch in batches:
        taken = intake.take(batch) if way == "columns" else intake.take_one_by_one(batch)
        assert taken.received == taken.stored + taken.duplicates + taken.rejected
        for reason, count in taken.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    found = state(owner)
    assert all(row[-1] for row in found["newest"]), "the newest reading says what is stored of that instant"
    return {**found, "reasons": reasons}


@hundredfold
@given(before=streams, batch=streams)
def test_a_batch_ends_as_columns_as_it_would_one_by_one(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], before: list[Message], batch: list[Message]
) -> None:
    batches = [before, batch]
    assert taken_in(conn, gateway, batches, "columns") == taken_in(conn, gateway, batches, "one by one")


@hundredfold
@given(stream=streams, cuts=st.lists(st.booleans(), min_size=7, max_size=7))
def test_any_cut_into_batches_ends_the_same(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], stream: list[Message], cuts: list[bool]
) -> None:
    batches: list[list[Message]] = [[]]
    for one, is_cut in zip(stream, cuts, strict=False):
        if is_cut:
            batches.append([])
        batches[-1].append(one)
    cut, whole = (taken_in(conn, gateway, way, "columns") for way in (batches, [stream]))
    for found in (cut, whole):
        del found["latest"]  # what a newest reading does not say is filled from what was settled with it: see "newest"
    assert cut == whole
