"""`suiden import readings`: a trial first, then once, with a report of what was refused."""

import csv
import json
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import DeadlockDetected
from typer.testing import CliRunner

from ingest_gateway import queries
from ingest_gateway.operations import FileTaken
from suiden import import_commands
from suiden.cli import app
from suiden.errors import NotPossibleHere
from suiden.import_commands import neutral
from tests import gateway_town as town

pytestmark = pytest.mark.store

GOOD = "W-0001,2026-04-01 09:00,5"
BAD = '=cmd|"/c calc"!A1,2026-04-01 09:00,5'.replace('"', "'")


@pytest.fixture
def founded(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    with psycopg.connect(database_url) as conn:
        town.found(conn)
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


def file_of(folder: Path, *rows: str) -> str:
    path = folder / "april.csv"
    path.write_text("\n".join(["serial,read_at,register", *rows]) + "\n", encoding="utf-8")
    return str(path)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["import", "readings", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def count(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return row[0]


def test_a_trial_shows_what_would_happen_and_stores_nothing(founded: str, tmp_path: Path) -> None:
    told = run(file_of(tmp_path, GOOD, BAD), "--dry-run", code=3)
    assert "april.csv is CSV in utf-8, 2 readings" in told
    assert "1 unknown_meter" in told
    assert "line 3: unknown_meter: no meter has the serial" in told
    assert "Nothing was stored: this was a trial" in told
    assert count(founded) == 0


def test_a_file_is_stored_once_and_the_second_time_says_when_it_came(founded: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, GOOD)
    assert "Stored." in run(path)
    again = run(path)
    assert "this file was imported before, as april.csv by cli:" in again
    assert "on 2026-04-01 03:00 UTC: 1 readings were stored then. Nothing is to be done." in again
    assert json.loads(run(path, "--json"))["stored_now"] is False
    assert count(founded) == 1
    with psycopg.connect(founded) as conn:
        action, object_id = conn.execute("SELECT action, object_id FROM audit_entry").fetchall()[0]
        (imported,) = queries.imported_files(conn, utility_id=1, limit=10)
    assert (action, object_id) == ("readings.import", str(imported.file_id))


def test_the_report_lists_every_refused_line_and_no_spreadsheet_takes_it_for_a_formula(
    founded: str, tmp_path: Path
) -> None:
    rows = [GOOD, *(f"W-N{n},2026-04-01 09:00,5" for n in range(8)), BAD]
    report = tmp_path / "refused.csv"
    told = run(file_of(tmp_path, *rows), "--report", str(report), code=3)
    assert f"all 9 are in {report}" in told
    with report.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["line"] for line in lines] == [str(n) for n in range(3, 12)]
    assert {line["reason"] for line in lines} == {"unknown_meter"}
    assert lines[-1]["text"] == f"'{BAD}"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_begins_like_a_formula_is_made_text(start: str) -> None:
    assert neutral(f"{start}1") == f"'{start}1"
    assert neutral(f"1{start}") == f"1{start}"


def test_with_strict_one_refused_line_keeps_the_file_out(founded: str, tmp_path: Path) -> None:
    told = run(file_of(tmp_path, GOOD, BAD), "--strict", code=1)
    assert "Nothing was stored: with --strict" in told
    assert count(founded) == 0
    assert "Stored." in run(file_of(tmp_path, GOOD), "--strict")


def test_all_of_it_can_be_had_as_json(founded: str, tmp_path: Path) -> None:
    told = json.loads(run(file_of(tmp_path, GOOD, BAD), "--json", code=3))
    assert (told["stored"], told["rejected"], told["reasons"]) == (1, 1, {"unknown_meter": 1})
    assert told["first_refused"][0]["line"] == 3
    assert told["stored_now"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["not-there.csv"], "not-there.csv cannot be read: No such file"),
        (["{file}", "--utility", "nowhere"], "no utility has the code nowhere"),
        (["{file}", "--report", "{file}"], "is the file of readings itself"),
        (["{file}", "--report", "{folder}/no/where.csv"], "cannot be written: No such file"),
    ],
)
def test_what_a_person_can_mend_is_one_line(founded: str, tmp_path: Path, arguments: list[str], words: str) -> None:
    path = file_of(tmp_path, GOOD)
    given = [one.format(file=path, folder=tmp_path) for one in arguments]
    result = CliRunner().invoke(app, ["import", "readings", *given])
    assert isinstance(result.exception, NotPossibleHere)
    assert words in str(result.exception)
    assert count(founded) == 0


def test_what_had_to_give_way_to_the_gateway_is_tried_again_and_then_told() -> None:
    tries: list[int] = []

    def give_way(times: int) -> import_commands._Done:
        tries.append(times)
        if len(tries) <= times:
            raise DeadlockDetected
        return done

    done = import_commands._Done(FileTaken(1, "file/hinode/0", 1, 1, 0, 0, {}, {}), is_kept=True, first=[])
    assert import_commands._try_again(lambda: give_way(2)) is done
    tries.clear()
    with pytest.raises(NotPossibleHere, match="try again later"):
        import_commands._try_again(lambda: give_way(9))
