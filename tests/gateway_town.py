"""A small utility for the tests of the gateway: meters that speak for themselves, a concentrator, a bridge."""

from datetime import UTC, datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import clock
from registry import operations
from registry.book import (
    Book,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointPartyRow,
    PointRow,
    SenderRow,
    ZoneRow,
)

CODE = "hinode"
START = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)  # noon in Tokyo
FOUNDED = datetime(2025, 1, 1, tzinfo=UTC)
CONCENTRATOR = "C-1"
BRIDGE = "wmbus-bridge"
USER, LANDLORD = "A-0001", "A-0002"  # of W-SELF and E-0001


def found(
    conn: Connection[TupleRow], *, meters: int = 20, at: datetime = START, rate: float = 1.0, running: bool = False
) -> int:
    """Found it: W-0001 … and E-0001 … by C-1, W-SELF by itself, wmbusmeters' by the bridge. Commits."""
    utility_id = operations.found_utility(
        conn, code=CODE, name="日の出町水道電気", time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings={}
    )
    clock.set_time(conn, utility_now=at, rate=rate, running=running)
    operations.load_book(conn, utility_id=utility_id, book=_book(meters))
    conn.commit()
    return utility_id


def meter_id(conn: Connection[TupleRow], serial: str) -> int:
    row = conn.execute("SELECT meter_id FROM meter WHERE serial = %s", [serial]).fetchone()
    assert row is not None
    return row[0]


def water(serial: str, *, scale: int = -3, digits: int = 9) -> MeterRow:
    return MeterRow(serial, "water", "m3", scale, digits, interval_s=900, has_pressure=True, has_actuator=True)


def electricity(serial: str, *, digits: int = 10) -> MeterRow:
    return MeterRow(serial, "electricity", "kWh", -3, digits, technology="static", interval_s=900, nominal_v=101.0)


def _book(meters: int) -> Book:
    half = meters // 2
    water_meters = [water(f"W-{n:04}") for n in range(1, half + 1)]
    power_meters = [electricity(f"E-{n:04}") for n in range(1, half + 1)]
    telegram_meters = [
        water("33225544"),
        water("12353648"),
        water("0014a807"),
        water("76348799"),
        electricity("10101010"),
    ]
    all_meters = [*water_meters, *power_meters, water("W-SELF"), water("W-OTHER"), *telegram_meters]
    return Book(
        zones=(
            ZoneRow("D1", "一区", "district"),
            ZoneRow("W1", "配水区一", "dma"),
            ZoneRow("E1", "柱上一", "transformer"),
        ),
        parties=(PartyRow(USER, "person", "水野"), PartyRow(LANDLORD, "person", "大家", locale="en")),
        points=tuple(_point(meter.serial, meter.kind) for meter in all_meters),
        point_parties=(
            *(PointPartyRow(f"P-{serial}", USER, "user", FOUNDED) for serial in ("W-SELF", "E-0001")),
            *(PointPartyRow(f"P-{serial}", LANDLORD, "owner", FOUNDED) for serial in ("W-SELF", "E-0001")),
        ),
        meters=tuple(all_meters),
        installations=tuple(InstallationRow(m.serial, f"P-{m.serial}", FOUNDED) for m in all_meters),
        senders=(
            SenderRow(CONCENTRATOR, "concentrator", tuple(m.serial for m in [*water_meters, *power_meters])),
            SenderRow("W-SELF", "meter", ("W-SELF",)),
            SenderRow("W-OTHER", "meter", ("W-OTHER",)),
            SenderRow(BRIDGE, "import", tuple(m.serial for m in telegram_meters)),
        ),
    )


def _point(serial: str, kind: Literal["water", "electricity"]) -> PointRow:
    zone = "W1" if kind == "water" else "E1"
    return PointRow(f"P-{serial}", kind, zone, "D1", "日の出町一丁目一番一号")
