"""The product's own processes under the live benchmark, started as an installation starts them; and what they cost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from kernel.heartbeat import heartbeats
from suiden.bench.rig import UTILITY, Rig
from suiden.embedded.child import last_lines, start_child, stop_child
from suiden.embedded.ports import free_port
from suiden.settings import ROOT

READY_TIMEOUT_S = 120.0
PATIENCE_S = 20.0
POLL_S = 0.05


class LiveImpossible(Exception):
    """The live benchmark cannot be run to its end; the message says which process failed."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where counters stood: of the gateway's metrics, and seconds of processor time by process."""

    at_s: float
    counters: Mapping[str, float]  # `name` or `name{label}`
    waits: Mapping[str, int]  # messages by the milliseconds from the socket to their commit, of its last heartbeat
    processor_s: Mapping[str, float]


class Processes:
    """Children of this process that are gone when it is."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._children[name] = start_child(
            command=[sys.executable, *arguments],
            log_path=self._log_path(name),
            death_signal=signal.SIGTERM,
            environment={**self._environment, **(environment or {})},
        )

    def kill(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process, and wait for its end."""
        child = self._children.pop(name)
        child.send_signal(number)
        child.wait()

    def wait_for(self, is_so: Callable[[], bool], *, what: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """:raises LiveImpossible: if it does not come to that, or a process ends before"""
        deadline_s = time.monotonic() + timeout_s
        while not is_so():
            self._refuse_ended()
            if time.monotonic() > deadline_s:
                raise LiveImpossible(f"{what} within {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def is_running(self, name: str) -> bool:
        return self._children[name].poll() is None

    def finish(self, name: str) -> None:
        """Ask a process to end, and wait for it."""
        stop_child(self._children.pop(name), signals=[(signal.SIGTERM, PATIENCE_S)])

    def join(self, name: str, *, timeout_s: float) -> None:
        """Wait for a process that ends by itself.

        :raises LiveImpossible: if it fails or takes longer
        """
        child = self._children.pop(name)
        try:
            code = child.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            child.kill()
            child.wait()
            raise LiveImpossible(f"{name} was not done within {timeout_s:.0f} s") from error
        if code != 0:
            raise LiveImpossible(f"{name} failed:\n{last_lines(self._log_path(name))}")

    def stop(self) -> None:
        for name in reversed(list(self._children)):
            self.finish(name)

    def snapshot(self, *, gateway_port: int) -> Snapshot:
        counters: dict[str, float] = {}
        for family in text_string_to_metric_families(get(gateway_port, "/metrics")):
            for sample in family.samples:
                counters["/".join((sample.name, *sample.labels.values()))] = sample.value
        spent_s = {name: processor_s(child.pid) for name, child in self._children.items()}
        return Snapshot(time.monotonic(), counters, self._waits(), {**spent_s, "machine": machine_s()})

    def _waits(self) -> Mapping[str, int]:
        with psycopg.connect(self._environment["DATABASE_URL"]) as conn:
            health = {one.process: one.health for one in heartbeats(conn)}
        return health.get("gateway", {}).get("commit_waits_ms", {})

    def _refuse_ended(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                raise LiveImpossible(f"{name} ended with {child.returncode}:\n{last_lines(self._log_path(name))}")

    def _log_path(self, name: str) -> Path:
        return self._folder / f"{name}.log"


@contextmanager
def product(rig: Rig, *, folder: Path) -> Generator[tuple[Processes, int, int]]:
    """Run gateway, checker and web; give them with the ports of the web and of the gateway's metrics."""
    web_port, metrics_port = free_port(), free_port()
    environment = {
        "DATABASE_URL": rig.database_url,
        "MQTT_URL": rig.mqtt_url,
        "PORT": str(web_port),
        "SUIDEN_UTILITY": UTILITY,
        "SUIDEN_DATA_DIR": str(folder),
        "SUIDEN_GATEWAY_METRICS_PORT": str(metrics_port),
    }
    processes = Processes(folder=folder, environment=environment)
    try:
        for name in ("gateway", "checker", "serve"):
            processes.start(name, "-m", "suiden.cli", name)
        processes.wait_for(lambda: is_ready(web_port), what="the pages were not served")
        processes.wait_for(lambda: is_ready(metrics_port), what="the gateway was not ready")
        yield processes, web_port, metrics_port
    finally:
        processes.stop()


def get(port: int, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def is_ready(port: int) -> bool:
    try:
        get(port, "/readyz")
    except (URLError, OSError):
        return False
    return True


def processor_s(pid: int) -> float:
    """Tell how many seconds of a processor a process has used; 0 where the machine does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_s() -> float:
    """Tell how many seconds of all processors together were busy; 0 where the machine does not say."""
    try:
        user, nice, system, _idle, _waiting, interrupts, soft, *_ = map(
            int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        )
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")
