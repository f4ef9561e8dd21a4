"""Founding a utility and loading what it is made of."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.money import minor_digits
from registry.book import Book
from registry.domain.rights import RIGHTS_AT_FOUNDING
from registry.store import book as book_store
from registry.store import utilities as utility_store


class TimeZoneUnknown(ValueError):
    """The time zone has no entry in the time zone database."""


def found_utility(
    conn: Connection[TupleRow],
    *,
    code: str,
    name: str,
    time_zone: str,
    currency: str,
    locale: str,
    settings: Mapping[str, Any],
) -> int:
    """Found a utility with the rights of its roles; needs the owner of the schema.

    :raises UtilityExists: if the code is taken
    :raises TimeZoneUnknown: if there is no such time zone
    :raises CurrencyUnknown: if we do not know the currency's minor digits
    """
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise TimeZoneUnknown(f"time zone {time_zone} is not known; write it as in Asia/Tokyo") from error
    minor_digits(currency)
    utility_id = utility_store.insert(
        conn, code=code, name=name, time_zone=time_zone, currency=currency, locale=locale, settings=settings
    )
    for role, rights in RIGHTS_AT_FOUNDING.items():
        utility_store.grant(conn, utility_id=utility_id, role=role, rights=rights)
    return utility_id


def load_book(conn: Connection[TupleRow], *, utility_id: int, book: Book) -> None:
    """Load a book into the registry; needs the owner of the schema, because COPY is refused under row-level security.

    :raises BookUnusable: if a row names what is in neither book nor registry, is there twice, or breaks a constraint
    """
    store = book_store
    zones = store.ids(conn, utility_id=utility_id, table="zone", new=[r.code for r in book.zones])
    parties = store.ids(conn, utility_id=utility_id, table="party", new=[r.party_number for r in book.parties])
    points = store.ids(conn, utility_id=utility_id, table="point", new=[r.point_number for r in book.points])
    accounts = store.ids(conn, utility_id=utility_id, table="account", new=[r.account_number for r in book.accounts])
    meters = store.ids(conn, utility_id=utility_id, table="meter", new=[r.serial for r in book.meters])
    senders = store.ids(conn, utility_id=utility_id, table="sender", new=[r.name for r in book.senders])
    store.load_zones(conn, utility_id=utility_id, rows=book.zones, zones=zones)
    store.load_parties(conn, utility_id=utility_id, rows=book.parties, parties=parties)
    store.load_households(conn, utility_id=utility_id, rows=book.households, parties=parties)
    store.load_channels(conn, utility_id=utility_id, rows=book.channels, parties=parties)
    store.load_points(conn, utility_id=utility_id, rows=book.points, points=points, zones=zones)
    store.load_point_parties(conn, utility_id=utility_id, rows=book.point_parties, points=points, parties=parties)
    store.load_accounts(conn, utility_id=utility_id, rows=book.accounts, accounts=accounts, parties=parties)
    store.load_agreements(conn, utility_id=utility_id, rows=book.agreements, accounts=accounts, points=points)
    store.load_meters(conn, utility_id=utility_id, rows=book.meters, meters=meters)
    store.load_installations(conn, utility_id=utility_id, rows=book.installations, meters=meters, points=points)
    store.load_senders(conn, utility_id=utility_id, rows=book.senders, senders=senders, meters=meters)
