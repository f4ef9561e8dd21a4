"""The gateway as anyone runs it, and what it says of itself over HTTP."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from suiden.embedded.child import last_lines, start_child, stop_child
from suiden.embedded.ports import free_port

DATABASE_DEADLINE_S = 1.0
KEEPALIVE_S = 2
LOG_LIMIT_BYTES = 20_000_000
STOP_PATIENCE_S = 20.0
NOT_HANDED_ON = ("SUIDEN_", "PG", "DATABASE_URL", "MQTT_URL", "PORT")
OUTCOMES = ("received", "stored", "duplicate", "rejected")
_SAMPLE = re.compile(r'^suiden_readings_total\{outcome="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered."""

    status: int
    text: str


class GatewayProcess:
    """`suiden gateway`, started, killed and asked how it fares."""

    def __init__(self, *, database_url: str, mqtt_url: str, folder: Path, worker: str) -> None:
        """`worker` is its name in a group that shares the messages; none: it is the only one."""
        self.worker = worker
        self.log_path = folder / f"gateway{worker}.log"
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        kept = {name: text for name, text in os.environ.items() if not name.startswith(NOT_HANDED_ON)}
        self._environment = kept | {
            "DATABASE_URL": database_url,
            "MQTT_URL": mqtt_url,
            "SUIDEN_DATA_DIR": str(folder),
            "SUIDEN_GATEWAY_METRICS_PORT": str(self._port),
            "SUIDEN_GATEWAY_DATABASE_DEADLINE_S": str(DATABASE_DEADLINE_S),
            "SUIDEN_GATEWAY_KEEPALIVE_S": str(KEEPALIVE_S),
            "PYTHONFAULTHANDLER": "1",  # SIGABRT shows where every thread stands
        }
        if worker:
            self._environment |= {"SUIDEN_GATEWAY_SHARE": "torture", "SUIDEN_GATEWAY_WORKER": worker}

    @property
    def pid(self) -> int | None:
        """Return its process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        self.starts += 1
        self._process = start_child(
            command=[sys.executable, "-P", "-m", "suiden.cli", "gateway"],
            log_path=self.log_path,
            death_signal=signal.SIGKILL,
            environment=self._environment,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGKILL and SIGABRT are waited for."""
        if self._process is None:
            return
        self._process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGABRT):
            self._process.wait(10)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        if self._process is None:
            return 0
        return stop_child(self._process, signals=[(signal.SIGTERM, STOP_PATIENCE_S)])

    def ask(self, path: str) -> Answer | None:
        """Ask one of its endpoints; None if nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def outcomes(self) -> Mapping[str, int] | None:
        """Tell how it counted readings since its start, by what became of them."""
        answer = self.ask("/metrics")
        if answer is None:
            return None
        return dict.fromkeys(OUTCOMES, 0) | {name: int(float(count)) for name, count in _SAMPLE.findall(answer.text)}

    def memory_bytes(self) -> int:
        """Tell how much memory it holds, where Linux says so."""
        return memory_bytes(self.pid)

    def stacks(self) -> str:
        """End it in a way that shows where its threads stood."""
        before = self.log_path.stat().st_size if self.log_path.exists() else 0
        if self.pid is None:
            return "(the gateway does not run)"
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGABRT)
        time.sleep(0.1)
        with self.log_path.open("rb") as log:
            log.seek(before)
            return log.read().decode(errors="replace")

    def last_lines(self, count: int = 15) -> str:
        return last_lines(self.log_path, count=count)


def memory_bytes(pid: int | None) -> int:
    """Tell how much memory a process holds."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
