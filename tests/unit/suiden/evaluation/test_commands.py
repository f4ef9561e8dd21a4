"""`suiden anomaly evaluate` and `score`: a set in, tickets and a table out."""

import json

import pytest
from typer.testing import CliRunner

from suiden.anomaly_commands import commands
from suiden.evaluation import folder as folders
from suiden.evaluation import run
from suiden.evaluation.trouble import FoundTooEarly
from tests.unit.ingest_gateway.checking.fleet import in_order
from tests.unit.suiden.evaluation.sets import T0, power, water, write

SLOT = 900
OUTAGE = range(2 * 96 + 40, 2 * 96 + 60)


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    """Three days of four meters; the transformer of two of them goes out on the last, and both send a last gasp."""
    folder = tmp_path_factory.mktemp("set")
    waters = [water("W1", T0 + n * SLOT, volume=10 * n, flow=40) for n in range(3 * 96)]
    powers = [
        power(meter, T0 + n * SLOT, wh=50 * n, volts=(0.0, None, None) if n in OUTAGE else (230.0 + n % 3, None, None))
        for meter in ("E1", "E2")
        for n in range(3 * 96)
        if n not in OUTAGE or n == OUTAGE[0]
    ]
    return write(folder, waters=waters, powers=powers)


def test_the_tickets_of_a_set_are_written_and_judged(small_set, tmp_path):
    tickets, figures = tmp_path / "tickets.jsonl", tmp_path / "figures.json"
    result = CliRunner().invoke(
        commands, ["evaluate", str(small_set), "--out", str(tickets), "--json", str(figures), "--details"]
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in tickets.read_text().splitlines()]
    assert [(line["kind"], line["zone"], line["site"]) for line in lines] == [("outage", "B-T1", "B")]
    assert lines[0]["opened_at"] >= lines[0]["since"]
    assert "tickets that are right" in result.output
    told = json.loads(figures.read_text())["summary"]
    assert (told["tickets"], told["false_alarms"], told["events"]) == (1, 1, 0)
    again = CliRunner().invoke(commands, ["score", str(small_set), str(tickets)])
    assert again.exit_code == 0, again.output


def test_the_batch_changes_no_ticket(small_set):
    given = folders.read(small_set)
    by_one, by_many = (run.evaluate(given, batch=batch, say=lambda _: None).tickets for batch in (7, 100_000))
    assert by_one == by_many


def test_a_finding_from_the_future_stops_the_evaluation(small_set, monkeypatch):
    given = folders.read(small_set)
    found = run.evaluate(given, batch=1000, say=lambda _: None).findings
    monkeypatch.setattr(run.Checker, "take", lambda *_, **__: list(found))
    with pytest.raises(FoundTooEarly, match="outage"):
        run.evaluate(given, batch=100, say=lambda _: None)


def test_readings_of_a_set_are_taken_as_they_arrived(small_set):
    given = folders.read(small_set)
    assert (in_order(given.arrivals).row == given.arrivals.row).all()
