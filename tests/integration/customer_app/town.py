"""The small utility of these tests: two houses of one street, each with water and power."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations as ingest_operations
from kernel.database import Scope, enter_scope
from kernel.period import add_months, local_days
from rating_engine import operations as rating_operations
from registry import book
from registry import operations as registry_operations

NOW = datetime(2026, 6, 17, 5, 30, tzinfo=UTC)  # 14:30 in Tokyo
START = datetime(2025, 1, 1, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
TARIFFS = Path(__file__).resolve().parents[3] / "rating_engine" / "tariffs"
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
        settings={
            "cycles": {"water": {"months": 2, "offset": {"D1": 0}}, "electricity": {"months": 1}},
            "slip": {"company_code": "990001"},
        },
    )
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor="test", now=NOW))
    registry_operations.load_book(conn, utility_id=utility_id, book=_book())
    return utility_id


def utility_id(conn: Connection[TupleRow]) -> int:
    """Give the town's id."""
    row = conn.execute("SELECT utility_id FROM utility WHERE code = 'test'").fetchone()
    assert row is not None
    return row[0]


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


def _ids(conn: Connection[TupleRow], query: LiteralString, utility_id: int) -> dict[str, int]:
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
        book.AgreementRow(house, f"{house}-water", "jp-tokyo", START, size_mm=20),
        book.AgreementRow(house, f"{house}-electricity", "jp-tepco-b", START, capacity_a=30),
    )


def _meters(house: str) -> tuple[book.MeterRow, book.MeterRow]:
    return (
        book.MeterRow(f"W-{house}", "water", "m3", -3, 9, has_actuator=True, has_pressure=True),
        book.MeterRow(f"E-{house}", "electricity", "kWh", -3, 10, nominal_v=101.0, has_actuator=True),
    )


def live_through(conn: Connection[TupleRow], *, utility_id: int, days: int) -> None:
    """Let the meters count, hour by hour, for the days before now, with mornings and evenings in it."""
    hours = days * 24
    starts_us = int((NOW - timedelta(hours=hours)).replace(minute=0).timestamp() * 1_000_000)
    of_serial = meters(conn, utility_id=utility_id)
    of_day = np.array([2, 1, 1, 1, 1, 3, 9, 12, 8, 5, 4, 5, 7, 5, 4, 4, 5, 8, 12, 13, 10, 8, 6, 3], dtype=np.int64)
    random = np.random.default_rng(7)
    block: list[tuple[int, NDArray[np.int64]]] = []
    for serial, meter_id in sorted(of_serial.items()):
        size = 4 if serial.startswith("W") else 85
        used = of_day[np.arange(hours + 1) % 24] * size + random.integers(0, 3 * size, hours + 1)
        block.append((meter_id, np.cumsum(used)))
    at_us = starts_us + np.arange(hours + 1, dtype=np.int64) * 3_600_000_000
    ingest_operations.load_history(
        conn,
        utility_id=utility_id,
        readings=ingest_operations.ReadingBlock(
            meter_id=np.repeat(np.array([meter_id for meter_id, _ in block], dtype=np.int64), hours + 1),
            read_at_us=np.tile(at_us, len(block)),
            register=np.concatenate([registers for _, registers in block]),
        ),
        now=NOW,
    )
    today = NOW.astimezone(TOKYO).date()
    first, end = today - timedelta(days=days + 1), today + timedelta(days=1)
    ingest_operations.rebuild_rollups(conn, utility_id=utility_id, first=first, end=end)


def bill(conn: Connection[TupleRow], *, utility_id: int, months: int) -> None:
    """Publish the tariffs and run the bills that fell due in the months before now."""
    for path in sorted(TARIFFS.glob("*.yaml")):
        rating_operations.publish_tariff(conn, utility_id=utility_id, document=path.read_text(), at=START)
    district = conn.execute("SELECT zone_id FROM zone WHERE code = 'D1'").fetchone()
    assert district is not None
    for back in range(months, 0, -1):
        first = add_months(NOW.astimezone(TOKYO).date().replace(day=1), -back)
        at = local_days(add_months(first, 1), add_months(first, 2), zone=TOKYO).start + timedelta(hours=9)
        spans: dict[book.Service, int] = {"electricity": 1}
        if add_months(first, 1).month % 2 == 0:
            spans["water"] = 2
        for service, length in spans.items():
            period = local_days(add_months(first, 1 - length), add_months(first, 1), zone=TOKYO)
            rating_operations.run_bills(
                conn, utility_id=utility_id, district_id=district[0], service=service, period=period, at=at
            )
