"""What `suiden bench ingest` writes as JSON: every load with the same four figures, the live one with its waits."""

from dataclasses import fields
from typing import Any

from suiden.bench import ingest_report
from suiden.bench.ingest import Figures, Measured
from suiden.bench.live import LiveFigures
from suiden.bench.shared import SharedFigures

KEYS = {"load", "readings_per_s", "ratio_copy", "ratio_paho"}


def live() -> LiveFigures:
    told: dict[str, Any] = {field.name: 0 for field in fields(LiveFigures)} | {"asked": {}, "processor_share": {}}
    return LiveFigures(**told | {"load": "live5000", "readings_per_s": 5_000.0, "commit_ms_p50": 9.0})


def test_every_load_is_listed_with_its_ratios_and_the_live_one_with_its_waits() -> None:
    figures = [Figures("batch100", [280_000.0], [350_000.0], [28_000.0])]
    report = ingest_report.Report(
        "PostgreSQL", "Mosquitto", 0.5, Measured(figures, 350_000.0, 28_000.0), SharedFigures(1.0, 2.0, 0, 0), live()
    )
    told = {one["load"]: one for one in ingest_report.as_json(report)}
    assert set(told) == {"batch100", "share2", "live5000"}
    assert all(one.keys() >= KEYS for one in told.values())
    assert told["live5000"].keys() >= {"commit_ms_p50", "commit_ms_p95", "screen_ms_p99"}
    assert (told["batch100"]["ratio_copy"], told["live5000"]["ratio_copy"]) == (0.8, 0.014)


def test_the_loads_that_the_goals_name_can_be_asked_for() -> None:
    assert {"batch100", "single", "duplicates2pct", "malformed50pct", "live5000"} <= set(ingest_report.LOADS)
