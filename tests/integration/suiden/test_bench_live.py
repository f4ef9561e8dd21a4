"""`suiden bench live`, very small: real processes, a real broker, real streams, and nothing left behind."""

from pathlib import Path

import psutil

from suiden.bench import rig as rigs
from suiden.bench.live import run_live


def test_every_reading_is_stored_and_shown_and_nothing_stays_behind() -> None:
    said: list[str] = []
    before = set(psutil.Process().children(recursive=True))
    with rigs.servers() as rig:
        figures = run_live(
            rig, rate_per_s=20, duration_s=2, viewers=3, consoles=1, meters=4, warm_s=0.5, say=said.append
        )
    assert figures.published == figures.stored == 50
    assert figures.never_shown == 0
    assert 0 < figures.commit_ms_p50 <= figures.commit_ms_p95
    assert 0 < figures.screen_ms_p50 <= figures.screen_ms_p99 < 20_000
    assert figures.console_ms_p50 > 0
    assert figures.asked["/home?fragment=use"] > 0
    assert not [name for name in figures.asked if "lost" in name or "answer" in name or ": " in name], figures.asked
    assert not Path(rig.folder).exists()
    after = set(psutil.Process().children(recursive=True))
    assert [one.cmdline() for one in after - before if _is_of_the_benchmark(one)] == []


def _is_of_the_benchmark(process: psutil.Process) -> bool:
    return any(word in part for part in process.cmdline() for word in ("suiden.cli", "bench.live"))
