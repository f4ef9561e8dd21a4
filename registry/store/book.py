"""Bulk loading: ids are taken from the sequences first, so that every table goes in by one COPY."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection, errors, sql
from psycopg.rows import TupleRow
from psycopg.types.range import TimestamptzRange

from registry.book import (
    AccountRow,
    AgreementRow,
    ChannelRow,
    HouseholdRow,
    InstallationRow,
    MeterRow,
    PartyRow,
    PointPartyRow,
    PointRow,
    SenderRow,
    ZoneRow,
)
from registry.domain.search import address_key, channel_key, name_key

# Table: (id column, column that people know the row by).
NATURAL_KEYS: Mapping[LiteralString, tuple[LiteralString, LiteralString]] = {
    "zone": ("zone_id", "code"),
    "party": ("party_id", "party_number"),
    "point": ("point_id", "point_number"),
    "account": ("account_id", "account_number"),
    "meter": ("meter_id", "serial"),
    "sender": ("sender_id", "name"),
}


class BookUnusable(Exception):
    """The book names something it does not hold, or holds something twice."""


class Ids:
    """Ids of one table's rows by their natural keys."""

    def __init__(self, table: str, known: dict[str, int]) -> None:
        self._table = table
        self._known = known

    def __getitem__(self, key: str) -> int:
        """:raises BookUnusable: if neither the book nor the registry holds the key"""
        try:
            return self._known[key]
        except KeyError as error:
            raise BookUnusable(f"{self._table} {key} is named, but neither in the book nor in the registry") from error


def ids(conn: Connection[TupleRow], *, utility_id: int, table: LiteralString, new: Sequence[str]) -> Ids:
    """Read the ids that a table has, and take new ones for the rows about to be loaded.

    :raises BookUnusable: if a new key is there already, or twice
    """
    id_column, key_column = NATURAL_KEYS[table]
    query = sql.SQL("SELECT {key}, {id} FROM {table} WHERE utility_id = %(utility_id)s").format(
        key=sql.Identifier(key_column), id=sql.Identifier(id_column), table=sql.Identifier(table)
    )
    known: dict[str, int] = dict(conn.execute(query, {"utility_id": utility_id}).fetchall())
    for key, new_id in zip(new, _take_ids(conn, table=table, id_column=id_column, count=len(new)), strict=True):
        if key in known:
            raise BookUnusable(f"{table} {key} is in the book twice, or in the registry already")
        known[key] = new_id
    return Ids(table, known)


def load_zones(conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[ZoneRow], zones: Ids) -> None:
    _copy(
        conn,
        "zone",
        ("utility_id", "zone_id", "code", "name", "kind", "parent_zone_id"),
        (
            (utility_id, zones[r.code], r.code, r.name, r.kind, None if r.parent_code is None else zones[r.parent_code])
            for r in rows
        ),
    )


def load_parties(conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[PartyRow], parties: Ids) -> None:
    _copy(
        conn,
        "party",
        (
            "utility_id", "party_id", "party_number", "kind", "name", "name_kana", "name_latin", "search_name",
            "locale", "note",
        ),
        (
            (
                utility_id, parties[r.party_number], r.party_number, r.kind, r.name, r.name_kana, r.name_latin,
                name_key(name=r.name, name_kana=r.name_kana, name_latin=r.name_latin), r.locale, r.note,
            )
            for r in rows
        ),
    )  # fmt: skip


def load_households(conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[HouseholdRow], parties: Ids) -> None:
    taken = _take_ids(conn, table="household", id_column="household_id", count=len(rows))
    numbered = list(zip(taken, rows, strict=True))
    _copy(
        conn,
        "household",
        ("utility_id", "household_id", "name"),
        ((utility_id, household_id, r.name) for household_id, r in numbered),
    )
    _copy(
        conn,
        "household_member",
        ("utility_id", "household_id", "party_id", "relation", "valid"),
        (
            (utility_id, household_id, parties[m.party_number], m.relation, _range(m.valid_from, m.valid_to))
            for household_id, r in numbered
            for m in r.members
        ),
    )


def load_channels(conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[ChannelRow], parties: Ids) -> None:
    _copy(
        conn,
        "contact_channel",
        ("utility_id", "party_id", "kind", "address", "search_address", "preferred"),
        (
            (
                utility_id,
                parties[r.party_number],
                r.kind,
                r.address,
                channel_key(kind=r.kind, address=r.address),
                r.preferred,
            )
            for r in rows
        ),
    )


