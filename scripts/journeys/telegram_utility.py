"""The utility whose meters the recorded telegrams come from, and the bills that must come of them.

Shared by `make journey-wmbusmeters`, with the real wmbusmeters, and tests/journeys/test_wmbusmeters.py, with what was
recorded of it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from ingest_gateway.queries import RejectedMessage
from kernel import clock
from kernel.database import Scope, enter_scope
from kernel.period import Period, local_days
from rating_engine import operations as rating
from rating_engine import queries as rating_queries
from rating_engine import tariffs
from registry import book
from registry import operations as registry
from registry import queries as registry_queries
from suiden.embedded.child import last_lines

ROOT = Path(__file__).resolve().parents[2]
TOKYO = ZoneInfo("Asia/Tokyo")
SENDER = "wmbus-bridge"
INSTALLED_AT = datetime(2025, 1, 31, 15, tzinfo=UTC)
SUPPLIED_FROM = datetime(2025, 3, 31, 15, tzinfo=UTC)  # midnight in Tokyo, as are the dates of telegrams.tsv
OPENING, MIDDLE, CLOSING = (
    SUPPLIED_FROM,
    datetime(2025, 4, 30, 15, tzinfo=UTC),
    datetime(2025, 5, 31, 15, tzinfo=UTC),
)
APRIL = local_days(date(2025, 4, 1), date(2025, 5, 1), zone=TOKYO)
MAY = local_days(date(2025, 5, 1), date(2025, 6, 1), zone=TOKYO)
APRIL_AND_MAY = Period(APRIL.start, MAY.end)
CLOCK_SEEN_S = clock.REFRESH_S + 0.5
PATIENCE_S = 30.0
Service = Literal["water", "electricity"]


class JourneyFailed(Exception):
    """What should have come did not; the message says what, and where to look."""


@dataclass(frozen=True, slots=True)
class ExpectedBill:
    """A bill: registers as the telegrams give them, what was counted between them, what of it is billed, yen."""

    serial: str
    period: Period
    opening: Decimal
    closing: Decimal
    use: Decimal
    billed: Decimal
    total_yen: int


# Water of 20 mm, two months, halved over the months; whole cubic metres of the register count, as it passed them.
#   base 1,170 a month; use a month: 5 m³ free, 5 at 22, 10 at 128 …; sewerage 560, 8 m³ free, 12 at 110 …; both × 1.10.
#   garden: 159 - 123 = 36 m³, 18 a month. Water 2 × (1170 + 5×22 + 8×128) = 2 × 2304 = 4608, × 1.10 = 5068.8 -> 5068.
#           Sewerage 2 × (560 + 10×110) = 2 × 1660 = 3320, × 1.10 = 3652. Together 8720.
#   bath: 2 - 1 = 1 m³; stable: 7179 - 7177 = 2 m³; empty_flat: 0: all within what the base covers.
#           Water 2 × 1170 = 2340, × 1.10 = 2574. Sewerage 2 × 560 = 1120, × 1.10 = 1232. Together 3806.
# Electricity of 40 A, monthly; whole kWh of the register: base 1247.00; 120 at 29.80, 180 at 36.40, the rest at 40.49;
#   fuel adjustment -9.00 a kWh; levy 3.49 a kWh in April, 3.98 from May, cut to whole yen.
#   April: 16003 - 15694 = 309 kWh. 1247.00 + 3576.00 + 6552.00 + 9×40.49 (364.41) - 2781.00 = 8958.41;
#          levy 309×3.49 = 1078.41 -> 1078; together 10036.41 -> 10036.
#   May:   16311 - 16003 = 308 kWh. 1247.00 + 3576.00 + 6552.00 + 8×40.49 (323.92) - 2772.00 = 8926.92;
#          levy 308×3.98 = 1225.84 -> 1225; together 10151.92 -> 10151.
EXPECTED_BILLS = (
    ExpectedBill("0014a807", APRIL_AND_MAY, Decimal("7177.7"), Decimal("7179"), Decimal("1.3"), Decimal(2), 3806),
    ExpectedBill("10101010", APRIL, Decimal("15694.05"), Decimal("16003.17"), Decimal("309.12"), Decimal(309), 10036),
    ExpectedBill("10101010", MAY, Decimal("16003.17"), Decimal("16311.92"), Decimal("308.75"), Decimal(308), 10151),
    ExpectedBill("12353648", APRIL_AND_MAY, Decimal("1.991"), Decimal("2.048"), Decimal("0.057"), Decimal(1), 3806),
    ExpectedBill(
        "33225544", APRIL_AND_MAY, Decimal("123.529"), Decimal("159.702"), Decimal("36.173"), Decimal(36), 8720
    ),
    ExpectedBill("76348799", APRIL_AND_MAY, Decimal("6.408"), Decimal("6.408"), Decimal(0), Decimal(0), 3806),
)
WATER_SERIALS = ("33225544", "12353648", "0014a807", "76348799")
POWER_SERIAL = "10101010"
NO_REGISTER_TOPIC = "wmbusmeters/00010206"
STORED_READINGS = 11  # twelve messages are published; the pulse counter's has no register


# --- the utility


def found(conn: Connection[TupleRow]) -> int:
    """Found the utility whose meters the telegrams come from; return its id. Commits."""
    utility_id = registry.found_utility(
        conn,
        code="hinode",
        name="日の出町水道電気",
        time_zone="Asia/Tokyo",
        currency="JPY",
        locale="ja",
        settings={"cycles": {"water": {"months": 2, "offset": {"D1": 0}}, "electricity": {"months": 1}}},
    )
    enter_scope(conn, scope=Scope(utility_id, "founding", INSTALLED_AT))
    registry.load_book(conn, utility_id=utility_id, book=_book())
    for document in tariffs.documents():
        rating.publish_tariff(conn, utility_id=utility_id, document=document, at=INSTALLED_AT)
    clock.set_time(conn, utility_now=OPENING, rate=1.0, running=True)
    conn.commit()
    return utility_id


def _book() -> book.Book:
    meters = [book.MeterRow(serial, "water", "m3", -3, 9) for serial in WATER_SERIALS]
    meters.append(book.MeterRow(POWER_SERIAL, "electricity", "kWh", -3, 10, technology="static", nominal_v=230.0))
    return book.Book(
        zones=(
            book.ZoneRow("D1", "一区", "district"),
            book.ZoneRow("W1", "配水区一", "dma"),
            book.ZoneRow("E1", "柱上一", "transformer"),
        ),
        parties=tuple(book.PartyRow(f"P-{m.serial}", "person", f"お客様 {m.serial}") for m in meters),
        points=tuple(
            book.PointRow(m.serial, m.kind, "W1" if m.kind == "water" else "E1", "D1", "日の出町一丁目一番一号")
            for m in meters
        ),
        point_parties=tuple(book.PointPartyRow(m.serial, f"P-{m.serial}", "user", SUPPLIED_FROM) for m in meters),
        accounts=tuple(book.AccountRow(f"A-{m.serial}", f"P-{m.serial}", SUPPLIED_FROM) for m in meters),
        agreements=tuple(
            book.AgreementRow(f"A-{m.serial}", m.serial, "jp-tokyo", SUPPLIED_FROM, size_mm=20)
            if m.kind == "water"
            else book.AgreementRow(f"A-{m.serial}", m.serial, "jp-tepco-b", SUPPLIED_FROM, capacity_a=40)
            for m in meters
        ),
        meters=tuple(meters),
        installations=tuple(book.InstallationRow(m.serial, m.serial, INSTALLED_AT) for m in meters),
        senders=(book.SenderRow(SENDER, "import", tuple(m.serial for m in meters)),),
    )


def set_clock(conn: Connection[TupleRow], *, now: datetime) -> None:
    """Set utility time, and wait until the gateway has seen it. Commits."""
    clock.set_time(conn, utility_now=now, rate=1.0, running=True)
    conn.commit()
    time.sleep(CLOCK_SEEN_S)


# --- the gateway


@contextmanager
def running_gateway(*, database_url: str, mqtt_url: str, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start `suiden gateway`, wait until the broker sends to it, and stop it in the end.

    :raises JourneyFailed: if it does not get so far
    """
    environment = {**os.environ, "DATABASE_URL": database_url, "MQTT_URL": mqtt_url, "PYTHONUNBUFFERED": "1"}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "suiden.cli", "gateway"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        with psycopg.connect(database_url, autocommit=True) as conn:
            wait_until(
                lambda: _hears_the_broker(conn, process, log_path=log_path), what="the gateway to hear the broker"
            )
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _hears_the_broker(conn: Connection[TupleRow], process: subprocess.Popen[bytes], *, log_path: Path) -> bool:
    if process.poll() is not None:
        raise JourneyFailed(f"the gateway ended:\n{last_lines(log_path)}")
    return bool(ingest.gateway_health(conn, utility_id=_utility_id(conn)).health.get("broker_connected"))


