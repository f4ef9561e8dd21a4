"""The town as a process: it stops when told, quickly, and goes on at the next start."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernel.clock import wall_now
from simulators.town import Town
from tests.integration.simulators.conftest import METER_PASSWORD
from tests.integration.simulators.utility_ear import UtilityEar, wait_until

pytestmark = pytest.mark.gateway


def test_the_process_lives_and_stops_within_two_seconds(little: Town, town_broker: str, tmp_path: Path) -> None:
    ear = UtilityEar(town_broker)
    clock = {"wall_anchor": wall_now().isoformat(), "utility_anchor": little.starts_at.isoformat(), "rate": 4320}
    environment = {
        **os.environ, "MQTT_URL": town_broker, "SUIDEN_METER_PASSWORD": METER_PASSWORD,
        "SUIDEN_CLOCK": json.dumps(clock),
        "SUIDEN_DATA_DIR": str(tmp_path), "SUIDEN_TOWN_SEED": str(little.seed), "SUIDEN_TOWN_POINTS": "80",
        "SUIDEN_TOWN_START": little.starts_on.isoformat(),
    }  # fmt: skip
    with subprocess.Popen([sys.executable, "-m", "simulators.run"], env=environment) as process:
        wait_until(lambda: len(ear.readings) > 160, timeout_s=30)
        told_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - told_s < 2
    ear.close()
    saved = json.loads((tmp_path / "town" / "state.json").read_text())
    assert saved["clean"]
    assert saved["world"]["hour"] > int(little.starts_at.timestamp()) // 3600


def test_the_process_dies_with_its_parent(little: Town, town_broker: str, tmp_path: Path) -> None:
    clock = {"wall_anchor": wall_now().isoformat(), "utility_anchor": little.starts_at.isoformat(), "rate": 1}
    environment = {
        **os.environ, "MQTT_URL": town_broker, "SUIDEN_METER_PASSWORD": METER_PASSWORD,
        "SUIDEN_CLOCK": json.dumps(clock), "SUIDEN_DATA_DIR": str(tmp_path), "SUIDEN_TOWN_POINTS": "40",
    }  # fmt: skip
    program = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'simulators.run']);"
    program += "print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        town = Path("/proc") / parent.stdout.readline().decode().strip()
        wait_until(lambda: (tmp_path / "town" / "state.json").exists(), timeout_s=30)
        parent.kill()
    wait_until(lambda: not town.exists() or "(zombie)" in (town / "status").read_text(), timeout_s=10)
