"""Found the demo's utility: the town's papers, fourteen months of readings, the bills and payments since then."""

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import numpy as np
import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations as ingest
from ingest_gateway.operations import ReadingBlock
from kernel import clock, events
from kernel.clock import ClockNotSet
from kernel.database import Scope, analyze, empty, enter_scope, has_tables
from kernel.period import add_months, local_date
from maintenance_tracker import operations as maintenance
from rating_engine import operations as rating
from rating_engine import queries as rating_queries
from rating_engine import tariffs
from rating_engine.operations import Channel, CollectionPolicy, Mandate, PaymentRow
from rating_engine.queries import Receivable
from registry import operations as registry
from registry import queries as registry_queries
from registry.operations import RoleName
from simulators import town as towns
from simulators.town import Town
from suiden.errors import NotPossibleHere
from suiden.town_book import book_of

UTILITY_CODE = "hinode"
UTILITY_NAME = "日の出町水道電気"
TOWN_SEED = 20_260_401
STARTS_ON = date(2026, 3, 29)  # three days, which is a minute of the demo, before a bill run
CYCLES = {"water": {"months": 2, "offset": {"D1": 0, "D2": 1}}, "electricity": {"months": 1}}
BILLED_MONTHS = 14
DEMO_COMMAND_HOURS = 24  # twenty seconds of the demo; the preset's six hours would be over in five
UNPAID_MONTHS = 2  # who pays only when cut off has not paid since the first of the month so many months ago
PAID_LATE_DAYS = 75  # and paid before that at the last moment
COLLECTED_DAYS = 71  # before the start: the time over which arrears have grown step by step
COLLECTION_EVERY_DAYS = 5
COLLECTION_RESTS_DAYS = 11
CHANNEL_OF_METHOD: dict[str, Channel] = {
    "slip": "store",
    "card": "card",
    "debit": "debit",
    "transfer": "transfer",
    "cash": "counter",
}
ACTOR = "founding"
DEMO_PASSWORD = "suiden"
CONSUMERS = ("rollup", "checker", "tracker", "money", "messages")
DEBIT_CLIENT = {
    "client_code": "1234567890",
    "client_name": "ﾋﾉﾃﾞﾁﾖｳｽｲﾄﾞｳﾃﾞﾝｷ",
    "bank_code": "9901",
    "bank_name": "ﾋﾉﾃﾞｷﾞﾝｺｳ",
    "branch_code": "001",
    "branch_name": "ﾎﾝﾃﾝ",
    "account_type": "1",
    "account_number": "7654321",
}
SLIP = {"company_code": "990001"}  # fictional
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """Somebody to sign in as."""

    login_name: str
    display_name: str
    roles: tuple[RoleName, ...]
    hint: str


DEMO_LOGINS = (
    DemoLogin("customer", "お客様", ("customer",), "a family with water and power"),
    DemoLogin("customer2", "お客様（滞納）", ("customer",), "a customer in arrears"),
    DemoLogin("crew", "修繕班", ("crew",), "the repair crew, on a phone"),
    DemoLogin("operator", "監視員", ("operator",), "the control room"),
    DemoLogin("office", "窓口・料金係", ("office",), "counter, billing, collection"),
    DemoLogin("reader", "検針員", ("reader",), "the meter reader's handheld"),
    DemoLogin("admin", "管理者", ("admin",), "rights and the audit log"),
)


def refuse_what_is_not_the_demos(conn: Connection[TupleRow]) -> None:
    """Let the demo into an empty database or its own only: it would empty another, or let its time race.

    :raises NotPossibleHere: if tables of something else are there, or a utility that is not the demo's
    """
    if not has_tables(conn, named="utility"):
        if has_tables(conn):
            raise NotPossibleHere(
                "the database holds tables that are not Suiden's: give the demo a database of its own"
            )
        return
    if others := [one.code for one in registry_queries.utilities(conn) if one.settings.get("demo") is not True]:
        told = f"the database holds the utility {', '.join(others)}, which is not the demo's"
        raise NotPossibleHere(f"{told}: give the demo a database of its own")


def is_founded(conn: Connection[TupleRow]) -> bool:
    """Tell whether the database holds a utility whose time runs."""
    try:
        clock.load(conn)
    except ClockNotSet:
        return False
    return True


@cache
def the_town() -> Town:
    """Build the demo's town; always the same."""
    return towns.build(seed=TOWN_SEED, starts_on=STARTS_ON)


def sender_names() -> tuple[str, ...]:
    """Name the town's meters and concentrators that speak."""
    return tuple(sender.name for sender in the_town().senders)


