"""The whole utility as its real processes: started as anybody would start it, and stopped the same way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from simulators.faults import FaultKind
from suiden.demo import STATE_NAME
from suiden.embedded.child import last_lines

ROOT = Path(__file__).resolve().parents[1]
RATE = 4320  # a day in 20 s
START_TIMEOUT_S = 240.0  # founding takes half a minute where nothing else runs
STOP_TIMEOUT_S = 60.0
ORPHANS_GONE_S = 5.0
POLL_S = 0.2
NOT_HANDED_ON = ("DATABASE_URL", "MQTT_URL", "PORT", "SUIDEN_DATA_DIR")


class DemoFailed(Exception):
    """The demo did not start, or did not stop; the message holds the end of its logs."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """One running town with its utility."""

    url: str
    data_dir: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes]

    def throw(self, fault: FaultKind, place: str) -> str:
        """Break something, by the command that people use; return what it printed.

        :raises DemoFailed: if the town refuses
        """
        command = [sys.executable, "-m", "suiden.cli", "simulate", fault, place]
        answer = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if answer.returncode != 0:
            raise DemoFailed(f"simulate {fault} {place}: {answer.stdout}{answer.stderr}\n{self.logs()}")
        return answer.stdout.strip()

    def servers(self) -> dict[str, str]:
        """Tell where its database and broker are."""
        return json.loads((self.data_dir / STATE_NAME).read_text())

    def logs(self, *, lines: int = 12) -> str:
        """Return the end of every process's log."""
        paths = [self.data_dir / "demo.log", *sorted(self.data_dir.glob("log/*.log"))]
        return "\n".join(f"--- {path}\n{last_lines(path, count=lines)}" for path in paths)

    def stop(self) -> tuple[int, list[str]]:
        """Press Ctrl-C; return the exit code, and what of its processes lives on.

        :raises DemoFailed: if it does not stop
        """
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise DemoFailed(f"Ctrl-C did not stop the demo in {STOP_TIMEOUT_S:.0f} s\n{self.logs()}") from error
        _gone, alive = psutil.wait_procs(family, timeout=ORPHANS_GONE_S)
        return code, [f"{one.pid} {' '.join(one.cmdline())}" for one in alive]


def start(data_dir: Path, *, rate: float = RATE, environment: Mapping[str, str]) -> RunningDemo:
    """Start `suiden demo` with its data in a folder, and wait for its page and its logins.

    `environment` is added to ours, which hands on no database and no broker by itself.

    :raises DemoFailed: if it ends, or takes too long
    """
    port = free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    ours = {name: text for name, text in os.environ.items() if name not in NOT_HANDED_ON}
    full = {**ours, "SUIDEN_DATA_DIR": str(data_dir), "PORT": str(port), "COLUMNS": "160", **environment}
    with (data_dir / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "suiden.cli", "demo", "--rate", str(rate)],
            cwd=ROOT,
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    demo = RunningDemo(f"http://127.0.0.1:{port}", data_dir, full, process)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not _is_ready(demo):
        if process.poll() is not None:
            raise DemoFailed(f"the demo ended with exit code {process.returncode}\n{demo.logs()}")
        if time.monotonic() > deadline_s:
            demo.stop()
            raise DemoFailed(f"the demo was not ready after {START_TIMEOUT_S:.0f} s\n{demo.logs()}")
        time.sleep(POLL_S)
    return demo


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(demo: RunningDemo) -> bool:
    if not (demo.data_dir / STATE_NAME).exists():  # it is written last
        return False
    try:
        with urlopen(f"{demo.url}/healthz", timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False
