"""Letting a customer's own Home Assistant see their meters, and ending it."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.home_assistant import home_name
from ingest_gateway.store import homes
from ingest_gateway.store.homes import HomeOpen, HomeUnknown
from registry import operations as registry

__all__ = ["HomeOpen", "HomeUnknown", "close_home", "open_home"]


def open_home(
    conn: Connection[TupleRow], *, utility_id: int, party_id: int, password_hash: str, actor: str, at: datetime
) -> str:
    """Give a party a login on the broker that sees its meters; return the login's name. The broker learns it later.

    :raises HomeOpen: if the party has one
    """
    home_id = homes.insert(conn, utility_id=utility_id, party_id=party_id, password_hash=password_hash, at=at)
    _record(conn, utility_id=utility_id, party_id=party_id, home_id=home_id, action="home.open", actor=actor, at=at)
    return home_name(home_id)


def close_home(conn: Connection[TupleRow], *, utility_id: int, party_id: int, actor: str, at: datetime) -> str:
    """End a party's login; return the login's name. What was published for it is taken back.

    :raises HomeUnknown: if the party has none
    """
    home_id = homes.close(conn, utility_id=utility_id, party_id=party_id, at=at)
    _record(conn, utility_id=utility_id, party_id=party_id, home_id=home_id, action="home.close", actor=actor, at=at)
    return home_name(home_id)


def _record(
    conn: Connection[TupleRow], *, utility_id: int, party_id: int, home_id: int, action: str, actor: str, at: datetime
) -> None:
    registry.record_audit(
        conn,
        utility_id=utility_id,
        actor=actor,
        login_id=None,
        remote_address="",
        action=action,
        object_kind="home",
        object_id=str(home_id),
        party_id=party_id,
        detail={},
        at=at,
    )
