"""Which homes see which meters, and how those stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.home_assistant import HomeMeter, home_name, topics_of
from ingest_gateway.store import homes
from registry import queries as registry

USING_ROLES = frozenset({"user", "payer"})  # an owner or manager does not see how others live


@dataclass(frozen=True, slots=True)
class HomeLogin:
    """A home's login on the broker and the topics that it may read."""

    name: str
    party_id: int
    password_hash: str
    topics: tuple[str, ...]
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class HomeMeters:
    """A home with the meters that hang at the party's points now."""

    name: str
    locale: str
    meters: tuple[HomeMeter, ...]


def home_logins(conn: Connection[TupleRow], *, utility_id: int) -> list[HomeLogin]:
    """List the open logins of homes."""
    return [
        HomeLogin(name, home.party_id, home.password_hash, (topics_of(name),), home.opened_at)
        for home in homes.open_homes(conn, utility_id=utility_id)
        for name in [home_name(home.home_id)]
    ]


def home_meters(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> Sequence[HomeMeters]:
    """List the homes with the meters that each may see at `at`."""
    found: list[HomeMeters] = []
    for home in homes.open_homes(conn, utility_id=utility_id):
        points = registry.points_of_party(conn, utility_id=utility_id, party_id=home.party_id, at=at)
        own = [point.point_id for point in points if USING_ROLES & set(point.roles)]
        meters = registry.meters_at_points(conn, utility_id=utility_id, point_ids=own, at=at)
        party = registry.party(conn, utility_id=utility_id, party_id=home.party_id)
        seen = tuple(HomeMeter(one.meter_id, one.serial, one.kind, one.unit, one.scale) for one in meters)
        found.append(HomeMeters(home_name(home.home_id), party.locale, seen))
    return found
