"""Two gateway workers that share the messages of all meters, beside one; and one of the two killed under load."""

import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from ingest_gateway.domain.decoders import DEFAULT_BRIDGES, subscriptions
from suiden.bench import backlog, ingest, loads, store
from suiden.bench import rig as rigs
from suiden.bench.live.processes import Processes
from suiden.bench.loads import Load
from suiden.bench.rig import Rig

GROUP = "bench"
WORKERS = ("1", "2")


@dataclass(frozen=True, slots=True)
class SharedFigures:
    """Readings a second of one worker and of two, and what a killed worker cost."""

    one_per_s: float
    two_per_s: float
    lost: int
    doubled: int

    @property
    def ratio(self) -> float:
        return self.two_per_s / self.one_per_s

    def as_json(self) -> dict[str, Any]:
        return {"readings_per_s": round(self.two_per_s), "ratio_one_worker": round(self.ratio, 2), **asdict(self)}


def measure(rig: Rig, *, messages: int, meters: int, runs: int, say: Callable[[str], None]) -> SharedFigures:
    """Measure one worker and two in turn, then kill one of two."""
    ingest.found_once(rig, meters=meters)
    load = loads.of_meters("share2", readings=messages, meters=meters)
    one: list[float] = []
    two: list[float] = []
    for run in range(runs):
        say(f"run {run + 1} of {runs}: one worker of a share group")
        one.append(_through_workers(rig, load, workers=WORKERS[:1]))
        say(f"run {run + 1} of {runs}: two workers of a share group")
        two.append(_through_workers(rig, load, workers=WORKERS))
    say("two workers, of which one is killed under load and comes back")
    _through_workers(rig, load, workers=WORKERS, kill=True)
    with psycopg.connect(rig.database_url) as conn:
        rows, keys = store.readings_stored(conn)
    return SharedFigures(
        one_per_s=statistics.median(one),
        two_per_s=statistics.median(two),
        lost=load.stored - keys,
        doubled=rows - keys,
    )


def _client(worker: str) -> str:
    return f"{ingest.CLIENT}-{worker}"


def _through_workers(rig: Rig, load: Load, *, workers: tuple[str, ...], kill: bool = False) -> float:
    """Take a load in that is published while the workers run, as the broker shares only with those that are there."""
    rigs.empty_intake(rig)
    processes = Processes(
        folder=rig.folder,
        environment={
            "DATABASE_URL": rig.database_url,
            "MQTT_URL": rig.mqtt_url,
            "SUIDEN_GATEWAY_ID": ingest.CLIENT,
            "SUIDEN_GATEWAY_SHARE": GROUP,
        },
    )
    try:
        for worker in workers:
            topics = [f"$share/{GROUP}/{topic}" for topic in subscriptions(DEFAULT_BRIDGES)]
            backlog.hold_for(rig.mqtt_url, client_id=_client(worker), subscriptions=topics)
        backlog.publish(rig.mqtt_url, load.messages)
        with psycopg.connect(rig.database_url, autocommit=True) as conn:
            for worker in workers:
                _start(processes, worker)
            if kill:
                time.sleep(2.0)
                processes.kill(f"gateway {WORKERS[0]}", signal.SIGKILL)
                _start(processes, WORKERS[0], name="gateway again")
            names = [f"gateway {worker}" for worker in workers[int(kill) :]]
            return ingest.watch(
                conn, load, before=(0, 0, 0), is_running=lambda: all(map(processes.is_running, names)), exact=not kill
            )
    finally:
        processes.stop()
        for worker in workers:
            backlog.forget(rig.mqtt_url, client_id=_client(worker))


def _start(processes: Processes, worker: str, *, name: str | None = None) -> None:
    processes.start(
        name or f"gateway {worker}", "-m", "suiden.cli", "gateway", environment={"SUIDEN_GATEWAY_WORKER": worker}
    )
