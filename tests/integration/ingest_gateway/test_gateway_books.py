"""What the gateway knows of meters follows the registry, and is left alone where that did not change."""

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import books as module
from ingest_gateway.books import Books, read_books
from kernel.database import open_pool
from tests import gateway_town as town

CHANGES = (
    "UPDATE meter SET digits = digits - 1 WHERE serial = 'W-0001'",
    "UPDATE sender SET active = false WHERE name = 'W-SELF'",
    "UPDATE sender SET active = true WHERE name = 'W-SELF'",
    "DELETE FROM sender_meter WHERE sender_id = (SELECT sender_id FROM sender WHERE name = 'W-SELF')",
    "UPDATE sender SET name = 'W-OTHER-SELF' WHERE name = 'W-SELF'",
    "UPDATE utility SET time_zone = 'Europe/Berlin'",
)


def test_books_follow_each_change_of_the_registry_and_stay_the_same_without_one(
    conn: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.found(conn)
    monkeypatch.setattr(module, "MISS_REFRESH_S", 0.0)
    with open_pool(database_url, role="suiden_gateway", process="test") as pool:
        books = Books(pool=pool, refresh_s=60.0)
        for change in CHANGES:
            before = books.now()
            assert books.later_than(before[town.CODE], code=town.CODE) is None
            assert books.now() is before
            assert conn.execute(change.encode()).rowcount > 0, change
            conn.commit()
            later = books.later_than(before[town.CODE], code=town.CODE)
            assert later == read_books(conn)[town.CODE] != before[town.CODE], change
            assert books.now() is not before
            conn.rollback()


def test_only_the_part_that_changed_is_read(
    conn: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.found(conn)
    monkeypatch.setattr(module, "MISS_REFRESH_S", 0.0)
    monkeypatch.setattr("registry.store.speaking.PART", 1)
    read: list[int] = []
    meters_of_part = module.registry.meters_of_part

    def noted(inner: Connection[TupleRow], *, utility_id: int, part: int) -> list[module.registry.SpokenMeter]:
        read.append(part)
        return meters_of_part(inner, utility_id=utility_id, part=part)

    monkeypatch.setattr(module.registry, "meters_of_part", noted)
    with open_pool(database_url, role="suiden_gateway", process="test") as pool:
        books = Books(pool=pool, refresh_s=60.0)
        book = books.now()[town.CODE]
        assert len(read) == len(book.meters)
        read.clear()
        conn.execute("UPDATE meter SET digits = digits - 1 WHERE serial = 'W-0001'")
        conn.commit()
        assert books.later_than(book, code=town.CODE) is not None
        assert read == [book.meters["W-0001"].meter_id]
