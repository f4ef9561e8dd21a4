"""Who looks on in the live benchmark: customers of one meter each, and operators; all signed in."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import clock
from registry import operations as registry
from registry.book import Book, PartyRow, PointPartyRow
from registry.domain.rights import RoleName
from registry.domain.sign_in import NewSession, token_hash
from suiden.bench import rig as rigs
from suiden.bench.live import store
from suiden.bench.rig import Rig

SESSION_LASTS = timedelta(hours=12)
MOVED_IN = rigs.FIRST_READING - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Onlooker:
    """A session, and the meter of its customer; 0 for staff."""

    token: str
    meter_id: int


def found(rig: Rig, *, meters: int, viewers: int, consoles: int) -> tuple[list[Onlooker], list[Onlooker]]:
    """Found the utility with time as on the wall, and sign in its customers and operators.

    Customer number n uses meter number n. One of each kind signs in with a password; the others are like it.
    """
    utility_id = rigs.found(rig, meters=meters)
    with psycopg.connect(rig.database_url) as conn:
        now = clock.wall_now()
        clock.set_time(conn, utility_now=now, rate=1.0, running=True)
        registry.load_book(conn, utility_id=utility_id, book=_households(viewers))
        customers = [f"K{number:05}" for number in range(viewers)]
        party_id = store.party_ids(conn, utility_id=utility_id, party_numbers=customers[:1])[0]
        first = _sign_in(conn, utility_id=utility_id, name=customers[0].lower(), role="customer", party_id=party_id)
        store.copy_login(conn, utility_id=utility_id, login_name=customers[0].lower(), party_numbers=customers[1:])
        tokens = [first.token, *_sessions(conn, utility_id=utility_id, names=customers[1:], now=now)]
        operator = _sign_in(conn, utility_id=utility_id, name="operator", role="operator", party_id=None)
        staff = [operator.token]
        for _ in range(consoles - 1):
            staff += _sessions(conn, utility_id=utility_id, names=["operator"], now=now)
        meter_ids = store.meter_ids(
            conn, utility_id=utility_id, serials=[rigs.serial(number) for number in range(viewers)]
        )
        store.let_the_planner_know(conn)
    return (
        [Onlooker(token, meter_id) for token, meter_id in zip(tokens, meter_ids, strict=True)],
        [Onlooker(token, 0) for token in staff],
    )


def _households(count: int) -> Book:
    numbers = range(count)
    return Book(
        parties=tuple(PartyRow(f"K{number:05}", "person", f"Customer {number}", locale="en") for number in numbers),
        point_parties=tuple(
            PointPartyRow(f"P{rigs.serial(number)}", f"K{number:05}", "user", MOVED_IN) for number in numbers
        ),
    )


def _sign_in(
    conn: Connection[TupleRow], *, utility_id: int, name: str, role: RoleName, party_id: int | None
) -> NewSession:
    password = secrets.token_urlsafe(12)
    registry.add_login(
        conn,
        utility_id=utility_id,
        login_name=name,
        display_name=name,
        password=password,
        roles=[role],
        party_id=party_id,
        locale="en",
    )
    session = registry.sign_in(
        conn,
        utility_id=utility_id,
        login_name=name,
        password=password,
        remote_address="127.0.0.1",
        wall_now=clock.wall_now(),
    )
    assert isinstance(session, NewSession), "the password was set a moment ago"
    return session


def _sessions(conn: Connection[TupleRow], *, utility_id: int, names: list[str], now: datetime) -> list[str]:
    tokens = {name.lower(): secrets.token_urlsafe(32) for name in names}
    store.open_sessions(
        conn,
        utility_id=utility_id,
        token_hashes={name: token_hash(token) for name, token in tokens.items()},
        created_at=now,
        expires_at=now + SESSION_LASTS,
    )
    return list(tokens.values())
