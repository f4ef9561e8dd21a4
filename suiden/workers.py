"""The long-running processes, wired: each gets its settings and hands down what it needs.

Each loads only what it runs: what is broken in the pages, or slow to load in the town, is nothing to the gateway.
"""

import json
import os
import threading
from typing import TYPE_CHECKING

import psycopg
import structlog

from customer_app.settings import WebSettings
from kernel import clock
from kernel.clock import Anchor, ClockNotSet, UtilityClock
from kernel.database import open_pool
from kernel.metrics import Metrics
from suiden.errors import NotPossibleHere
from suiden.settings import BrokerSettings, ProcessSettings, load

if TYPE_CHECKING:
    from simulators.faults import FaultKind

log = structlog.get_logger()

CLOCK_WAIT_S = 1.0


def serve(settings: WebSettings) -> None:
    """Serve pages until SIGINT or SIGTERM; live streams are closed first."""
    from customer_app.app import create_app
    from customer_app.server import Server, allow_many_connections

    allow_many_connections()
    pool = open_pool(settings.database_url, role="suiden_app", process="web", max_size=16)
    app = create_app(settings, pool=pool, clock=UtilityClock(pool), metrics=Metrics())
    Server(app, host=settings.host, port=settings.port).run()
    pool.close()


def run_gateway(settings: BrokerSettings, *, stop: threading.Event) -> None:
    """Take readings in until `stop`; a suspension leaves only with the word of collections.

    :raises NotPossibleHere: if the broker's address, or a file that it names, cannot be used
    """
    from ingest_gateway import gateway
    from ingest_gateway.mqtt.link import BrokerAddressUnusable
    from ingest_gateway.settings import GatewaySettings
    from rating_engine import operations as rating

    worker = load(GatewaySettings)
    try:
        gateway.run(
            database_url=settings.database_url,
            mqtt_url=settings.mqtt_url,
            client_id=settings.client_id_of(worker.worker),
            release_guard=rating.release_guard,
            stop=stop,
            settings=worker,
        )
    except BrokerAddressUnusable as error:
        raise NotPossibleHere(str(error)) from error


def drain_gateway(settings: BrokerSettings, *, quiet_s: float, stop: threading.Event) -> str:
    """Take a gateway worker that is stopped out of service; tell what was still kept for it.

    :raises NotPossibleHere: if it runs, or the broker cannot be reached
    """
    from ingest_gateway import drain
    from ingest_gateway.mqtt.link import BrokerAddressUnusable, NotConnected
    from ingest_gateway.settings import GatewaySettings

    worker = load(GatewaySettings)
    client_id = settings.client_id_of(worker.worker)
    try:
        done = drain.drain(
            database_url=settings.database_url,
            mqtt_url=settings.mqtt_url,
            client_id=client_id,
            settings=worker,
            stop=stop,
            quiet_s=quiet_s,
        )
    except (BrokerAddressUnusable, NotConnected, drain.WorkerStillRuns) as error:
        raise NotPossibleHere(str(error)) from error
    if done is None:
        return f"stopped before the end: {client_id} is not drained, begin again"
    return f"{client_id} is drained: {done.messages} messages with {done.readings} readings were still kept for it"


def run_town(*, found: bool, stop: threading.Event) -> None:
    """Let the demo's town live until `stop`; `found` makes its utility first, where the database has none.

    The town speaks only what real meters and people speak. The database is asked for one thing, by us and not by the
    town: what time it is, as a real meter would ask its network.
    """
    from simulators import run as town_process
    from simulators.settings import TownSettings
    from suiden import founding

    settings = load(ProcessSettings)
    if found:
        _found_once(settings.database_url)
    anchor = _wait_for_clock(settings.database_url, stop=stop)
    if anchor is None:
        return
    os.environ["SUIDEN_CLOCK"] = json.dumps(
        {
            "wall_anchor": anchor.wall_anchor.isoformat(),
            "utility_anchor": anchor.utility_anchor.isoformat(),
            "rate": anchor.rate,
        }
    )
    os.environ["SUIDEN_TOWN_SEED"] = str(founding.TOWN_SEED)
    os.environ["SUIDEN_TOWN_START"] = founding.STARTS_ON.isoformat()
    town_process.run(load(TownSettings), stop=stop)
    town_process.leave(0)


def throw_fault(*, kind: "FaultKind", place: str, size: float | None = None) -> str:
    """Break something in the running town; tell what broke and where. What `size` means is the fault's affair.

    :raises NotPossibleHere: if no town runs, or it has no such place
    """
    from simulators import control
    from simulators.faults import FaultImpossible
    from suiden import demo

    mqtt_url = os.environ.get("MQTT_URL") or demo.running_servers()["mqtt_url"]
    try:
        return control.send_fault(mqtt_url, fault=kind, place=place, size=size)
    except (FaultImpossible, control.TownSilent) as error:
        raise NotPossibleHere(str(error)) from error


def _found_once(database_url: str) -> None:
    from suiden import founding

    with psycopg.connect(database_url) as conn:
        is_founded = founding.is_founded(conn)
    if not is_founded:
        founding.found(database_url, say=lambda text: log.info("founding", step=text))
        with psycopg.connect(database_url) as conn:
            clock.resume(conn, rate=1.0)


def _wait_for_clock(database_url: str, *, stop: threading.Event) -> Anchor | None:
    while not stop.is_set():
        try:
            with psycopg.connect(database_url) as conn:
                return clock.load(conn)
        except (ClockNotSet, psycopg.OperationalError):
            stop.wait(CLOCK_WAIT_S)
    return None
