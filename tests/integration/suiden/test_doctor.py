"""The doctor tells how each part is, with a cure for what is not well."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel import clock
from kernel.heartbeat import beat
from suiden import doctor
from suiden.doctor import Finding
from suiden.errors import NotPossibleHere

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_else_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look at the servers of the test only, not at those of a demo that may run from this folder."""
    for name in ("DATABASE_URL", "MQTT_URL", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUIDEN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PORT", "1")


def by_part(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.part: finding for finding in findings}


def examined(database_url: str, *, part: str) -> Finding:
    """Ask for one part, as health checks do."""
    os.environ["DATABASE_URL"] = database_url
    (finding,) = doctor.examine(part=part)
    return finding


def test_on_a_fresh_database_what_is_missing_has_a_cure(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("MQTT_URL", broker_url)
    findings = doctor.examine()
    states = {finding.part: finding.state for finding in findings}
    assert states == {
        "assets": "well", "disk": "well", "database": "well", "schema": "well", "clock": "ill", "gateway": "ill",
        "checker": "ill", "scheduler": "ill", "events": "well", "books": "unknown", "broker": "well", "web": "ill",
    }  # fmt: skip
    assert set(states) == set(doctor.PARTS)
    for finding in findings:
        assert bool(finding.cure) != finding.is_well, f"{finding} has a cure exactly when it needs one"
    assert "suiden found" in by_part(findings)["clock"].cure


def test_without_servers_it_says_so_and_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT")
    findings = by_part(doctor.examine())
    assert {findings[part].state for part in ("database", "broker", "web")} == {"ill"}
    assert "DATABASE_URL" in findings["database"].cure


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "not an address"])
def test_a_part_that_cannot_be_looked_at_is_not_called_well(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    (finding,) = doctor.examine(part="gateway")
    assert (finding.part, finding.state) == ("gateway", "unknown")
    assert finding.seen.startswith("database: ")
    assert "DATABASE_URL" in finding.cure


def test_a_part_that_does_not_exist_is_refused() -> None:
    with pytest.raises(NotPossibleHere, match="scheduler"):
        doctor.examine(part="gatway")


@pytest.mark.parametrize("part", doctor.PROCESSES)
def test_a_process_is_well_while_it_is_heard_and_complains_of_nothing(
    database_url: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    with psycopg.connect(database_url, autocommit=True) as conn:
        beat(conn, process=part, health={"waiting": 0, "fine": True}, wall_now=clock.wall_now())
        assert examined(database_url, part=part).is_well
        beat(conn, process=part, health={"broker_connected": False}, wall_now=clock.wall_now())
        assert "broker_connected" in examined(database_url, part=part).seen
        beat(conn, process=part, health={}, wall_now=clock.wall_now() - timedelta(minutes=1))
        assert "silent" in examined(database_url, part=part).seen


def test_each_worker_of_the_gateway_is_a_finding_and_one_can_be_asked_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    with psycopg.connect(database_url, autocommit=True) as conn:
        beat(conn, process="gateway:1", health={}, wall_now=clock.wall_now())
        beat(conn, process="gateway:2", health={}, wall_now=clock.wall_now() - timedelta(minutes=1))
    states = {finding.part: finding.state for finding in doctor.examine(part="gateway")}
    assert states == {"gateway:1": "well", "gateway:2": "ill"}
    assert examined(database_url, part="gateway:1").is_well
    assert "--drain" in examined(database_url, part="gateway:2").cure
    missing = examined(database_url, part="gateway:3")
    assert (missing.part, missing.state, missing.seen) == ("gateway:3", "ill", "never seen")
    with pytest.raises(NotPossibleHere):
        doctor.examine(part="checker:1")


def test_a_process_that_need_not_be_is_a_finding_once_it_was_seen(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert "home" not in by_part(doctor.examine())
    assert examined(database_url, part="home").seen == "never seen"
    with psycopg.connect(database_url, autocommit=True) as conn:
        beat(conn, process="home", health={}, wall_now=clock.wall_now() - timedelta(minutes=1))
    assert by_part(doctor.examine())["home"].state == "ill"


def test_a_database_without_our_schema_is_told_to_be_migrated(
    database_server: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_server)
    findings = by_part(doctor.examine(part="schema"))
    assert findings["schema"].state == "ill"
    assert "suiden migrate" in findings["schema"].cure


def test_time_that_stands_still_is_ill(
    conn: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    clock.set_time(conn, utility_now=NOW, rate=1.0, running=False)
    conn.commit()
    assert "stands still" in examined(database_url, part="clock").seen
    clock.set_time(conn, utility_now=NOW, rate=1.0, running=True)
    conn.commit()
    assert examined(database_url, part="clock").is_well


@pytest.mark.parametrize(("part", "code"), [("schema", 0), ("clock", 1)])
def test_the_command_prints_json_and_says_by_its_exit_code_whether_all_is_well(
    database_url: str, part: str, code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "suiden.cli", "doctor", "--json", "--part", part],
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (finding,) = json.loads(ended.stdout)
    assert set(finding) == {"part", "state", "seen", "cure"}
    assert finding["part"] == part
    assert ended.returncode == code
