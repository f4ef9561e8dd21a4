"""A utility is founded and its book loaded, quickly and wholly."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.money import CurrencyUnknown
from kernel.period import Period
from registry import operations, queries
from registry.book import (
    AccountRow,
    AgreementRow,
    Book,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointPartyRow,
    PointRow,
    SenderRow,
    ZoneRow,
)

from .conftest import BEGAN, BOOK, MOVED, NOW, Town

pytestmark = pytest.mark.store


def large_book(points: int) -> Book:
    """As many points as asked for, half of them water, each with a party, an account, an agreement and a meter."""
    numbers = range(points)
    return Book(
        zones=(ZoneRow("D1", "一区", "district"),),
        parties=tuple(PartyRow(f"P{n}", "person", f"人{n}", "ヒト") for n in numbers),
        points=tuple(PointRow(f"N{n}", "water" if n % 2 else "electricity", "D1", "D1", f"町{n}") for n in numbers),
        point_parties=tuple(PointPartyRow(f"N{n}", f"P{n}", "user", BEGAN) for n in numbers),
        accounts=tuple(AccountRow(f"A{n}", f"P{n}", BEGAN) for n in numbers),
        agreements=tuple(AgreementRow(f"A{n}", f"N{n}", "tariff", BEGAN) for n in numbers),
        meters=tuple(
            MeterRow(f"M{n}", "water" if n % 2 else "electricity", "m3" if n % 2 else "kWh", -3, 9) for n in numbers
        ),
        installations=tuple(InstallationRow(f"M{n}", f"N{n}", BEGAN) for n in numbers),
        senders=(SenderRow("C", "concentrator", tuple(f"M{n}" for n in numbers)),),
    )


def test_a_founded_utility_is_found_by_its_code(hinode: Town) -> None:
    utility = queries.utility(hinode.conn, code="hinode")
    assert utility.utility_id == hinode.utility_id
    assert utility.zone == ZoneInfo("Asia/Tokyo")
    assert utility in queries.utilities(hinode.conn)


def test_a_code_is_used_once(hinode: Town) -> None:
    with pytest.raises(operations.UtilityExists, match="hinode"):
        operations.found_utility(
            hinode.conn, code="hinode", name="x", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
        )


@pytest.mark.parametrize(
    ("time_zone", "currency", "refusal"),
    [("Asia/Atlantis", "JPY", operations.TimeZoneUnknown), ("Asia/Tokyo", "XXX", CurrencyUnknown)],
)
def test_a_utility_needs_a_time_zone_and_a_currency_that_exist(
    rolled_back_conn: Connection[TupleRow], time_zone: str, currency: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        operations.found_utility(
            rolled_back_conn, code="x", name="x", time_zone=time_zone, currency=currency, locale="ja", settings={}
        )


def test_an_unknown_code_says_so(rolled_back_conn: Connection[TupleRow]) -> None:
    with pytest.raises(queries.UtilityUnknown, match="nowhere"):
        queries.utility(rolled_back_conn, code="nowhere")


def test_six_hundred_points_load_in_a_moment(rolled_back_conn: Connection[TupleRow]) -> None:
    utility_id = operations.found_utility(
        rolled_back_conn, code="x", name="x", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    started_s = time.monotonic()
    operations.load_book(rolled_back_conn, utility_id=utility_id, book=large_book(600))
    # 0.4 s on a quiet machine; a load that goes row by row takes several times as long as this allows.
    assert time.monotonic() - started_s < 3
    assert len(queries.known_meters(rolled_back_conn, utility_id=utility_id)) == 600


def test_a_second_book_may_refer_to_the_first(hinode: Town) -> None:
    operations.load_book(
        hinode.conn,
        utility_id=hinode.utility_id,
        book=Book(points=(PointRow("W-00003", "water", "W1", "D1", "日の出町9"),)),
    )
    point = queries.point(hinode.conn, utility_id=hinode.utility_id, point_id=hinode.id_of("point", "W-00003"))
    assert (point.zone_code, point.district_code) == ("W1", "D1")


@pytest.mark.parametrize(
    ("book", "told"),
    [
        (Book(accounts=(AccountRow("A-9", "P-9999", BEGAN),)), "party P-9999"),
        (Book(parties=(PartyRow("P-0001", "person", "x"),)), "party P-0001"),
        (Book(meters=(MeterRow("X", "water", "m3", -3, 9), MeterRow("X", "water", "m3", -3, 9))), "meter X"),
        (Book(agreements=(AgreementRow("A-0004", "W-00001", "t", NOW),)), "agreement_one_at_a_time"),
        (Book(installations=(InstallationRow("WM-0001", "W-00002", NOW),)), "installation_"),
        (Book(parties=(PartyRow("P-9", "person", ""),)), "party"),
    ],
)
def test_a_book_that_contradicts_itself_or_the_registry_names_the_row(hinode: Town, book: Book, told: str) -> None:
    with pytest.raises(operations.BookUnusable, match=told):
        operations.load_book(hinode.conn, utility_id=hinode.utility_id, book=book)


def test_intake_knows_where_a_meter_hangs_and_who_speaks_for_it(hinode: Town) -> None:
    known = {meter.serial: meter for meter in queries.known_meters(hinode.conn, utility_id=hinode.utility_id)}
    assert known["WM-0001"].point_id == hinode.id_of("point", "W-00001")
    assert known["WM-0001"].zone_id == hinode.id_of("zone", "W1")
    assert known["WM-0001"].sender_names == ("C-1",)
    assert (known["WM-0009"].point_id, known["WM-0009"].sender_names) == (None, ())


def test_a_sender_lists_its_meters(hinode: Town) -> None:
    found = {sender.name: sender for sender in queries.senders(hinode.conn, utility_id=hinode.utility_id)}
    assert set(found["C-1"].meter_ids) == {hinode.id_of("meter", "WM-0001"), hinode.id_of("meter", "EM-0001")}
    assert not found["C-OLD"].active


def test_a_period_is_billed_to_each_account_for_its_own_part(hinode: Town) -> None:
    period = Period(datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 8, 1, tzinfo=UTC))
    found = queries.agreements_in_period(
        hinode.conn,
        utility_id=hinode.utility_id,
        district_id=hinode.id_of("zone", "D1"),
        service="water",
        period=period,
    )
    assert [(a.account_id, a.valid) for a in found] == [
        (hinode.id_of("account", "A-0003"), Period(period.start, MOVED)),
        (hinode.id_of("account", "A-0001"), Period(MOVED, period.end)),
    ]
    assert [[i.serial for i in a.installations] for a in found] == [["WM-0001"], ["WM-0001"]]
    assert found[0].installations[0].opening_register == 1_000


def test_a_meter_exchanged_inside_the_period_is_listed_with_its_successor(hinode: Town) -> None:
    exchanged_at = datetime(2025, 9, 10, tzinfo=UTC)
    operations.exchange_meter(
        hinode.conn,
        utility_id=hinode.utility_id,
        point_id=hinode.id_of("point", "W-00001"),
        new_serial="WM-0009",
        closing_register=50_000,
        opening_register=7,
        at=exchanged_at,
    )

    def serials(period: Period) -> list[str]:
        (billable,) = queries.agreements_in_period(
            hinode.conn,
            utility_id=hinode.utility_id,
            district_id=hinode.id_of("zone", "D1"),
            service="water",
            period=period,
        )
        return [i.serial for i in billable.installations]

    month = timedelta(days=30)
    assert serials(Period(exchanged_at - month, exchanged_at + month)) == ["WM-0001", "WM-0009"]
    assert serials(Period(exchanged_at - month, exchanged_at)) == ["WM-0001"]
    assert serials(Period(exchanged_at, exchanged_at + month)) == ["WM-0009"]


def test_who_is_what_at_a_point_depends_on_the_time(hinode: Town) -> None:
    point_id = hinode.id_of("point", "W-00001")

    def users(at: datetime) -> list[tuple[int, str]]:
        found = queries.parties_at_points(hinode.conn, utility_id=hinode.utility_id, point_ids=[point_id], at=at)
        return [(p.party_id, p.role) for p in found]

    watanabe, takahashi = hinode.id_of("party", "P-0003"), hinode.id_of("party", "P-0001")
    assert users(MOVED - timedelta(microseconds=1)) == [(watanabe, "user")]
    assert users(MOVED) == [(takahashi, "payer"), (takahashi, "user")]


def test_a_party_sees_its_points_with_its_roles(hinode: Town) -> None:
    party_id = hinode.id_of("party", "P-0001")
    found = queries.points_of_party(hinode.conn, utility_id=hinode.utility_id, party_id=party_id, at=NOW)
    assert [(p.point_number, p.roles) for p in found] == [("E-00001", ("user",)), ("W-00001", ("payer", "user"))]
    assert queries.points_of_party(hinode.conn, utility_id=hinode.utility_id, party_id=party_id, at=BEGAN) == []


def test_a_district_holds_the_points_of_the_zones_under_it(hinode: Town) -> None:
    def numbers(code: str) -> list[str]:
        zone_id = hinode.id_of("zone", code)
        return [
            p.point_number for p in queries.points_in_zone(hinode.conn, utility_id=hinode.utility_id, zone_id=zone_id)
        ]

    assert numbers("D1") == ["E-00001", "W-00001"]
    assert numbers("W1") == ["W-00001"]


def test_accounts_and_agreements_are_found_from_either_end(hinode: Town) -> None:
    party_id, point_id = hinode.id_of("party", "P-0001"), hinode.id_of("point", "W-00001")
    (account,) = queries.accounts_of_party(hinode.conn, utility_id=hinode.utility_id, party_id=party_id)
    agreements = queries.agreements_of_account(hinode.conn, utility_id=hinode.utility_id, account_id=account.account_id)
    (at_point,) = queries.accounts_at_points(hinode.conn, utility_id=hinode.utility_id, point_ids=[point_id], at=NOW)
    assert (at_point.account_id, at_point.party_id) == (account.account_id, party_id)
    assert at_point.agreement_id in {agreement.agreement_id for agreement in agreements}
    of_point = queries.agreements_of_point(hinode.conn, utility_id=hinode.utility_id, point_id=point_id)
    assert [a.valid_from for a in of_point] == [MOVED, BEGAN]


def test_a_household_is_found_through_any_member(hinode: Town) -> None:
    members = queries.household_of_party(
        hinode.conn, utility_id=hinode.utility_id, party_id=hinode.id_of("party", "P-0002"), at=NOW
    )
    assert [(m.name, m.relation) for m in members] == [("髙橋 太郎", "head"), ("髙橋 花子", "spouse")]


@pytest.mark.parametrize(
    ("ask", "refusal"),
    [("party", queries.PartyUnknown), ("point", queries.PointUnknown), ("account", queries.AccountUnknown)],
)
def test_what_is_not_there_says_so(hinode: Town, ask: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        getattr(queries, ask)(hinode.conn, utility_id=hinode.utility_id, **{f"{ask}_id": 10**9})


def test_a_book_holds_as_many_rows_as_it_says(hinode: Town) -> None:
    assert len(queries.known_meters(hinode.conn, utility_id=hinode.utility_id)) == len(BOOK.meters)
    assert len(queries.zones(hinode.conn, utility_id=hinode.utility_id)) == len(BOOK.zones)


def test_numbers_that_people_know_lead_to_ids(hinode: Town) -> None:
    found = queries.account_ids(hinode.conn, utility_id=hinode.utility_id, numbers=["A-0001", "A-9999"])
    assert found == {"A-0001": hinode.id_of("account", "A-0001")}
    found = queries.party_ids(hinode.conn, utility_id=hinode.utility_id, numbers=["P-0002"])
    assert found == {"P-0002": hinode.id_of("party", "P-0002")}
