"""`suiden rejects`: refused messages are found, shown whole, and sent through again."""

import json
from datetime import timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.store import rejects
from suiden.cli import app
from suiden.errors import NotPossibleHere
from tests import gateway_town as town

pytestmark = pytest.mark.store

TOPIC = "suiden/v1/hinode/C-1/up"
HOUR = timedelta(hours=1)


def reading(serial: str, *, register: int = 7) -> bytes:
    return b'{"readings":[{"meter":"%s","at":"2026-04-01T00:15:00Z","register":%d}]}' % (serial.encode(), register)


@pytest.fixture
def founded(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A utility whose meter W-NEW was not known when it first spoke, and is now; W-NONE is not known yet."""
    with psycopg.connect(database_url) as conn:
        town.found(conn)
        for hours, refusal in (
            (0, Refusal(1, TOPIC, reading("W-NEW"), "unknown_meter", "no meter has the serial 'W-NEW'")),
            (1, Refusal(1, TOPIC, reading("W-NONE"), "unknown_meter", "no meter has the serial 'W-NONE'", 3)),
            (2, Refusal(1, "suiden/v1/hinode/C-2/up", b"\x00\x01\xfe\xff", "malformed", "no [JSON]\x1b[31m")),
            (3, Refusal(None, "else/where", b"hello", "unknown_topic", "no decoder knows this topic")),
        ):
            rejects.keep(conn, refusals=[refusal], at=town.START + hours * HOUR)
        conn.execute("UPDATE meter SET serial = 'W-NEW' WHERE serial = 'W-0002'")
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["rejects", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def numbers(*arguments: str) -> list[int]:
    return [one["reject_id"] for one in json.loads(run("list", "--json", *arguments))["rejects"]]


def test_refused_messages_are_listed_the_last_first_and_told_how_many_are_kept(founded: str) -> None:
    told = run("list")
    assert told.index("malformed") < told.index("W-NONE") < told.index("W-NEW")
    assert "2 2026-04-01 13:00 unknown_meter ×3 suiden/v1/hinode/C-1/up" in told
    assert "3 listed; kept: 3 with" in told
    assert "of which 3 were not sent again yet" in told
    assert "\x1b" not in told.replace("\x1b[0m", ""), "what came in moves nobody's cursor"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], [3, 2, 1]),
        (["--limit", "1"], [3]),
        (["--reason", "unknown_meter"], [2, 1]),
        (["--topic", "/C-2/"], [3]),
        (["--since", "2026-04-01 13:00"], [3, 2]),
        (["--until", "2026-04-01T04:00:00Z"], [1]),
        (["--since", "2026-04-02"], []),
        (["--no-utility"], [4]),
    ],
)
def test_the_list_is_narrowed_by_reason_topic_and_time(founded: str, arguments: list[str], expected: list[int]) -> None:
    assert numbers(*arguments) == expected


def test_one_is_shown_whole(founded: str) -> None:
    told = run("show", "1")
    assert "suiden/v1/hinode/C-1/up" in told
    assert reading("W-NEW").decode() in told
    assert "sent again not yet" in told
    assert "00 01 fe ff" in run("show", "3")
    assert json.loads(run("show", "3", "--json"))["payload_hex"] == "0001feff"
    assert CliRunner().invoke(app, ["rejects", "show", "3", "--raw"]).stdout_bytes == b"\x00\x01\xfe\xff"
    assert "hello" in run("show", "4", "--no-utility")
    assert isinstance(CliRunner().invoke(app, ["rejects", "show", "4"]).exception, NotPossibleHere)


def test_those_chosen_are_sent_again_the_oldest_first_and_each_says_what_became_of_it(founded: str) -> None:
    told = json.loads(run("replay", "--reason", "unknown_meter", "--json", code=3))
    assert told == [
        {"reject_id": 1, "stored": 1, "duplicates": 0, "rejected": 0},
        {"reject_id": 2, "stored": 0, "duplicates": 0, "rejected": 1},
    ]
    assert numbers("--waiting") == [3]
    assert run("replay", "1").startswith("1 0 stored, 1 had been stored before, none refused")
    with psycopg.connect(founded) as conn:
        assert conn.execute("SELECT count(*) FROM reading").fetchone() == (1,)
        entries = conn.execute("SELECT action, object_id FROM audit_entry ORDER BY audit_id").fetchall()
    assert entries == [("reject.replay", "1"), ("reject.replay", "2"), ("reject.replay", "1")]


def test_one_that_cannot_be_sent_does_not_keep_the_others_back(founded: str) -> None:
    told = run("replay", "99", "3", "1", code=3)
    assert "99 not sent: this utility has no refused message 99" in told
    assert "3 not sent: message 3 still cannot be read" in told
    assert "1 1 stored" in told


def test_a_register_that_fell_is_stored_when_somebody_says_that_it_is_true(founded: str) -> None:
    with psycopg.connect(founded) as conn:
        meter_id = town.meter_id(conn, "W-0003")
        conn.execute(
            "INSERT INTO meter_latest (utility_id, meter_id, read_at, received_at, register)"
            " VALUES (1, %s, '2026-04-01T00:00:00Z', '2026-04-01T00:00:00Z', 500000000)",
            [meter_id],
        )
        refusal = Refusal(1, TOPIC, reading("W-0003"), "register_backwards", "the register fell")
        rejects.keep(conn, refusals=[refusal], at=town.START)
    assert "1 refused again" in run("replay", "5", code=3)
    assert "1 stored" in run("replay", "5", "--accept-backwards")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "say which"),
        (["replay", "1", "--all"], "not both"),
        (["list", "--reason", "bad_luck"], "is none of clock_ahead"),
        (["list", "--since", "soon"], "--since: the time is 'soon'"),
    ],
)
def test_what_cannot_be_meant_is_asked_again(founded: str, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["rejects", *arguments])
    assert isinstance(result.exception, NotPossibleHere)
    assert words in str(result.exception)


def test_nothing_that_waits_is_said(founded: str) -> None:
    assert "no message that waits is like that" in run("replay", "--reason", "too_old")
