"""Start the processes of an installation on one machine, watch them, stop them in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from suiden.embedded.child import last_lines, start_child, stop_child

RESTART_PAUSE_S = 1.0
RESTARTS_AT_MOST = 5
FORGIVEN_AFTER_S = 300.0  # who ran so long has not died of its start: its restarts are counted anew
STOP_PATIENCE_S = 8.0


class ProcessFailed(Exception):
    """A process ended again and again; its log says why."""


@dataclass(slots=True)
class _Managed:
    name: str
    command: list[str]
    environment: dict[str, str]
    log_path: Path
    process: subprocess.Popen[bytes]
    started_s: float  # monotonic
    restarts: int = 0


class Supervisor:
    """Children that are started again when they die, and stopped in the reverse order of their start."""

    def __init__(self, *, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._children: list[_Managed] = []

    def start(self, *, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Start `python ARGUMENTS` under a name; its output goes to a log of that name."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        log_path = self._log_dir / f"{name}.log"
        log_path.unlink(missing_ok=True)
        command = [sys.executable, *arguments]
        full = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        process = _launch(command, log_path=log_path, environment=full)
        self._children.append(_Managed(name, command, full, log_path, process, time.monotonic()))

    def log_path(self, name: str) -> Path:
        """Tell where the output of a process is."""
        return self._log_dir / f"{name}.log"

    def watch(self) -> list[str]:
        """Start again what has died; return the names of those started again.

        :raises ProcessFailed: if one dies for the sixth time without having run for a while in between
        """
        restarted: list[str] = []
        for child in self._children:
            if child.process.poll() is None:
                continue
            if time.monotonic() - child.started_s >= FORGIVEN_AFTER_S:
                child.restarts = 0
            if child.restarts >= RESTARTS_AT_MOST:
                raise ProcessFailed(
                    f"{child.name} ended {child.restarts + 1} times; its log is {child.log_path}:\n"
                    f"{last_lines(child.log_path)}"
                )
            time.sleep(RESTART_PAUSE_S)
            child.restarts += 1
            child.process = _launch(child.command, log_path=child.log_path, environment=child.environment)
            child.started_s = time.monotonic()
            restarted.append(child.name)
        return restarted

    def stop(self) -> None:
        """Ask all to stop, last started first, and wait for each."""
        for child in reversed(self._children):
            stop_child(child.process, signals=[(signal.SIGTERM, STOP_PATIENCE_S)])
        self._children.clear()


def _launch(command: list[str], *, log_path: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return start_child(command=command, log_path=log_path, death_signal=signal.SIGTERM, environment=environment)