def found(database_url: str, *, say: Say) -> None:
    """Found the utility as its town stood at the start; needs the owner of the database.

    Utility time is set last: a database without it was never in use, and what an interrupted founding left there
    is removed first.

    :raises NotPossibleHere: if the database is in use for something else
    """
    town = the_town()
    with psycopg.connect(database_url) as conn:
        refuse_what_is_not_the_demos(conn)
        empty(conn)
        utility_id = _found_papers(conn, town=town, say=say)
        enter_scope(conn, scope=Scope(utility_id, ACTOR, town.starts_at))
        _load_readings(conn, utility_id=utility_id, town=town, say=say)
    with ThreadPoolExecutor(max_workers=1) as beside:  # the other processor adds up days while this one bills months
        rollups = beside.submit(_add_up_days, database_url, utility_id=utility_id, town=town)
        with psycopg.connect(database_url) as conn:
            _live_through_the_money(conn, utility_id=utility_id, town=town, say=say)
        say("adding up the days of every meter")
        rollups.result()
    with psycopg.connect(database_url) as conn:
        events.pass_all(conn, consumers=CONSUMERS)
        analyze(conn)
        clock.set_time(conn, utility_now=town.starts_at, rate=1.0, running=False)


def found_empty(
    database_url: str, *, code: str, name: str, time_zone: str, currency: str, locale: str, admin_password: str
) -> int:
    """Found a real utility: rights, tariffs that come with Suiden, one login; wall time. Return its id."""
    now = clock.wall_now()
    with psycopg.connect(database_url) as conn:
        utility_id = registry.found_utility(
            conn,
            code=code,
            name=name,
            time_zone=time_zone,
            currency=currency,
            locale=locale,
            settings={"cycles": CYCLES},
        )
        enter_scope(conn, scope=Scope(utility_id, ACTOR, now))
        _found_rules(conn, utility_id=utility_id, policy=rating.default_policy(), at=now)
        registry.add_login(
            conn,
            utility_id=utility_id,
            login_name="admin",
            display_name="admin",
            password=admin_password,
            roles=("admin",),
            locale=locale,
        )
        if not is_founded(conn):
            clock.set_time(conn, utility_now=now, rate=1.0, running=True)
    return utility_id


def _found_papers(conn: Connection[TupleRow], *, town: Town, say: Say) -> int:
    say(f"founding {UTILITY_NAME}: {len(town.points)} points, {len(town.parties)} parties")
    utility_id = registry.found_utility(
        conn,
        code=UTILITY_CODE,
        name=UTILITY_NAME,
        time_zone="Asia/Tokyo",
        currency="JPY",
        locale="ja",
        settings={
            "cycles": CYCLES,
            "billing_from": _first_bill_day().isoformat(),
            "debit": DEBIT_CLIENT,
            "slip": SLIP,
            "demo": True,
        },
    )
    enter_scope(conn, scope=Scope(utility_id, ACTOR, town.history_from))
    registry.load_book(conn, utility_id=utility_id, book=book_of(town))
    policy = dataclasses.replace(rating.default_policy(), command_hours=DEMO_COMMAND_HOURS)
    _found_rules(conn, utility_id=utility_id, policy=policy, at=town.history_from)
    numbers = [mandate.account_number for mandate in town.mandates]
    accounts = registry_queries.account_ids(conn, utility_id=utility_id, numbers=numbers)
    rating.load_mandates(conn, utility_id=utility_id, mandates=_mandates(town, account_ids=accounts))
    _add_logins(conn, utility_id=utility_id, town=town)
    return utility_id


def _found_rules(conn: Connection[TupleRow], *, utility_id: int, policy: CollectionPolicy, at: datetime) -> None:
    for name in tariffs.names():
        rating.publish_tariff(conn, utility_id=utility_id, document=tariffs.document(name), at=at)
    rating.decide_policy(conn, utility_id=utility_id, policy=policy, changed_by=ACTOR, at=at)


def _add_logins(conn: Connection[TupleRow], *, utility_id: int, town: Town) -> None:
    numbers = {"customer": town.customer_party, "customer2": town.arrears_party}
    parties = registry_queries.party_ids(conn, utility_id=utility_id, numbers=numbers.values())
    party_of = {login_name: parties[number] for login_name, number in numbers.items()}
    names = {
        login_name: next(party.name for party in town.parties if party.party_number == number)
        for login_name, number in numbers.items()
    }
    crew: list[int] = []
    for login in DEMO_LOGINS:
        login_id = registry.add_login(
            conn,
            utility_id=utility_id,
            login_name=login.login_name,
            display_name=names.get(login.login_name, login.display_name),
            password=DEMO_PASSWORD,
            roles=login.roles,
            party_id=party_of.get(login.login_name),
            locale="ja",
        )
        if "crew" in login.roles:
            crew.append(login_id)
    maintenance.add_crew(conn, utility_id=utility_id, name="第一班", login_ids=crew)


def _mandates(town: Town, *, account_ids: Mapping[str, int]) -> list[Mandate]:
    return [
        Mandate(
            account_id=account_ids[mandate.account_number],
            bank_code=mandate.bank_code,
            bank_name=mandate.bank_name,
            branch_code=mandate.branch_code,
            branch_name=mandate.branch_name,
            account_type=mandate.kind,
            account_number=mandate.number,
            holder_kana=mandate.holder,
            customer_number=mandate.account_number,
            valid_from=town.history_from,
        )
        for mandate in town.mandates
    ]


