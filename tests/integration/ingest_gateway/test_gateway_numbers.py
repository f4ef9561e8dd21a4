"""Senders' numbers that are moved on together stand in the store where each by itself would have left them."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.batches import Window
from ingest_gateway.domain.marks import Marks
from ingest_gateway.domain.sequence import Numbered, SequenceState, ack_of, take
from ingest_gateway.operations.settling import _take_numbers
from ingest_gateway.store import sequences
from tests import gateway_town as town
from tests.gateway_running import enter

Came = tuple[int, int, str | None, int | None]  # sender, number, boot, the lowest number still kept

came = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(1, 7), st.sampled_from([None, None, "", "a", "b"]), st.sampled_from([None, 3])
    ),
    min_size=1,
    max_size=10,
)
in_order = st.integers(1, 5).map(lambda count: [(0, number, None, None) for number in range(1, count + 1)])


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(windows=st.lists(came | in_order, min_size=1, max_size=4))
def test_numbers_end_in_the_store_as_taken_one_by_one(conn: Connection[TupleRow], windows: list[list[Came]]) -> None:
    if conn.execute("SELECT 1 FROM utility").fetchone() is None:
        town.found(conn)
    enter(conn, 1)
    ids = [row[0] for row in conn.execute("SELECT sender_id FROM sender ORDER BY sender_id").fetchall()]
    expected: dict[int, SequenceState] = {}
    for marks in windows:
        window = Window(1, town.CODE, 1, 2)
        for sender, number, boot, kept_from in marks:
            window.marks.add(Marks([ids[sender]], [number], [boot], [kept_from], [True]))
            state = expected.get(ids[sender], SequenceState())
            expected[ids[sender]] = take(state, Numbered(number, boot, kept_from, brought_new=True))
        told = _take_numbers(conn, window, now=town.START)
        assert told == {sender_id: ack_of(expected[sender_id]) for sender_id in {ids[one[0]] for one in marks}}
    stored = sequences.lock(conn, utility_id=1, sender_ids=sorted(expected), at=town.START)
    conn.rollback()
    for sender_id, state in stored.items():
        # What came out of order within one window was never a gap, and fills none.
        assert (state.through, state.missing) == (expected[sender_id].through, expected[sender_id].missing)
        assert (state.boot, state.kept_from) == (expected[sender_id].boot, expected[sender_id].kept_from)
