"""Intake beside what the machine can do: raw COPY, and paho that does nothing with what it receives."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg

from ingest_gateway.domain.columns import Columns
from ingest_gateway.domain.decoders import DEFAULT_BRIDGES, subscriptions
from ingest_gateway.domain.packing import HEADER, TRAILER, pack_columns
from suiden.bench import backlog, loads, store
from suiden.bench import rig as rigs
from suiden.bench.live.processes import Processes
from suiden.bench.loads import Load
from suiden.bench.rig import Rig

ROWS_A_COMMIT = 5_000
CLIENT = "bench-gateway"
BARE = "bench-paho"
POLL_S = 0.02
PATIENCE_S = 180.0

# The fallback for a release of paho that was not looked at.
SETTINGS = {"plain_paho": {"SUIDEN_GATEWAY_PLAIN_MQTT": "true"}}

Say = Callable[[str], None]


class CountsWrong(Exception):
    """The gateway did not make of a load what had to become of it."""


@dataclass(slots=True)
class Figures:
    """What was measured of a load, in readings a second, by run."""

    load: str
    gateway: list[float] = field(default_factory=list[float])
    copy: list[float] = field(default_factory=list[float])
    paho: list[float] = field(default_factory=list[float])

    @property
    def readings_per_s(self) -> float:
        return statistics.median(self.gateway)

    @property
    def ratio_copy(self) -> float:
        return self.readings_per_s / statistics.median(self.copy)

    @property
    def ratio_paho(self) -> float:
        return self.readings_per_s / statistics.median(self.paho)

    def as_json(self) -> dict[str, Any]:
        return {
            "load": self.load,
            "readings_per_s": round(self.readings_per_s),
            "ratio_copy": round(self.ratio_copy, 3),
            "ratio_paho": round(self.ratio_paho, 2),
            "spread": round((max(self.gateway) - min(self.gateway)) / self.readings_per_s, 3),
            "copy_rows_per_s": round(statistics.median(self.copy)),
            "paho_messages_per_s": round(statistics.median(self.paho)),
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of all loads; the references are medians over all runs of all loads."""

    figures: list[Figures]
    copy_per_s: float
    paho_per_s: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is loaded in one run of a load."""

    batched: int  # readings in messages of a hundred
    single: int  # messages of one reading
    meters: int


def measure(rig: Rig, *, sizes: Sizes, runs: int, only: Sequence[str], say: Say) -> Measured:
    """Measure each load in alternating runs with the references; these alone where none of the loads is wanted."""
    found_once(rig, meters=sizes.meters)
    made = [make() for name, make in _loads(sizes).items() if not only or name in only]
    figures = {load.name: Figures(load.name) for load in made}
    with psycopg.connect(rig.database_url) as conn:
        meter_ids = store.meter_ids(conn)
    packed = _packed(sizes, meter_ids=meter_ids)
    bare = loads.of_meters("bare", readings=sizes.single // 2, meters=sizes.meters)
    copies: list[float] = []
    pahos: list[float] = []
    for run in range(runs):
        for load in made or [None]:
            name = "" if load is None else f": {load.name}"
            say(f"run {run + 1} of {runs}{name}, the references")
            copies.append(raw_copy(rig, packed))
            pahos.append(bare_paho(rig, bare))
            if load is None:
                continue
            one = figures[load.name]
            one.copy.append(copies[-1])
            one.paho.append(pahos[-1])
            say(f"run {run + 1} of {runs}{name}, the gateway")
            one.gateway.append(through_gateway(rig, load, settings=SETTINGS.get(load.name)))
    return Measured(list(figures.values()), statistics.median(copies), statistics.median(pahos))


def found_once(rig: Rig, *, meters: int) -> None:
    """Found the utility unless it is there."""
    with psycopg.connect(rig.database_url) as conn:
        meters_there = store.meter_ids(conn)
    if not meters_there:
        rigs.found(rig, meters=meters)


def names() -> list[str]:
    """Name the loads."""
    return list(_loads(Sizes(0, 0, 0)))


def _loads(sizes: Sizes) -> dict[str, Callable[[], Load]]:
    def batched(name: str, spoil: loads.Spoil | None = None) -> Callable[[], Load]:
        return lambda: loads.of_concentrators(name, readings=sizes.batched, meters=sizes.meters, spoil=spoil)

    def single(name: str, malformed_every: int = 0) -> Callable[[], Load]:
        return lambda: loads.of_meters(
            name, readings=sizes.single, meters=sizes.meters, malformed_every=malformed_every
        )

    return {
        "batch100": batched("batch100"),
        "single": single("single"),
        "plain_paho": single("plain_paho"),
        "duplicates2pct": batched("duplicates2pct", loads.with_duplicates(2)),
        "malformed50pct": batched("malformed50pct", loads.with_malformed(2)),
        "malformed50pct_single": single("malformed50pct_single", 2),
    }


def raw_copy(rig: Rig, parts: list[bytes]) -> float:
    """Copy packed rows straight into the table over one connection, each part a commit; return rows a second."""
    rigs.empty_intake(rig)
    rows = ROWS_A_COMMIT * len(parts)
    with psycopg.connect(rig.database_url) as conn:
        began_s = time.perf_counter()
        for part in parts:
            with conn.cursor() as cursor, cursor.copy("COPY reading FROM STDIN (FORMAT BINARY)") as stream:
                stream.write(part)
            conn.commit()
        return rows / (time.perf_counter() - began_s)


def bare_paho(rig: Rig, load: Load) -> float:
    """Receive messages that wait with paho as it comes; return messages a second."""
    backlog.hold_for(rig.mqtt_url, client_id=BARE, subscriptions=["suiden/v1/+/+/up"], is_v5=False)
    backlog.publish(rig.mqtt_url, load.messages)
    rate = backlog.receive_with_bare_paho(rig.mqtt_url, client_id=BARE, count=len(load.messages))
    backlog.forget(rig.mqtt_url, client_id=BARE)
    return rate


def through_gateway(rig: Rig, load: Load, *, settings: dict[str, str] | None = None, is_empty: bool = True) -> float:
    """Let a load wait for a gateway process, and take it in; return readings stored a second.

    It is measured from the first commit that is seen to the last, so that the start of the process is not in it.

    :raises CountsWrong: if not all became what it had to
    """
    if is_empty:
        rigs.empty_intake(rig)
    backlog.hold_for(rig.mqtt_url, client_id=CLIENT, subscriptions=subscriptions(DEFAULT_BRIDGES))
    backlog.publish(rig.mqtt_url, load.messages)
    environment = {"DATABASE_URL": rig.database_url, "MQTT_URL": rig.mqtt_url, "SUIDEN_GATEWAY_ID": CLIENT}
    processes = Processes(folder=rig.folder, environment={**environment, **(settings or {})})
    try:
        with psycopg.connect(rig.database_url, autocommit=True) as conn:
            before = store.taken_in(conn)
            processes.start("gateway", "-m", "suiden.cli", "gateway")
            rate = watch(conn, load, before=before, is_running=lambda: processes.is_running("gateway"))
    finally:
        processes.stop()
    backlog.forget(rig.mqtt_url, client_id=CLIENT)
    return rate


def watch(
    conn: psycopg.Connection[Any],
    load: Load,
    *,
    before: tuple[int, int, int],
    is_running: Callable[[], bool],
    exact: bool = True,
) -> float:
    """Watch a load being taken in; return readings stored a second. Without `exact` some may come twice.

    :raises CountsWrong: if not all became what it had to
    """
    wanted = (load.stored, load.duplicates, load.rejected)
    first: tuple[float, int] | None = None
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        now = store.taken_in(conn)
        at_s = time.perf_counter()
        done = tuple(after - earlier for after, earlier in zip(now, before, strict=True))
        if sum(done) and first is None:
            first = (at_s, sum(done))
        if sum(done) >= load.received and (exact or done[0] >= load.stored) and first is not None:
            break
        if time.monotonic() > deadline_s or not is_running():
            raise CountsWrong(f"{load.name}: stored, duplicates, rejected are {done}, and {wanted} were sent")
        time.sleep(POLL_S)
    if exact and done != wanted:
        raise CountsWrong(f"{load.name}: stored, duplicates, rejected are {done} in place of {wanted}")
    stored_share = load.stored / load.received
    return (load.received - first[1]) * stored_share / (at_s - first[0])


def _packed(sizes: Sizes, *, meter_ids: list[int]) -> list[bytes]:
    """Pack the readings of `batch100` as COPY streams of one commit each."""
    rows = list(loads.rows(readings=sizes.batched, meters=sizes.meters, meter_ids=meter_ids))
    parts: list[bytes] = []
    for start in range(0, len(rows) - ROWS_A_COMMIT + 1, ROWS_A_COMMIT):
        ids, instants, registers = (
            np.array(column) for column in zip(*rows[start : start + ROWS_A_COMMIT], strict=True)
        )
        columns = Columns(
            read_at_us=instants,
            register=registers,
            flow=np.full(len(ids), loads.FLOW_LH),
            pressure_kpa=np.full(len(ids), 301.5),
        )
        parts.append(HEADER + pack_columns(columns, meter_ids=ids, utility_id=1, batch_id=1) + TRAILER)
    return parts
