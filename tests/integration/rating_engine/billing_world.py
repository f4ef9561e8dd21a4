"""A small utility to bill: one district, water and electricity, readings at the ends of cycles."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.database import Scope, enter_scope
from kernel.period import Period, local_days
from rating_engine import operations as rating
from rating_engine import tariffs
from registry import operations as registry
from registry import queries as registry_queries
from registry.book import (
    AccountRow,
    AgreementRow,
    Book,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointRow,
    ZoneRow,
)

TOKYO = ZoneInfo("Asia/Tokyo")
LONG_AGO = datetime(2024, 12, 31, 15, tzinfo=UTC)
SETTINGS = {"cycles": {"water": {"months": 2, "offset": {"D1": 0}}, "electricity": {"months": 1}}}


def days(first: str, end: str) -> Period:
    """Span local days, from `first` up to, not including, `end`."""
    return local_days(datetime.fromisoformat(first).date(), datetime.fromisoformat(end).date(), zone=TOKYO)


FEB_MAR = days("2026-02-01", "2026-04-01")
APR_MAY = days("2026-04-01", "2026-06-01")
MARCH = days("2026-03-01", "2026-04-01")
ISSUED = FEB_MAR.end + timedelta(hours=9)


@dataclass(frozen=True, slots=True)
class World:
    """The ids of what was built; meters by serial, agreements and accounts by point number."""

    utility_id: int
    district_id: int
    meters: dict[str, int]
    agreements: dict[str, int]
    accounts: dict[str, int]
    parties: dict[str, int]


def build(conn: Connection[TupleRow], *, water: int = 3, electricity: int = 0, code: str = "hinode") -> World:
    """Found a utility with so many points of each service: W-0001 … of 20 mm, E-0001 … of 40 A, a party each."""
    utility_id = registry.found_utility(
        conn,
        code=code,
        name="Hinode",
        time_zone="Asia/Tokyo",
        currency="JPY",
        locale="ja",
        settings=SETTINGS,
    )
    scope(conn, utility_id)
    numbers = [f"W-{n:04d}" for n in range(1, water + 1)] + [f"E-{n:04d}" for n in range(1, electricity + 1)]
    registry.load_book(conn, utility_id=utility_id, book=_book(numbers))
    for document in tariffs.documents():
        rating.publish_tariff(conn, utility_id=utility_id, document=document, at=LONG_AGO)
    known = registry_queries.known_meters(conn, utility_id=utility_id)
    district_id = next(
        zone.zone_id for zone in registry_queries.zones(conn, utility_id=utility_id) if zone.code == "D1"
    )
    agreements = conn.execute(
        """
        SELECT p.point_number, g.agreement_id, g.account_id, a.party_id
        FROM agreement g JOIN point p USING (utility_id, point_id)
        JOIN account a USING (utility_id, account_id) WHERE g.utility_id = %s ORDER BY 1
        """,
        [utility_id],
    ).fetchall()
    return World(
        utility_id=utility_id,
        district_id=district_id,
        meters={meter.serial: meter.meter_id for meter in known},
        agreements={row[0]: row[1] for row in agreements},
        accounts={row[0]: row[2] for row in agreements},
        parties={row[0]: row[3] for row in agreements},
    )


def scope(conn: Connection[TupleRow], utility_id: int, at: datetime = ISSUED) -> None:
    enter_scope(conn, scope=Scope(utility_id, "test", at))


def read(conn: Connection[TupleRow], world: World, serial: str, at: datetime, register: int) -> None:
    """Store one reading, as intake does; registers are litres or watt-hours."""
    conn.execute(
        "INSERT INTO reading (utility_id, meter_id, read_at, batch_id, register) VALUES (%s, %s, %s, 0, %s)",
        [world.utility_id, world.meters[serial], at, register],
    )


def read_cycle(conn: Connection[TupleRow], world: World, uses: dict[str, int], period: Period = FEB_MAR) -> None:
    """Store readings at both ends of a period; each meter starts at 100.000 and uses what is said, in whole units."""
    for serial, used in uses.items():
        read(conn, world, serial, period.start - timedelta(minutes=5), 100_000)
        read(conn, world, serial, period.end - timedelta(minutes=5), 100_000 + used * 1000)


def run(
    conn: Connection[TupleRow], world: World, *, period: Period = FEB_MAR, service: str = "water"
) -> rating.BillRunReport:
    """Make a run."""
    assert service in ("water", "electricity")
    return rating.run_bills(
        conn,
        utility_id=world.utility_id,
        district_id=world.district_id,
        service=service,
        period=period,
        at=period.end + timedelta(hours=9),
    )


def totals(conn: Connection[TupleRow], world: World) -> dict[str, list[int]]:
    """Give the totals of standing bills by point number, oldest first."""
    rows = conn.execute(
        """
        SELECT p.point_number, b.total_minor FROM bill b JOIN point p USING (utility_id, point_id)
        WHERE b.utility_id = %s AND NOT EXISTS (SELECT 1 FROM bill_cancellation c WHERE c.bill_id = b.bill_id)
        ORDER BY p.point_number, lower(b.period)
        """,
        [world.utility_id],
    ).fetchall()
    found: dict[str, list[int]] = {}
    for number, total in rows:
        found.setdefault(number, []).append(total)
    return found


def bill_ids(conn: Connection[TupleRow], world: World) -> list[int]:
    rows = conn.execute("SELECT bill_id FROM bill WHERE utility_id = %s ORDER BY bill_number", [world.utility_id])
    return [row[0] for row in rows.fetchall()]


def _book(numbers: list[str]) -> Book:
    is_water = {number: number.startswith("W") for number in numbers}
    return Book(
        zones=(
            ZoneRow("D1", "East", "district"),
            ZoneRow("W1", "Area 1", "dma"),
            ZoneRow("E1", "Box 1", "transformer"),
        ),
        parties=tuple(PartyRow(f"P-{number}", "person", f"Person {number}") for number in numbers),
        points=tuple(
            PointRow(
                number,
                "water" if is_water[number] else "electricity",
                "W1" if is_water[number] else "E1",
                "D1",
                f"1-{number}",
            )
            for number in numbers
        ),
        accounts=tuple(AccountRow(f"A-{number}", f"P-{number}", LONG_AGO) for number in numbers),
        agreements=tuple(
            AgreementRow(
                f"A-{number}",
                number,
                "jp-tokyo" if is_water[number] else "jp-tepco-b",
                LONG_AGO,
                size_mm=20 if is_water[number] else None,
                capacity_a=None if is_water[number] else 40,
            )
            for number in numbers
        ),
        meters=tuple(
            MeterRow(
                number,
                "water" if is_water[number] else "electricity",
                "m3" if is_water[number] else "kWh",
                -3,
                9 if is_water[number] else 10,
            )
            for number in numbers
        ),
        installations=tuple(InstallationRow(number, number, LONG_AGO) for number in numbers),
    )
