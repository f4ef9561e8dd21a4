"""The servers, the gateway, the lines between them and the senders: what faults are thrown at."""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from kernel.migrate import migrate
from suiden.embedded.access import Login
from suiden.embedded.broker import EmbeddedBroker, MosquittoBroker
from suiden.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresUnusable
from suiden.torture import fleet as fleets
from suiden.torture import store
from suiden.torture.gateway_process import GatewayProcess
from suiden.torture.lines import Lines
from suiden.torture.small_disk import DiskUnusable, SmallDisk

BrokerKind = Literal["embedded", "mosquitto"]
START_ATTEMPTS = 20
POLL_S = 0.02
# Small files that are written anew soon: a small disk holds them, and a repair after a kill is quick.
POSTGRES_SETTINGS = {
    "shared_buffers": "64MB",
    "max_wal_size": "96MB",
    "min_wal_size": "32MB",
    "checkpoint_timeout": "30s",
    "autovacuum_naptime": "20s",
    "max_connections": "40",
}


class Stuck(Exception):
    """Something that had to happen did not happen in time."""


class Rig:
    """One small utility under torture. Made and used in the main thread, which servers are started from."""

    def __init__(
        self,
        *,
        folder: Path,
        broker: BrokerKind,
        seed: int,
        loss: float,
        trusts: bool,
        messages_per_s: float,
        workers: int,
        say: Callable[[str], None],
    ) -> None:
        """Take an empty folder of its own; `loss` and `trusts` are the senders', and several workers share them."""
        self.folder = folder
        self._say = say
        folder.chmod(0o711)
        self.no_disk = ""  # why the disk cannot be filled
        self.disk = self._mount(folder / "postgres")
        self.postgres = EmbeddedPostgres(data_dir=folder / "postgres", settings=POSTGRES_SETTINGS)
        self._service = Login(name="gateway", password=secrets.token_urlsafe(12), is_service=True)
        logins = [Login(name=name, password=secrets.token_urlsafe(12)) for name in fleets.meters_by_sender()]
        kind = MosquittoBroker if broker == "mosquitto" else EmbeddedBroker
        self.broker = kind(data_dir=folder / "broker", logins=[self._service, *logins])
        self.fleet = fleets.Fleet(logins=logins, seed=seed, loss=loss, trusts=trusts, messages_per_s=messages_per_s)
        self._protocol = "" if broker == "mosquitto" else "?protocol=3.1.1"
        self._lines = Lines()
        self.to_broker = self._lines.lay("gateway to broker")
        self.to_database = self._lines.lay("gateway to database")
        self.from_senders = self._lines.lay("senders to broker")
        self.database_url = ""  # past the line
        self.gateways: list[GatewayProcess] = []
        self._workers = [str(number) for number in range(1, workers + 1)] if workers > 1 else [""]
        self.truth: store.Identities

    def start(self) -> None:
        """Start everything, with an empty store, and wait until a first message is acknowledged."""
        self._say("starting PostgreSQL")
        self.start_postgres()
        self._say("making the tables")
        migrate(self.database_url)
        with store.connect(self.database_url) as conn:
            self.truth = store.found(conn, code=fleets.UTILITY, book=fleets.book(), now=self.fleet.now)
        self._say("starting the broker")
        self.start_broker()
        parts = urlsplit(self.database_url)
        through_line = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.to_database.port}")
        login = f"{self._service.name}:{self._service.password}"
        mqtt_url = f"mqtt://{login}@127.0.0.1:{self.to_broker.port}{self._protocol}"
        self._say("starting the gateway")
        for worker in self._workers:
            gateway = GatewayProcess(
                database_url=through_line.geturl(), mqtt_url=mqtt_url, folder=self.folder, worker=worker
            )
            self.gateways.append(gateway)
            gateway.start()
        self.wait_for(self.is_ready, within_s=30, what="the gateway gets ready")
        self.fleet.start(port=self.from_senders.port)

    def stop(self) -> None:
        """Stop all of it; what never started is passed over."""
        self.fleet.close()
        for gateway in self.gateways:
            if gateway.pid is not None:
                gateway.signal(signal.SIGCONT)
                gateway.stop()
        self._lines.close()
        self.broker.stop()
        self.postgres.stop()
        if self.disk is not None:
            self.disk.remove()

    # --- the servers

    def start_postgres(self) -> None:
        """Start PostgreSQL again and again, as a service manager does, while what is left of the last one dies."""
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self.database_url = self.postgres.start()
                break
            except EmbeddedPostgresUnusable:
                if attempt == START_ATTEMPTS:
                    raise
                time.sleep(0.2)
        port = urlsplit(self.database_url).port
        assert port is not None, "the address names its port"
        self.to_database.lead_to(port)

    def start_broker(self) -> None:
        self.broker.start()
        assert self.broker.port is not None, "a started broker has a port"
        self.to_broker.lead_to(self.broker.port)
        self.from_senders.lead_to(self.broker.port)

    def kill_postgres(self) -> None:
        """Kill -9 the postmaster; its children find out by themselves."""
        kill(self.postgres.pid, signal.SIGKILL)
        self.wait_for(lambda: self.postgres.pid is None, within_s=5, what="PostgreSQL is dead")

    def start_gateways(self) -> None:
        for gateway in self.gateways:
            gateway.start()

    def kill_gateways(self) -> None:
        """Kill -9 all of them."""
        for gateway in self.gateways:
            gateway.signal(signal.SIGKILL)

    def kill_broker(self) -> None:
        kill(self.broker.pid, signal.SIGKILL)
        self.wait_for(lambda: self.broker.pid is None, within_s=5, what="the broker is dead")

    def backends(self) -> list[int]:
        """List the processes of PostgreSQL that serve the gateway."""
        with store.connect(self.database_url) as conn:
            return store.backends_of_gateway(conn)

    def set_clock(self, wrong_by: timedelta) -> None:
        """Set the utility's clock beside the true time."""
        with store.connect(self.database_url) as conn:
            store.set_clock(conn, at=self.fleet.now + wrong_by)

    # --- waiting

    def is_ready(self) -> bool:
        """Tell whether every gateway calls itself ready."""
        answers = [gateway.ask("/readyz") for gateway in self.gateways]
        return all(answer is not None and answer.status == 200 for answer in answers)

    def wait_for(self, is_so: Callable[[], bool], *, within_s: float, what: str) -> float:
        """Wait until it is so; return how long that took.

        :raises Stuck: if it is not so in time
        """
        began_s = time.monotonic()
        while not is_so():
            if time.monotonic() - began_s > within_s:
                raise Stuck(f"not within {within_s:.0f} s: {what}")
            if self.fleet.error is not None:
                raise Stuck("the senders themselves failed") from self.fleet.error
            time.sleep(POLL_S)
        return time.monotonic() - began_s

    def _mount(self, path: Path) -> SmallDisk | None:
        path.mkdir()
        try:
            return SmallDisk(path)
        except DiskUnusable as error:
            self.no_disk = str(error)
            return None


def kill(pid: int | None, number: signal.Signals) -> None:
    """Signal a process that may be gone."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
