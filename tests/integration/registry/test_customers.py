"""The person at the counter finds a customer by whatever is known."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from registry import operations, queries
from registry.book import Book, ChannelRow, PartyRow

from .conftest import BOOK, Town, act_as_web, found

pytestmark = pytest.mark.store


@pytest.fixture
def town(hinode: Town) -> Town:
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    return hinode


def find(town: Town, text: str, limit: int = 10) -> list[str]:
    matches = queries.find_customers(town.conn, utility_id=town.utility_id, text=text, limit=limit)
    return [match.party_number for match in matches]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("髙橋 太郎", ["P-0001"]),
        ("高橋太郎", ["P-0001"]),
        ("たかはし", ["P-0001", "P-0002"]),
        ("ﾀｶﾊｼ ﾊﾅｺ", ["P-0002"]),
        ("takahashi", ["P-0001", "P-0002"]),
        ("太郎", ["P-0001"]),
        ("渡辺", ["P-0003"]),
        ("090-1234-5678", ["P-0001"]),
        ("＋８１ ９０ １２３４ ５６７８", ["P-0001"]),
        ("5678", ["P-0001"]),
        ("042822", ["P-0004"]),
        ("hanako@example.jp", ["P-0002"]),
        ("W-00001", ["P-0001", "P-0003"]),
        ("w00001", ["P-0001", "P-0003"]),
        ("EM-0001", ["P-0001"]),
        ("wm0002", ["P-0004"]),
        ("A-0004", ["P-0004"]),
        ("P-0003", ["P-0003"]),
        ("日の出町大久野1-2", ["P-0001", "P-0003"]),
        ("平井", ["P-0004"]),
        ("朝日荘", ["P-0001", "P-0003"]),
        ("髙橋 大久野", ["P-0001"]),
        ("商店", ["P-0004"]),
        ("いない人", []),
        ("", []),
        ("　", []),
        ("%", []),
        ("_", []),
        ("' OR 1=1 --", []),
    ],
)
def test_a_customer_is_found_by(town: Town, text: str, expected: list[str]) -> None:
    assert find(town, text) == expected


def test_what_fits_better_comes_first(hinode: Town) -> None:
    more = Book(
        parties=(
            PartyRow("P-1001", "person", "川上 次郎", "カワカミ ジロウ"),
            PartyRow("P-1002", "person", "川", "カワ"),
            PartyRow("P-1003", "person", "小川 三郎", "オガワ サブロウ"),
        )
    )
    operations.load_book(hinode.conn, utility_id=hinode.utility_id, book=more)
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    assert find(hinode, "川") == ["P-1002", "P-1001", "P-1003"]


def test_who_lives_there_now_comes_before_who_did(town: Town) -> None:
    matches = queries.find_customers(town.conn, utility_id=town.utility_id, text="W-00001", limit=10)
    assert [(match.party_number, match.is_former) for match in matches] == [("P-0001", False), ("P-0003", True)]


def test_a_match_says_what_the_counter_needs(town: Town) -> None:
    (match,) = queries.find_customers(town.conn, utility_id=town.utility_id, text="髙橋太郎", limit=10)
    assert (match.name, match.name_kana, match.matched) == ("髙橋 太郎", "タカハシ タロウ", "name")
    assert (match.address, match.phone) == ("日の出町大久野１−２−３ 朝日荘 201", "090-1234-5678")
    assert match.point_numbers == ("E-00001", "W-00001")
    assert match.point_ids == tuple(town.id_of("point", number) for number in match.point_numbers)
    assert match.account_ids == (town.id_of("account", "A-0001"),)


def test_a_party_without_a_point_is_shown_with_its_postal_address(town: Town) -> None:
    (match,) = queries.find_customers(town.conn, utility_id=town.utility_id, text="渡邊", limit=10)
    assert (match.address, match.point_numbers) == ("東京都港区1-1", ())


@pytest.mark.parametrize("limit", [-1, 0, 1, 2])
def test_no_more_are_shown_than_asked_for(town: Town, limit: int) -> None:
    assert find(town, "た", limit) == ["P-0001", "P-0002"][: max(0, limit)]


def test_a_neighbours_customers_are_not_found(hinode: Town) -> None:
    neighbour = found(hinode.conn, "kuju")
    act_as_web(hinode.conn, utility_id=neighbour.utility_id)
    assert find(hinode, "髙橋") == []
    assert find(neighbour, "髙橋") == ["P-0001", "P-0002"]


PREFIXES = st.sampled_from(BOOK.parties).flatmap(
    lambda party: st.tuples(
        st.just(party.party_number),
        st.sampled_from((party.name, party.name_kana, party.name_latin)).flatmap(
            lambda name: st.integers(1, len(name)).map(lambda length: name[:length])
        ),
    )
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PREFIXES)
def test_any_beginning_of_any_spelling_finds_the_party(town: Town, wanted: tuple[str, str]) -> None:
    party_number, beginning = wanted
    assert party_number in find(town, beginning)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_whatever_is_typed_gets_an_answer_without_repeats(town: Town, text: str) -> None:
    numbers = find(town, text)
    assert len(numbers) == len(set(numbers))


def test_in_a_city_a_beginning_is_found_through_an_index(database_url: str) -> None:
    """Row-level security keeps LIKE off the index; this would show that in the plan, and at a counter in the wait."""
    count = 30_000
    with psycopg.connect(database_url) as conn:
        town = found(conn, "hinode")
        city = Book(
            parties=tuple(PartyRow(f"C-{n}", "person", f"市民{n}", f"シミン{n}", f"Shimin{n}") for n in range(count)),
            channels=tuple(ChannelRow(f"C-{n}", "phone", f"03-{n:08}") for n in range(count)),
        )
        conn.execute("ALTER TABLE party DISABLE TRIGGER keep_history")
        conn.execute("ALTER TABLE contact_channel DISABLE TRIGGER keep_history")
        operations.load_book(conn, utility_id=town.utility_id, book=city)
        conn.execute("ANALYZE party")
        conn.execute("ANALYZE contact_channel")
        act_as_web(conn, utility_id=town.utility_id)
        for column in ("search_name", "search_kana", "search_latin", "search_number"):
            plan = conn.execute(
                sql.SQL("EXPLAIN SELECT party_id FROM party WHERE utility_id = {} AND {} ^@ 'x12345'").format(
                    town.utility_id, sql.Identifier(column)
                )
            ).fetchall()
            assert f"party_{column}" in str(plan), plan
        assert find(town, "しみん12345") == ["C-12345"]
        assert find(town, "03-0001-2345") == ["C-12345"]
