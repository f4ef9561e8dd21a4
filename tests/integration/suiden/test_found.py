"""A real utility is founded on a fresh database, and its administrator can sign in."""

import os
import subprocess
import sys

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import clock
from kernel.database import Scope, enter_scope
from registry import operations as registry
from registry import queries as registry_queries
from registry.operations import NewSession

PASSWORD = "long enough to be one"


def found(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "suiden.cli", "found", *arguments],
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_administrator_of_a_new_utility_can_sign_in(database_url: str, conn: Connection[TupleRow]) -> None:
    ended = found(database_url, "kawa", "Kawa Water", "--locale", "en", "--password", PASSWORD)
    assert ended.returncode == 0, ended.stderr
    utility = registry_queries.utility(conn, code="kawa")
    assert (utility.name, utility.currency, utility.locale, utility.zone.key) == (
        "Kawa Water",
        "JPY",
        "en",
        "Asia/Tokyo",
    )
    enter_scope(conn, scope=Scope(utility.utility_id, "test", clock.wall_now()))
    session = registry.sign_in(
        conn,
        utility_id=utility.utility_id,
        login_name="admin",
        password=PASSWORD,
        remote_address="127.0.0.1",
        wall_now=clock.wall_now(),
    )
    assert isinstance(session, NewSession)
    signed_in = registry.session(conn, token=session.token, wall_now=clock.wall_now())
    assert signed_in is not None
    assert "login.manage" in signed_in.rights
    assert clock.load(conn).rate == 1.0, "time runs as on the wall"
    codes = {
        row[0]
        for row in conn.execute("SELECT tariff_code FROM tariff_version WHERE utility_id = %s", [utility.utility_id])
    }
    assert codes >= {"jp-tokyo", "jp-tepco-b"}


def test_a_code_that_is_taken_and_a_password_that_is_none_are_refused_in_a_line(database_url: str) -> None:
    assert found(database_url, "kawa", "Kawa Water", "--password", PASSWORD).returncode == 0
    for arguments, told in (
        (("kawa", "Kawa Water", "--password", PASSWORD), "kawa"),
        (("yama", "Yama", "--password", ""), "password"),
    ):
        ended = found(database_url, *arguments)
        assert ended.returncode == 1
        assert "Traceback" not in ended.stderr
        assert told in ended.stderr
    with psycopg.connect(database_url) as conn:
        assert [utility.code for utility in registry_queries.utilities(conn)] == ["kawa"]
