"""Processes that die are started again, but not for ever, and all are stopped in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from suiden import supervisor as supervision
from suiden.supervisor import ProcessFailed, Supervisor

LIVES = "import time, os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
DIES = "import sys; print('what was wrong'); sys.exit(3)"
TELLS_WHEN_STOPPED = """
import os, signal, sys, time
def stop(*_):
    time.sleep(0.2)
    open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open(sys.argv[1] + "." + sys.argv[2], "w").close()
time.sleep(60)
"""


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervision, "RESTART_PAUSE_S", 0.0)
    made = Supervisor(log_dir=tmp_path / "log")
    yield made
    made.stop()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_process_that_is_killed_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    seen = tmp_path / "pids"
    supervisor.start(name="worker", arguments=["-c", LIVES, str(seen)], environment={})
    wait_until(lambda: len(lines(seen)) == 1)
    assert supervisor.watch() == []
    os.kill(int(lines(seen)[0]), signal.SIGKILL)
    restarted: list[str] = []
    wait_until(lambda: bool(restarted.extend(supervisor.watch()) or restarted))
    assert restarted == ["worker"]
    wait_until(lambda: len(lines(seen)) == 2)
    assert supervisor.watch() == []


def test_one_that_dies_again_and_again_is_given_up_with_its_log(supervisor: Supervisor) -> None:
    supervisor.start(name="broken", arguments=["-c", DIES], environment={})
    restarted: list[str] = []

    def watch_until_given_up() -> None:
        wait_until(lambda: bool(restarted.extend(supervisor.watch())))

    with pytest.raises(ProcessFailed, match="what was wrong") as failed:
        watch_until_given_up()
    assert len(restarted) == supervision.RESTARTS_AT_MOST
    assert str(supervisor.log_path("broken")) in str(failed.value)


def test_one_that_ran_for_a_while_in_between_is_not_given_up(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FORGIVEN_AFTER_S", 0.0)
    supervisor.start(name="frail", arguments=["-c", DIES], environment={})
    restarted: list[str] = []
    wait_until(lambda: bool(restarted.extend(supervisor.watch())) or len(restarted) > supervision.RESTARTS_AT_MOST)


def test_the_last_started_is_stopped_first_and_waited_for(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("first", "second", "third"):
        supervisor.start(name=name, arguments=["-c", TELLS_WHEN_STOPPED, str(order), name], environment={})
        wait_until(lambda name=name: Path(f"{order}.{name}").exists())
    supervisor.stop()
    assert lines(order) == ["third", "second", "first"]
    supervisor.stop()


def test_a_process_is_given_its_environment(supervisor: Supervisor) -> None:
    supervisor.start(name="told", arguments=["-c", "import os; print(os.environ['TOLD'])"], environment={"TOLD": "so"})
    wait_until(lambda: lines(supervisor.log_path("told")) == ["so"])
