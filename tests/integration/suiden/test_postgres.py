"""The PostgreSQL we start: it keeps what was committed, comes back after a kill, and ends with us."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from suiden.embedded.child import NotTheMainThread
from suiden.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresUnusable

pytestmark = pytest.mark.store


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir=tmp_path_factory.mktemp("server"), durable=False)
    yield server
    server.stop()
    subprocess.run(["rm", "-rf", str(server.folder)], check=True)


def is_running(pid: int) -> bool:
    """Tell whether the process is there and has not ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_was_committed_survives_a_kill_of_the_server(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start()) as conn:
        conn.execute("CREATE TABLE kept (number int)")
        conn.execute("INSERT INTO kept VALUES (17)")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.01)
    with psycopg.connect(server.start()) as conn:
        assert conn.execute("SELECT number FROM kept").fetchall() == [(17,)]


def test_a_second_server_on_the_same_files_is_refused(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    second = EmbeddedPostgres(data_dir=server.folder, durable=False)
    monkeypatch.setattr("suiden.embedded.postgres.STOPPING_TIMEOUT_S", 0.2)
    with pytest.raises(EmbeddedPostgresUnusable, match=f"process id {server.pid}"):
        second.start()


def test_a_password_is_asked_for(server: EmbeddedPostgres) -> None:
    without = server.start().split("@")[1]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres@{without}", connect_timeout=5)


def test_the_server_ends_when_its_parent_is_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("orphan")
    program = (
        "import time; from pathlib import Path; from suiden.embedded.postgres import EmbeddedPostgres\n"
        f"server = EmbeddedPostgres(data_dir=Path({str(folder)!r}), durable=False)\n"
        "server.start(); print(server.pid, server.folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told_pid, real_folder = parent.stdout.readline().split()
        pid = int(told_pid)
        assert is_running(pid)
        parent.kill()
    deadline_s = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline_s, "PostgreSQL outlives the process that started it"
        time.sleep(0.05)
    subprocess.run(["rm", "-rf", real_folder], check=True)


def test_a_thread_may_not_start_it(server: EmbeddedPostgres) -> None:
    refused: list[Exception] = []

    def start() -> None:
        try:
            server.start()
        except NotTheMainThread as error:
            refused.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(refused) == 1


def test_a_test_has_a_migrated_database_of_its_own(conn: Connection[TupleRow]) -> None:
    conn.execute("CREATE TABLE only_here (number int)")
    conn.commit()
    tables = conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables is not None
    assert tables[0] > 5
