"""Connections are given out by a pool that does not wait for ever."""

import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from kernel import database


def backend_of(pool: database.Pool) -> int:
    with pool.connection() as conn:
        return conn.info.backend_pid


def test_a_server_process_that_is_stopped_and_not_dead_is_left_for_another(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECK_TIMEOUT_S", 0.3)
    with database.open_pool(database_url, role="suiden_worker", process="test", max_size=1) as pool:
        stopped = backend_of(pool)
        assert b"postgres" in Path(f"/proc/{stopped}/cmdline").read_bytes(), "the server runs on this machine"
        os.kill(stopped, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            assert backend_of(pool) != stopped
            assert time.monotonic() - began_s < 5
        finally:
            os.kill(stopped, signal.SIGCONT)


def test_a_connection_that_broke_is_left_for_another(database_url: str) -> None:
    with database.open_pool(database_url, role="suiden_worker", process="test", max_size=1) as pool:
        broken = backend_of(pool)
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute("SELECT pg_terminate_backend(%s, 5000)", [broken])
        assert backend_of(pool) != broken


def test_a_connection_that_works_is_given_out_again(database_url: str) -> None:
    with database.open_pool(database_url, role="suiden_worker", process="test", max_size=1) as pool:
        assert backend_of(pool) == backend_of(pool)