def _load_readings(conn: Connection[TupleRow], *, utility_id: int, town: Town, say: Say) -> None:
    history = town.history(town.history_from, town.starts_at)
    say(f"loading {len(history):,} readings since {town.history_from:%B %Y}")
    known = {meter.serial: meter.meter_id for meter in registry_queries.known_meters(conn, utility_id=utility_id)}
    meter_ids = np.array([known[serial] for serial in history.serials], dtype=np.int64)
    block = ReadingBlock(
        meter_id=meter_ids[history.meter],
        read_at_us=history.read_at_s * 1_000_000,
        register=history.register,
        flow=history.flow.astype(np.float64),
        pressure_kpa=history.pressure_kpa.astype(np.float64),
        voltage_1_v=history.voltage_1_v.astype(np.float64),
        voltage_2_v=history.voltage_2_v.astype(np.float64),
        voltage_3_v=history.voltage_3_v.astype(np.float64),
        battery_pct=history.battery_pct.astype(np.int64),
    )
    ingest.load_history(conn, utility_id=utility_id, readings=block, now=town.starts_at)
    analyze(conn)


def _add_up_days(database_url: str, *, utility_id: int, town: Town) -> None:
    first = local_date(town.history_from, zone=towns.ZONE)
    with psycopg.connect(database_url) as conn:
        enter_scope(conn, scope=Scope(utility_id, ACTOR, town.starts_at))
        ingest.rebuild_rollups(conn, utility_id=utility_id, first=first, end=town.starts_on)


# --- the money of the months before


def _live_through_the_money(conn: Connection[TupleRow], *, utility_id: int, town: Town, say: Say) -> None:
    """Bill each closed cycle, let people pay as is their habit, and let arrears grow; day by day where it matters."""
    waiting: list[PaymentRow] = []
    billed = 0
    for day in _office_days(town.starts_on):
        at = datetime.combine(day, time(9), towns.ZONE).astimezone(UTC)
        enter_scope(conn, scope=Scope(utility_id, ACTOR, at))
        paid = sorted((one for one in waiting if one.paid_at <= at), key=lambda one: (one.paid_at, one.external_id))
        rating.take_payments(conn, utility_id=utility_id, payments=paid, announce=False)
        waiting = [one for one in waiting if one.paid_at > at]
        if day.day == 1:
            runs = rating.due_runs(conn, utility_id=utility_id, at=at)
            for run in runs:
                rating.run_bills(
                    conn,
                    utility_id=utility_id,
                    district_id=run.district_id,
                    service=run.service,
                    period=run.period,
                    at=at,
                )
            fresh = rating_queries.open_bills_of_all(conn, utility_id=utility_id, issued_from=at)
            waiting += [one for bill in fresh if (one := _payment(bill, town=town)) is not None]
            billed += len(fresh)
            say(f"bills of {day:%B %Y}: {len(fresh)}")
        elif day >= town.starts_on - timedelta(days=COLLECTED_DAYS):
            for account_id in rating.accounts_due_for_collection(conn, utility_id=utility_id, at=at):
                rating.advance_collections(conn, utility_id=utility_id, account_id=account_id, at=at)
    say(f"{billed:,} bills since {_office_days(town.starts_on)[0]:%B %Y}")


def _first_bill_day() -> date:
    return add_months(STARTS_ON.replace(day=1), 1 - BILLED_MONTHS)


def _office_days(starts_on: date) -> list[date]:
    """Give the first of each month since the first bill, and every fifth day while arrears are collected.

    Collection rests in the last days, so that the first suspensions are seen after the start, not found done.
    """
    firsts = [add_months(starts_on.replace(day=1), -back) for back in range(BILLED_MONTHS - 1, -1, -1)]
    collected = [
        starts_on - timedelta(days=back)
        for back in range(COLLECTION_RESTS_DAYS, COLLECTED_DAYS + 1, COLLECTION_EVERY_DAYS)
    ]
    return sorted({*firsts, *collected})


def _payment(bill: Receivable, *, town: Town) -> PaymentRow | None:
    """Tell when and how a bill is paid; None: not before the start."""
    issued_on = local_date(bill.issued_at, zone=towns.ZONE)
    days = town.days_until_payment(bill.account_number, issued_on=issued_on)
    if days is None:
        if issued_on >= add_months(town.starts_on.replace(day=1), -UNPAID_MONTHS):
            return None
        days = PAID_LATE_DAYS
    paid_at = bill.issued_at + timedelta(days=days, hours=3)
    if paid_at >= town.starts_at:
        return None
    return PaymentRow(
        account_id=bill.account_id,
        channel=CHANNEL_OF_METHOD[bill.payment_method],
        external_id=f"history:{bill.bill_number}",
        amount_minor=bill.open_minor,
        paid_at=paid_at,
        received_at=paid_at,
        taken_by=ACTOR,
    )
