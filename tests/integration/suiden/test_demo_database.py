"""The demo empties what it founds on, so it keeps away from a database that is in use for something else."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import clock
from registry import operations as registry
from registry import queries as registry_queries
from suiden import founding
from suiden.errors import NotPossibleHere


def found_utility(conn: Connection[TupleRow], *, code: str, **settings: object) -> None:
    registry.found_utility(
        conn, code=code, name=code, time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings=settings
    )
    conn.commit()


def test_a_real_utility_is_neither_emptied_nor_hurried(
    database_url: str, conn: Connection[TupleRow], tmp_path: Path
) -> None:
    found_utility(conn, code=founding.UTILITY_CODE)
    with pytest.raises(NotPossibleHere, match="not the demo's"):
        founding.found(database_url, say=lambda _: None)
    clock.set_time(conn, utility_now=clock.wall_now(), rate=1.0, running=True)
    conn.commit()
    ended = subprocess.run(
        [sys.executable, "-m", "suiden.cli", "demo", "--port", "0"],
        env={
            **os.environ,
            "DATABASE_URL": database_url,
            "MQTT_URL": "mqtt://127.0.0.1:1",
            "SUIDEN_DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout
    assert "not the demo's" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [utility.code for utility in registry_queries.utilities(conn)] == [founding.UTILITY_CODE]
    assert clock.load(conn).rate == 1.0


def test_the_tables_of_another_program_are_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
        founding.refuse_what_is_not_the_demos(conn)
        conn.execute("CREATE TABLE invoice (invoice_id bigint)")
        with pytest.raises(NotPossibleHere, match="not Suiden's"):
            founding.refuse_what_is_not_the_demos(conn)


def test_what_an_interrupted_founding_left_is_the_demos(conn: Connection[TupleRow]) -> None:
    found_utility(conn, code=founding.UTILITY_CODE, demo=True)
    founding.refuse_what_is_not_the_demos(conn)
