"""Files of readings, taken in: stored once, refused lines told and kept, all of a file or nothing of it."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations, queries
from ingest_gateway.operations import FileOptions, FileTaken, RefusedLine, files
from kernel.database import Scope, enter_scope
from tests import gateway_town as town

pytestmark = pytest.mark.store

HEADER = "serial,read_at,register,flow"


@pytest.fixture
def founded(conn: Connection[TupleRow]) -> Connection[TupleRow]:
    town.found(conn)
    enter(conn)
    return conn


def enter(conn: Connection[TupleRow]) -> None:
    enter_scope(conn, scope=Scope(utility_id=1, actor="test", now=town.START))
    conn.execute("SET ROLE suiden_worker")


def file_of(folder: Path, *rows: str, header: str = HEADER, name: str = "april.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def take(conn: Connection[TupleRow], path: Path) -> tuple[FileTaken, list[RefusedLine]]:
    refused: list[RefusedLine] = []
    taken = operations.import_readings(
        conn,
        utility_id=1,
        source=operations.look_at(path),
        options=FileOptions(),
        imported_by="cli:hanako",
        now=town.START,
        on_refused=refused.append,
        progress=lambda _: None,
    )
    assert len(refused) == taken.rejected == sum(taken.reasons.values())
    assert taken.received == taken.stored + taken.duplicates + taken.rejected
    return taken, refused


def take_alone(conn: Connection[TupleRow], path: Path) -> None:
    with conn.transaction():
        enter(conn)
        take(conn, path)


def stored(conn: Connection[TupleRow]) -> list[TupleRow]:
    return conn.execute(
        "SELECT serial, to_char(read_at, 'DD HH24:MI'), register FROM reading JOIN meter USING (utility_id, meter_id)"
        " ORDER BY serial, read_at"
    ).fetchall()


def test_a_file_passes_the_same_validation_as_messages_and_each_refused_line_is_told(
    founded: Connection[TupleRow], tmp_path: Path
) -> None:
    path = file_of(
        tmp_path,
        "W-0001,2026-04-01 09:00,100000000,12.5",
        "W-0001,2026-04-01 09:15,100000010,",
        "W-0001,2026-04-01 09:15,100000010,",
        "W-0001,2026-04-01 09:15,100000011,",
        "W-0001,2026-04-01 09:30,5,",
        "W-0001,2026-04-02 09:15,100000020,",
        "W-0001,2020-04-01 09:15,1,",
        "W-NONE,2026-04-01 09:15,1,",
        "W-0002,2026-04-01 09:15,1000000000,",
        "W-0002,2026-04-01 09:15,,",
        "W-0002,yesterday,7,",
        "E-0001,2026-04-01T00:00:00Z,7,",
    )
    taken, refused = take(founded, path)
    assert (taken.received, taken.stored, taken.duplicates, taken.rejected) == (12, 3, 1, 8)
    assert [(line.number, line.reason) for line in refused] == [
        (5, "conflict"),
        (6, "register_backwards"),
        (7, "clock_ahead"),
        (8, "too_old"),
        (9, "unknown_meter"),
        (10, "out_of_range"),
        (11, "no_register"),
        (12, "malformed"),
    ]
    assert refused[4].text == "W-NONE,2026-04-01 09:15,1,"
    assert stored(founded) == [
        ("E-0001", "01 00:00", 7),
        ("W-0001", "01 00:00", 100_000_000),
        ("W-0001", "01 00:15", 100_000_010),
    ]
    kept = queries.rejected_page(founded, utility_id=1, before=None, limit=20)
    assert {(one.topic, one.times) for one in kept} == {(taken.topic, 1)}
    assert len(kept) == 8


def test_the_same_file_is_taken_in_once_whatever_it_is_called(founded: Connection[TupleRow], tmp_path: Path) -> None:
    path = file_of(tmp_path, "W-0001,2026-04-01 09:00,5,")
    take(founded, path)
    copy = path.rename(tmp_path / "copy of april.csv")
    with pytest.raises(operations.AlreadyImported) as refused:
        take(founded, copy)
    assert str(refused.value) == (
        "this file was imported before, as april.csv by cli:hanako on 2026-04-01 03:00 UTC: 1 readings were stored then"
    )
    (earlier,) = queries.imported_files(founded, utility_id=1, limit=10)
    assert earlier == refused.value.earlier


def test_a_mended_file_stores_what_was_missing_and_nothing_twice(founded: Connection[TupleRow], tmp_path: Path) -> None:
    take(founded, file_of(tmp_path, "W-0001,2026-04-01 09:00,5,0.1", "W-0002,2026-04-01 09:00,x,"))
    taken, _ = take(founded, file_of(tmp_path, "W-0001,2026-04-01 09:00,5,0.1", "W-0002,2026-04-01 09:00,6,"))
    assert (taken.stored, taken.duplicates, taken.rejected) == (1, 1, 0)


def test_what_is_stored_with_another_value_is_told_by_its_line(founded: Connection[TupleRow], tmp_path: Path) -> None:
    take(founded, file_of(tmp_path, "W-0001,2026-04-01 09:00,5,0.1", "W-0002,2026-04-01 09:00,6,"))
    rows = ["W-0001,2026-04-01 09:00,5,0.1", "W-0002,2026-04-01 09:00,7,", "W-0002,2026-04-01 09:00,6,"]
    taken, refused = take(founded, file_of(tmp_path, *rows))
    assert (taken.stored, taken.duplicates) == (0, 2)
    assert [(line.number, line.reason, line.text) for line in refused] == [(3, "conflict", rows[1])]


def test_a_file_in_many_portions_is_judged_as_one(
    founded: Connection[TupleRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"W-0001,2026-04-01 {9 + n // 60:02}:{n % 60:02},{10**8 + n}," for n in range(170)]
    rows[100] = rows[100].replace("100000100", "7")
    whole, _ = take(founded, file_of(tmp_path, *rows))
    founded.rollback()
    enter(founded)
    monkeypatch.setattr(files, "LINES_AT_ONCE", 7)
    taken, refused = take(founded, file_of(tmp_path, *rows))
    assert (taken.stored, taken.rejected) == (whole.stored, whole.rejected) == (169, 1)
    assert [(line.number, line.reason) for line in refused] == [(102, "register_backwards")]
    newest = queries.latest(founded, utility_id=1, meter_ids=[town.meter_id(founded, "W-0001")])
    assert [one.register for one in newest.values()] == [10**8 + 169]


def test_a_file_that_breaks_off_leaves_nothing(
    founded: Connection[TupleRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded.commit()
    monkeypatch.setattr(files, "LINES_AT_ONCE", 1)
    path = file_of(tmp_path, "W-0001,2026-04-01 09:00,5,", '"W-0002,2026-04-01')
    with pytest.raises(operations.FileUnusable, match="line 3"):
        take_alone(founded, path)
    founded.execute("RESET ROLE")
    assert stored(founded) == []
    assert founded.execute("SELECT count(*) FROM imported_file").fetchone() == (0,)


def test_a_file_without_a_reading_is_not_taken_for_one(founded: Connection[TupleRow], tmp_path: Path) -> None:
    with pytest.raises(operations.FileUnusable, match="holds no reading"):
        take(founded, file_of(tmp_path))


def test_a_refused_line_can_be_sent_through_again_once_its_cause_is_gone(
    founded: Connection[TupleRow], tmp_path: Path
) -> None:
    path = file_of(
        tmp_path,
        "W-NEW,2026-04-01 09:00,12.345,m3,",
        "W-0001,2026-04-01 09:00,x,m3,",
        header="serial,read_at,total,unit,",
    )
    take(founded, path)
    by_reason = {one.reason: one for one in queries.rejected_page(founded, utility_id=1, before=None, limit=9)}
    founded.execute("RESET ROLE")
    founded.execute("UPDATE meter SET serial = 'W-NEW' WHERE serial = 'W-0002'")
    founded.execute("SET ROLE suiden_app")

    def replay(reason: str) -> operations.Replayed:
        return operations.replay_reject(
            founded, utility_id=1, reject_id=by_reason[reason].reject_id, accept_backwards=False, at=town.START
        )

    assert replay("unknown_meter") == operations.Replayed(stored=1, duplicates=0, rejected=0)
    assert replay("unknown_meter") == operations.Replayed(stored=0, duplicates=1, rejected=0)
    with pytest.raises(operations.NotReplayable, match="mend it in the file"):
        replay("malformed")
    founded.execute("RESET ROLE")
    assert stored(founded) == [("W-NEW", "01 00:00", 12_345)]


def test_the_same_file_brought_twice_at_once_is_taken_in_once(database_url: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, "W-0001,2026-04-01 09:00,5,")
    with psycopg.connect(database_url) as first, psycopg.connect(database_url) as second:
        town.found(first)
        enter(first)
        enter(second)
        take(first, path)
        second.execute("SET LOCAL lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            take(second, path)
        second.rollback()
        first.commit()
        enter(second)
        with pytest.raises(operations.AlreadyImported):
            take(second, path)


def test_what_a_file_brings_is_told_as_batches_that_rollups_and_checker_follow(
    founded: Connection[TupleRow], tmp_path: Path
) -> None:
    take(founded, file_of(tmp_path, "W-0001,2026-04-01 09:00,5,", "W-0002,2026-04-01 09:00,6,"))
    row = founded.execute("SELECT source, stored, read_from FROM intake_batch").fetchone()
    assert row == ("file", 2, town.START - timedelta(hours=3))
