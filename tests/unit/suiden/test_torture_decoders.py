"""`suiden torture decoders` finds a decoder that fails, and tells how to see it again."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ingest_gateway.domain import decoders
from ingest_gateway.domain.decoders import FORMATS, Bridges
from ingest_gateway.domain.wire import Telegram
from suiden.errors import NotPossibleHere
from suiden.torture import decoder_telling, guided
from suiden.torture.decoders import torture
from suiden.torture_commands import commands

NAMES = [known.name for known in FORMATS]


@pytest.mark.parametrize("name", NAMES)
def test_a_short_torture_finds_nothing(name: str) -> None:
    outcome = torture(name, inputs=600, seed=2026)
    assert not outcome.failures
    assert sum(outcome.outcomes.values()) == outcome.inputs == 600
    # Most are refused, and enough are read for the readings to be looked at.
    assert outcome.outcomes["read"] > 30
    assert len(outcome.outcomes) > 3


def test_the_same_seed_makes_the_same_messages() -> None:
    first, second, other = (torture("tasmota", inputs=300, seed=seed).outcomes for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_a_decoder_that_fails_is_found_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    decode = decoders.decode

    def stumbling(*, topic: str, payload: bytes, bridges: Bridges, max_bytes: int) -> Telegram:
        if b"\xff" in payload:
            raise KeyError("something that nobody thought of")
        return decode(topic=topic, payload=payload, bridges=bridges, max_bytes=max_bytes)

    monkeypatch.setattr(decoders, "decode", stumbling)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outcome = torture("tasmota", inputs=3_000, seed=1)
    assert outcome.failures
    assert all(b"\xff" in failure.payload for failure in outcome.failures)
    console = Console(record=True, width=200)
    assert not decoder_telling.conclude([outcome], seed=1, report=tmp_path / "report.json", console=console)
    assert "something that nobody thought of" in console.export_text()
    (kept,) = tmp_path.glob("suiden-decoders-*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [bytes.fromhex(line["hex"]) for line in lines] == [failure.payload for failure in outcome.failures]
    assert json.loads((tmp_path / "report.json").read_text())[0]["failed"] == len(outcome.failures)


def test_the_command_tells_how_it_went() -> None:
    done = CliRunner().invoke(commands, ["decoders", "--inputs", "50", "--format", "shelly", "--format", "csv"])
    assert done.exit_code == 0, done.output
    assert "100 messages of seed 1: each became a telegram or a reason" in done.output


@pytest.mark.skipif(find_spec("atheris") is not None, reason="atheris is installed here")
def test_guiding_says_what_it_needs() -> None:
    with pytest.raises(NotPossibleHere, match="pip install atheris"):
        guided.torture("csv", inputs=10, seed=1)