def load_points(
    conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[PointRow], points: Ids, zones: Ids
) -> None:
    _copy(
        conn,
        "point",
        (
            "utility_id", "point_id", "point_number", "service", "zone_id", "district_id", "postcode", "address",
            "building", "search_address", "latitude", "longitude", "supply", "supply_since", "role", "segment",
            "may_export",
        ),
        (
            (
                utility_id, points[r.point_number], r.point_number, r.service, zones[r.zone_code],
                zones[r.district_code], r.postcode, r.address, r.building,
                address_key(address=r.address, building=r.building), r.latitude, r.longitude, r.supply, r.supply_since,
                r.role, r.segment, r.may_export,
            )
            for r in rows
        ),
    )  # fmt: skip


def load_point_parties(
    conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[PointPartyRow], points: Ids, parties: Ids
) -> None:
    _copy(
        conn,
        "point_party",
        ("utility_id", "point_id", "party_id", "role", "valid"),
        (
            (utility_id, points[r.point_number], parties[r.party_number], r.role, _range(r.valid_from, r.valid_to))
            for r in rows
        ),
    )


def load_accounts(
    conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[AccountRow], accounts: Ids, parties: Ids
) -> None:
    _copy(
        conn,
        "account",
        ("utility_id", "account_id", "account_number", "party_id", "payment_method", "opened_at", "closed_at"),
        (
            (
                utility_id,
                accounts[r.account_number],
                r.account_number,
                parties[r.party_number],
                r.payment_method,
                r.opened_at,
                r.closed_at,
            )
            for r in rows
        ),
    )


def load_agreements(
    conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[AgreementRow], accounts: Ids, points: Ids
) -> None:
    _copy(
        conn,
        "agreement",
        (
            "utility_id", "account_id", "point_id", "tariff_code", "customer_class", "size_mm", "capacity_a", "valid",
        ),
        (
            (
                utility_id, accounts[r.account_number], points[r.point_number], r.tariff_code, r.customer_class,
                r.size_mm, r.capacity_a, _range(r.valid_from, r.valid_to),
            )
            for r in rows
        ),
    )  # fmt: skip


def load_meters(conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[MeterRow], meters: Ids) -> None:
    _copy(
        conn,
        "meter",
        (
            "utility_id", "meter_id", "serial", "kind", "unit", "scale", "digits", "technology", "interval_s", "phases",
            "nominal_v", "has_pressure", "has_actuator", "verification_expires_on",
        ),
        (
            (
                utility_id, meters[r.serial], r.serial, r.kind, r.unit, r.scale, r.digits, r.technology, r.interval_s,
                r.phases, r.nominal_v, r.has_pressure, r.has_actuator, r.verification_expires_on,
            )
            for r in rows
        ),
    )  # fmt: skip


def load_installations(
    conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[InstallationRow], meters: Ids, points: Ids
) -> None:
    _copy(
        conn,
        "installation",
        ("utility_id", "meter_id", "point_id", "valid", "opening_register", "closing_register"),
        (
            (
                utility_id,
                meters[r.serial],
                points[r.point_number],
                _range(r.valid_from, r.valid_to),
                r.opening_register,
                r.closing_register,
            )
            for r in rows
        ),
    )


def load_senders(
    conn: Connection[TupleRow], *, utility_id: int, rows: Sequence[SenderRow], senders: Ids, meters: Ids
) -> None:
    _copy(
        conn,
        "sender",
        ("utility_id", "sender_id", "name", "kind", "active"),
        ((utility_id, senders[r.name], r.name, r.kind, r.active) for r in rows),
    )
    _copy(
        conn,
        "sender_meter",
        ("utility_id", "sender_id", "meter_id"),
        ((utility_id, senders[r.name], meters[serial]) for r in rows for serial in r.serials),
    )


def _take_ids(conn: Connection[TupleRow], *, table: str, id_column: str, count: int) -> list[int]:
    rows = conn.execute(
        """
        SELECT nextval(pg_get_serial_sequence(%(table)s, %(column)s)) FROM generate_series(1, %(count)s)
        """,
        {"table": table, "column": id_column, "count": count},
    ).fetchall()
    return [row[0] for row in rows]


def _copy(
    conn: Connection[TupleRow],
    table: LiteralString,
    columns: tuple[LiteralString, ...],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    )
    try:
        with conn.cursor() as cursor, cursor.copy(query) as copy:
            for row in rows:
                copy.write_row(row)
    except (errors.IntegrityError, errors.DataError) as error:
        detail = error.diag.message_detail or ""
        raise BookUnusable(f"{table} cannot be loaded: {error.diag.message_primary}. {detail}") from error


def _range(valid_from: datetime, valid_to: datetime | None) -> TimestamptzRange:
    return TimestamptzRange(valid_from, valid_to, "[)")