def _utility_id(conn: Connection[TupleRow]) -> int:
    return registry_queries.utility(conn, code="hinode").utility_id


def wait_until(is_so: Callable[[], bool], *, what: str) -> None:
    """:raises JourneyFailed: if it does not come true in half a minute"""
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline_s:
            raise JourneyFailed(f"waited {PATIENCE_S:.0f} s in vain for {what}")
        time.sleep(0.1)


# --- what came of it


@dataclass(frozen=True, slots=True)
class Stored:
    """A reading as it is stored, in the unit on the meter's face."""

    serial: str
    read_at: datetime
    register: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill as it was issued."""

    serial: str
    period: Period
    opening: Decimal
    closing: Decimal
    use: Decimal
    billed: Decimal
    total_yen: int
    lines: tuple[str, ...]


def stored_readings(conn: Connection[TupleRow], *, utility_id: int) -> list[Stored]:
    """List what landed, meter by meter, the oldest first."""
    found: list[Stored] = []
    always = Period(INSTALLED_AT, CLOSING + timedelta(days=1))
    with conn.transaction():
        enter_scope(conn, scope=Scope(utility_id, "journey", CLOSING))
        for meter in registry_queries.known_meters(conn, utility_id=utility_id):
            readings = ingest.readings(conn, utility_id=utility_id, meter_id=meter.meter_id, period=always, limit=1000)
            found += [
                Stored(meter.serial, reading.read_at, Decimal(reading.register).scaleb(meter.scale))
                for reading in readings
                if reading.register is not None
            ]
    return sorted(found, key=lambda one: (one.serial, one.read_at))


def refused_messages(conn: Connection[TupleRow], *, utility_id: int) -> list[RejectedMessage]:
    """List what was refused."""
    with conn.transaction():
        enter_scope(conn, scope=Scope(utility_id, "journey", CLOSING))
        return ingest.rejected_page(conn, utility_id=utility_id, before=None, limit=1000)


def wait_for_messages(conn: Connection[TupleRow], *, utility_id: int, stored: int, refused: int) -> None:
    """Wait until so many readings are stored, and so many messages refused (one refused again counts again).

    :raises JourneyFailed: if they do not come
    """

    def is_so() -> bool:
        told = sum(message.times for message in refused_messages(conn, utility_id=utility_id))
        return len(stored_readings(conn, utility_id=utility_id)) >= stored and told >= refused

    wait_until(is_so, what=f"{stored} readings and {refused} refusals")


def bill_all(conn: Connection[TupleRow], *, utility_id: int) -> list[Bill]:
    """Run the bills of two months' water and of two months' electricity; return them. Commits."""
    issued_at = APRIL_AND_MAY.end + timedelta(hours=9)
    runs: list[tuple[Service, Period]] = [("water", APRIL_AND_MAY), ("electricity", APRIL), ("electricity", MAY)]
    with conn.transaction():
        enter_scope(conn, scope=Scope(utility_id, "journey", issued_at))
        zones = registry_queries.zones(conn, utility_id=utility_id)
        district_id = next(zone.zone_id for zone in zones if zone.code == "D1")
        for service, period in runs:
            report = rating.run_bills(
                conn, utility_id=utility_id, district_id=district_id, service=service, period=period, at=issued_at
            )
            if report.excluded:
                raise JourneyFailed(f"{service} of {period} left out {report.excluded}")
        accounts = registry_queries.account_ids(
            conn, utility_id=utility_id, numbers=[f"A-{serial}" for serial in (*WATER_SERIALS, POWER_SERIAL)]
        )
        return sorted(
            (
                _bill(conn, utility_id=utility_id, bill_id=summary.bill_id)
                for account_id in accounts.values()
                for summary in rating_queries.bills_of_account(conn, utility_id=utility_id, account_id=account_id)
            ),
            key=lambda bill: (bill.serial, bill.period.start),
        )


def _bill(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> Bill:
    explanation = rating_queries.explain(conn, utility_id=utility_id, bill_id=bill_id)
    view = explanation.view
    (reading,) = view.readings
    start, end = view.bill.period.lower, view.bill.period.upper
    assert start is not None, "a bill's period begins"
    assert end is not None, "a bill's period ends"
    return Bill(
        serial=reading.serial,
        period=Period(start.astimezone(UTC), end.astimezone(UTC)),
        opening=Decimal(reading.opening),
        closing=Decimal(reading.closing),
        use=Decimal(view.use),
        billed=Decimal(explanation.quantity),
        total_yen=view.bill.total_minor,
        lines=tuple(f"{line.item} {line.quantity} {line.unit}: {line.arithmetic}" for line in view.lines),
    )


def as_expected(bills: Sequence[Bill]) -> tuple[ExpectedBill, ...]:
    """Give bills in the shape of EXPECTED_BILLS, to compare."""
    return tuple(
        ExpectedBill(bill.serial, bill.period, bill.opening, bill.closing, bill.use, bill.billed, bill.total_yen)
        for bill in bills
    )
