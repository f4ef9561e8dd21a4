"""A small utility, and a neighbour whose rows nobody here may see."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.database import Scope, enter_scope
from registry import operations
from registry.book import (
    AccountRow,
    AgreementRow,
    Book,
    ChannelRow,
    HouseholdMemberRow,
    HouseholdRow,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointPartyRow,
    PointRow,
    SenderRow,
    ZoneRow,
)

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
MOVED = datetime(2025, 7, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)

ID_QUERIES: dict[str, LiteralString] = {
    "zone": "SELECT zone_id FROM zone WHERE utility_id = %s AND code = %s",
    "party": "SELECT party_id FROM party WHERE utility_id = %s AND party_number = %s",
    "point": "SELECT point_id FROM point WHERE utility_id = %s AND point_number = %s",
    "account": "SELECT account_id FROM account WHERE utility_id = %s AND account_number = %s",
    "meter": "SELECT meter_id FROM meter WHERE utility_id = %s AND serial = %s",
}

# P1 lives at both points of one house with P2; P3 moved out of the water point before P1 came; P4 has an office.
BOOK = Book(
    zones=(
        ZoneRow("D1", "一区", "district"),
        ZoneRow("D2", "二区", "district"),
        ZoneRow("W1", "東配水区", "dma", "D1"),
        ZoneRow("E1", "東変圧器", "transformer", "D1"),
        ZoneRow("W2", "西配水区", "dma", "D2"),
    ),
    parties=(
        PartyRow("P-0001", "person", "髙橋 太郎", "タカハシ タロウ", "Takahashi Taro"),
        PartyRow("P-0002", "person", "髙橋 花子", "タカハシ ハナコ", "Takahashi Hanako"),
        PartyRow("P-0003", "person", "渡邊 一郎", "ワタナベ イチロウ", "Watanabe Ichiro", locale="en"),
        PartyRow("P-0004", "firm", "日の出商店 株式会社", "ヒノデショウテン", "Hinode Shoten"),
    ),
    households=(
        HouseholdRow(
            "髙橋", (HouseholdMemberRow("P-0001", "head", BEGAN), HouseholdMemberRow("P-0002", "spouse", BEGAN))
        ),
    ),
    channels=(
        ChannelRow("P-0001", "phone", "090-1234-5678", preferred=True),
        ChannelRow("P-0002", "email", "Hanako@Example.jp"),
        ChannelRow("P-0003", "post", "東京都港区1-1"),
        ChannelRow("P-0004", "phone", "0428-22-1111"),
    ),
    points=(
        PointRow("W-00001", "water", "W1", "D1", "日の出町大久野１−２−３", building="朝日荘 201"),
        PointRow("E-00001", "electricity", "E1", "D1", "日の出町大久野１−２−３", building="朝日荘 201"),
        PointRow("W-00002", "water", "W2", "D2", "日の出町平井４５"),
    ),
    point_parties=(
        PointPartyRow("W-00001", "P-0003", "user", BEGAN, MOVED),
        PointPartyRow("W-00001", "P-0001", "user", MOVED),
        PointPartyRow("W-00001", "P-0001", "payer", MOVED),
        PointPartyRow("E-00001", "P-0001", "user", MOVED),
        PointPartyRow("W-00002", "P-0004", "user", BEGAN),
    ),
    accounts=(
        AccountRow("A-0001", "P-0001", MOVED),
        AccountRow("A-0003", "P-0003", BEGAN, closed_at=MOVED),
        AccountRow("A-0004", "P-0004", BEGAN, "debit"),
    ),
    agreements=(
        AgreementRow("A-0003", "W-00001", "jp-tokyo", BEGAN, MOVED, size_mm=20),
        AgreementRow("A-0001", "W-00001", "jp-tokyo", MOVED, size_mm=20),
        AgreementRow("A-0001", "E-00001", "jp-tepco-b", MOVED, capacity_a=40),
        AgreementRow("A-0004", "W-00002", "jp-tokyo", BEGAN, size_mm=25),
    ),
    meters=(
        MeterRow("WM-0001", "water", "m3", -3, 9, has_pressure=True, has_actuator=True),
        MeterRow("WM-0002", "water", "m3", -3, 9),
        MeterRow("WM-0009", "water", "m3", -3, 9),
        MeterRow("EM-0001", "electricity", "kWh", -3, 10, nominal_v=100.0, has_actuator=True),
    ),
    installations=(
        InstallationRow("WM-0001", "W-00001", BEGAN, opening_register=1_000),
        InstallationRow("EM-0001", "E-00001", BEGAN),
        InstallationRow("WM-0002", "W-00002", BEGAN),
    ),
    senders=(
        SenderRow("C-1", "concentrator", ("WM-0001", "EM-0001")),
        SenderRow("WM-0002", "meter", ("WM-0002",)),
        SenderRow("C-OLD", "concentrator", ("WM-0001",), active=False),
    ),
)


@dataclass(frozen=True, slots=True)
class Town:
    """A utility in the test's transaction, and how to find the ids of its rows."""

    conn: Connection[TupleRow]
    utility_id: int

    def id_of(self, table: str, number: str) -> int:
        row = self.conn.execute(ID_QUERIES[table], [self.utility_id, number]).fetchone()
        assert row is not None, f"{table} {number} is in the book"
        return row[0]


def found(conn: Connection[TupleRow], code: str) -> Town:
    utility_id = operations.found_utility(
        conn, code=code, name=code, time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    operations.load_book(conn, utility_id=utility_id, book=BOOK)
    return Town(conn, utility_id)


def act_as_web(conn: Connection[TupleRow], *, utility_id: int, actor: str = "office") -> None:
    """Do the rest of the transaction as the web application, for one utility."""
    conn.execute("SET LOCAL ROLE suiden_app")
    enter_scope(conn, scope=Scope(utility_id=utility_id, actor=actor, now=NOW))


@pytest.fixture
def hinode(rolled_back_conn: Connection[TupleRow]) -> Town:
    return found(rolled_back_conn, "hinode")
