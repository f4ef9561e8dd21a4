"""The small utility of these tests: two houses of one street, each with water and power."""

from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.database import Scope, enter_scope
from registry import book
from registry import operations as registry_operations

NOW = datetime(2026, 6, 17, 5, 30, tzinfo=UTC)  # 14:30 in Tokyo
START = datetime(2025, 1, 1, tzinfo=UTC)
PASSWORD = "open sesame"
HOUSES = ("customer", "neighbour")


def found(conn: Connection[TupleRow]) -> int:
    """Found the utility, with its points, meters and accounts; commits nothing."""
    utility_id = registry_operations.found_utility(
        conn,
        code="test",
        name="Test Water & Power",
        time_zone="Asia/Tokyo",
        currency="JPY",
        locale="ja",
        settings={"cycles": {"water": {"months": 2, "offset": {"D1": 0}}, "electricity": {"months": 1}}},
    )
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor="test", now=NOW))
    registry_operations.load_book(conn, utility_id=utility_id, book=_book())
    return utility_id


def parties(conn: Connection[TupleRow], *, utility_id: int) -> dict[str, int]:
    """Give the party of each house."""
    return _ids(conn, "SELECT party_number, party_id FROM party WHERE utility_id = %(utility_id)s", utility_id)


def points(conn: Connection[TupleRow], *, utility_id: int) -> dict[str, int]:
    """Give the points by number, such as customer-water."""
    return _ids(conn, "SELECT point_number, point_id FROM point WHERE utility_id = %(utility_id)s", utility_id)


def meters(conn: Connection[TupleRow], *, utility_id: int) -> dict[str, int]:
    """Give the meters by serial, such as W-customer."""
    return _ids(conn, "SELECT serial, meter_id FROM meter WHERE utility_id = %(utility_id)s", utility_id)


def accounts(conn: Connection[TupleRow], *, utility_id: int) -> dict[str, int]:
    """Give the account of each house."""
    return _ids(conn, "SELECT account_number, account_id FROM account WHERE utility_id = %(utility_id)s", utility_id)


def _ids(conn: Connection[TupleRow], query: str, utility_id: int) -> dict[str, int]:
    return dict(conn.execute(query, {"utility_id": utility_id}).fetchall())


def _book() -> book.Book:
    return book.Book(
        zones=(
            book.ZoneRow("D1", "East", "district"),
            book.ZoneRow("W1", "Water east", "dma", "D1"),
            book.ZoneRow("E1", "Transformer east", "transformer", "D1"),
        ),
        parties=(
            book.PartyRow("customer", "person", "山田 花子", "ヤマダ ハナコ", "Yamada Hanako", locale="en"),
            book.PartyRow("neighbour", "person", "<b>鈴木</b>", "スズキ", "Suzuki"),
        ),
        points=tuple(point for house in HOUSES for point in _points(house)),
        point_parties=tuple(
            book.PointPartyRow(f"{house}-{service}", house, role, START)
            for house in HOUSES
            for service in ("water", "electricity")
            for role in ("user", "payer")
        ),
        accounts=tuple(book.AccountRow(house, house, START) for house in HOUSES),
        agreements=tuple(agreement for house in HOUSES for agreement in _agreements(house)),
        meters=tuple(meter for house in HOUSES for meter in _meters(house)),
        installations=tuple(
            book.InstallationRow(f"{letter}-{house}", f"{house}-{service}", START)
            for house in HOUSES
            for letter, service in (("W", "water"), ("E", "electricity"))
        ),
        senders=tuple(
            book.SenderRow(f"{letter}-{house}", "meter", (f"{letter}-{house}",)) for house in HOUSES for letter in "WE"
        ),
    )


def _points(house: str) -> tuple[book.PointRow, book.PointRow]:
    address = {"customer": "日の出町1丁目2番3号", "neighbour": "日の出町1丁目2番4号"}[house]
    return (
        book.PointRow(f"{house}-water", "water", "W1", "D1", address, postcode="1900182"),
        book.PointRow(f"{house}-electricity", "electricity", "E1", "D1", address, postcode="1900182"),
    )


def _agreements(house: str) -> tuple[book.AgreementRow, book.AgreementRow]:
    return (
        book.AgreementRow(house, f"{house}-water", "jp-tokyo-water", START, size_mm=20),
        book.AgreementRow(house, f"{house}-electricity", "jp-tepco-b", START, capacity_a=30),
    )


def _meters(house: str) -> tuple[book.MeterRow, book.MeterRow]:
    return (
        book.MeterRow(f"W-{house}", "water", "m3", -3, 9, has_actuator=True, has_pressure=True),
        book.MeterRow(f"E-{house}", "electricity", "kWh", -3, 10, nominal_v=101.0, has_actuator=True),
    )
