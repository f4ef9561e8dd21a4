"""From a reading to a ticket in the running system: voltage sags in one zone after another."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psycopg

from kernel import clock
from registry import operations as registry
from registry.book import Book, InstallationRow, MeterRow, PointRow, SenderRow, ZoneRow
from suiden.bench import backlog, store
from suiden.bench.live.figures import percentile
from suiden.bench.live.processes import Processes, is_ready
from suiden.bench.rig import UTILITY, Rig
from suiden.embedded.ports import free_port

ZONE_METERS = 20
RATE = 60.0  # a slot of five minutes is five seconds of the wall
INTERVAL_S = 300
EARLY_S = 30  # half a second of the wall, beside the two that a fast clock is given
LEARNING_SLOTS = 14
SLOTS_BETWEEN = 2  # a zone sags so many slots after the one before: no flood
AFTERWARDS_SLOTS = 6
USUAL_V, SAG_V = 230.0, 196.0
START = datetime(2026, 1, 5, tzinfo=UTC)
PUBLISHED_AFTER_S = 0.1  # of the wall, after a slot's time


@dataclass(frozen=True, slots=True)
class TicketFigures:
    """In seconds of the wall. What decides is the last reading of a zone before its ticket."""

    load: str
    zones: int
    tickets: int
    deciding_to_ticket_p50_s: float
    deciding_to_ticket_p95_s: float
    deciding_to_ticket_max_s: float
    first_low_to_ticket_p50_s: float
    slot_s: float

    def as_json(self) -> dict[str, Any]:
        """Give the figures as a file keeps them."""
        return asdict(self)


def run(rig: Rig, *, zones: int, say: Callable[[str], None]) -> TicketFigures:
    """Let each zone's voltage sag in its turn, and look when its ticket is there.

    :raises LiveImpossible: if a process fails
    """
    with psycopg.connect(rig.database_url) as conn:
        utility_id = registry.found_utility(
            conn, code=UTILITY, name="Bench", time_zone="UTC", currency="JPY", locale="en", settings={}
        )
        registry.load_book(conn, utility_id=utility_id, book=_book(zones))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="suiden-tickets-")))
        port = free_port()
        processes = Processes(folder=folder, environment=_environment(rig, folder=folder, port=port))
        stack.callback(processes.stop)
        with psycopg.connect(rig.database_url) as conn:
            clock.set_time(conn, utility_now=START, rate=RATE, running=True)
        began_s = time.time()
        _start(processes, port=port)
        published = _publish(rig, zones=zones, began_s=began_s, say=say)
        with psycopg.connect(rig.database_url) as conn:
            opened = {code: at.timestamp() for code, at in store.tickets_written(conn)}
    return _figures(published, opened, zones=zones)


def _environment(rig: Rig, *, folder: Path, port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": rig.database_url,
        "MQTT_URL": rig.mqtt_url,
        "SUIDEN_UTILITY": UTILITY,
        "SUIDEN_DATA_DIR": str(folder),
        "SUIDEN_CHECKER_EARLY_S": str(EARLY_S),
        "SUIDEN_GATEWAY_METRICS_PORT": str(port),
    }


def _start(processes: Processes, *, port: int) -> None:
    for name in ("gateway", "checker"):
        processes.start(name, "-m", "suiden.cli", name)
    processes.wait_for(lambda: is_ready(port), what="the gateway was not ready")


def _publish(rig: Rig, *, zones: int, began_s: float, say: Callable[[str], None]) -> dict[int, dict[str, list[float]]]:
    """Publish slot after slot as time passes; give for each slot when each zone's readings left, and which were low."""
    random = np.random.default_rng(7)
    slot_s = INTERVAL_S / RATE
    first = int((time.time() - began_s) // slot_s) + 2
    last = first + LEARNING_SLOTS + zones * SLOTS_BETWEEN + AFTERWARDS_SLOTS
    published: dict[int, dict[str, list[float]]] = {zone: {"all": [], "low": []} for zone in range(zones)}
    for slot in range(first, last):
        time.sleep(max(0.0, began_s + slot * slot_s + PUBLISHED_AFTER_S - time.time()))
        say(f"slot {slot - first + 1} of {last - first}")
        low = [slot >= first + LEARNING_SLOTS + zone * SLOTS_BETWEEN for zone in range(zones)]
        volts = random.normal(np.where(low, SAG_V, USUAL_V)[:, None], 0.6, (zones, ZONE_METERS))
        now_s = time.time()
        backlog.publish(rig.mqtt_url, [_message(zone, slot - first + 1, slot, volts[zone]) for zone in range(zones)])
        for zone in range(zones):
            published[zone]["all"].append(now_s)
            if low[zone]:
                published[zone]["low"].append(now_s)
    return published


def _message(
    zone: int, number: int, slot: int, volts: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> tuple[bytes, bytes]:
    at = (START + timedelta(seconds=slot * INTERVAL_S)).isoformat()
    readings = [
        {"meter": _serial(zone, meter), "at": at, "register": 1_000 + slot * 25, "voltage_v": [round(float(volt), 1)]}
        for meter, volt in enumerate(volts)
    ]
    payload = json.dumps({"seq": number, "readings": readings}).encode()
    return f"suiden/v1/{UTILITY}/{_concentrator(zone)}/up".encode(), payload


def _figures(published: dict[int, dict[str, list[float]]], opened: dict[str, float], *, zones: int) -> TicketFigures:
    deciding: list[float] = []
    first_low: list[float] = []
    for zone, times in published.items():
        ticket_s = opened.get(_zone(zone))
        if ticket_s is None:
            continue
        deciding.append(ticket_s - max(one for one in times["all"] if one <= ticket_s))
        first_low.append(ticket_s - times["low"][0])
    waits = np.array(deciding)
    return TicketFigures(
        load="tickets",
        zones=zones,
        tickets=len(deciding),
        deciding_to_ticket_p50_s=percentile(waits, 50),
        deciding_to_ticket_p95_s=percentile(waits, 95),
        deciding_to_ticket_max_s=percentile(waits, 100),
        first_low_to_ticket_p50_s=round(median(first_low), 1) if first_low else float("nan"),
        slot_s=INTERVAL_S / RATE,
    )


def _zone(number: int) -> str:
    return f"E{number + 1}"


def _concentrator(zone: int) -> str:
    return f"C{zone + 1:03}"


def _serial(zone: int, meter: int) -> str:
    return f"E{zone + 1:03}-{meter + 1:03}"


def _book(zones: int) -> Book:
    serials = [(zone, _serial(zone, meter)) for zone in range(zones) for meter in range(ZONE_METERS)]
    installed_at = START - timedelta(days=1)
    return Book(
        zones=(
            ZoneRow("D1", "District 1", "district"),
            *(ZoneRow(_zone(zone), f"Transformer {zone + 1}", "transformer") for zone in range(zones)),
        ),
        points=tuple(PointRow(f"P{one}", "electricity", _zone(zone), "D1", "1 Bench Street") for zone, one in serials),
        meters=tuple(
            MeterRow(one, "electricity", "kWh", -3, 9, "electronic", interval_s=INTERVAL_S, nominal_v=USUAL_V)
            for _, one in serials
        ),
        installations=tuple(InstallationRow(one, f"P{one}", installed_at) for _, one in serials),
        senders=tuple(
            SenderRow(_concentrator(zone), "concentrator", tuple(_serial(zone, meter) for meter in range(ZONE_METERS)))
            for zone in range(zones)
        ),
    )
