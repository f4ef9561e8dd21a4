"""What the journeys stand on: Mosquitto with logins, a migrated database with a utility, `suiden gateway` as a process.

Needs SUIDEN_TEST_DATABASE_URL (an empty database) and SUIDEN_TEST_MOSQUITTO, as scripts/servers/real_servers.sh gives.
"""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.migrate import migrate
from scripts.journeys.telegram_utility import SENDER, WATER_SERIALS, found, running_gateway
from suiden.embedded.access import SENDER_RULES, Login, Rule
from suiden.embedded.broker import MosquittoBroker

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts; `bridge_url` is the broker with the login of the bridge."""

    conn: Connection[TupleRow]
    utility_id: int
    bridge_url: str
    gateway: subprocess.Popen[bytes]


@contextmanager
def standing(*, say: Say) -> Iterator[Stage]:
    """Start all of it, and stop it in the end.

    :raises JourneyFailed: if the gateway does not come to hear the broker
    """
    database_url = os.environ["SUIDEN_TEST_DATABASE_URL"]
    service, bridge = (
        Login("suiden", secrets.token_urlsafe(12), is_service=True),
        Login(SENDER, secrets.token_urlsafe(12)),
    )
    rules = (*SENDER_RULES, Rule("write", "wmbusmeters/#", only_for=SENDER))
    with ExitStack() as stack:
        work = Path(stack.enter_context(TemporaryDirectory(prefix="suiden-journey-")))
        work.chmod(0o755)  # the broker runs as another user, in a folder of its own in here
        mosquitto = Path(os.environ["SUIDEN_TEST_MOSQUITTO"])
        broker = MosquittoBroker(data_dir=work / "broker", logins=[service, bridge], rules=rules, program=mosquitto)
        stack.enter_context(broker)
        say(f"Mosquitto runs on port {broker.port}; {SENDER} may publish to wmbusmeters/#, and to no other's topics")
        service_url, bridge_url = (
            f"mqtt://{login.name}:{login.password}@127.0.0.1:{broker.port}" for login in (service, bridge)
        )
        applied = migrate(database_url)
        conn = stack.enter_context(psycopg.connect(database_url))
        engine = conn.execute("SELECT reading_engine()").fetchone()
        say(f"database: {len(applied)} migrations applied; readings are kept by engine {engine and engine[0]}")
        utility_id = found(conn)
        say(f"founded utility {utility_id}: {len(WATER_SERIALS)} water meters and an electricity meter at their points")
        log_path = work / "gateway.log"
        process = stack.enter_context(
            running_gateway(database_url=database_url, mqtt_url=service_url, log_path=log_path)
        )
        say("`suiden gateway` hears the broker")
        yield Stage(conn, utility_id, bridge_url, process)
