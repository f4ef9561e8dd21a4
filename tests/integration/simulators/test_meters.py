"""Meters over real MQTT: every reading arrives, nothing unacknowledged is forgotten, orders are obeyed."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernel.clock import Anchor, wall_now
from simulators import control, keeping
from simulators.faults import FaultImpossible
from simulators.links import BrokerAddress
from simulators.meters import Air, Meters
from simulators.town import Town
from tests.integration.simulators.conftest import METER_PASSWORD
from tests.integration.simulators.utility_ear import UtilityEar, wait_until

pytestmark = pytest.mark.gateway
RATE = 7_200.0  # two hours in a second


class Life:
    """The town, alive in a thread."""

    def __init__(self, town: Town, url: str, folder: Path, *, utility_now: datetime, air: Air | None = None) -> None:
        clock = Anchor(wall_now(), utility_now, RATE, running=True)
        self.town, self.folder = town, folder
        self.world, self.speakers = keeping.begin(town, folder=folder, now_h=int(utility_now.timestamp()) // 3600)
        self.meters = Meters(world=self.world, speakers=self.speakers, clock=clock, utility="hinode",
                             address=BrokerAddress.of(url), meter_password=METER_PASSWORD, air=air)  # fmt: skip
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self.meters.run, kwargs={"stop": self._stop, "each_turn": lambda: None}, daemon=True
        )
        self._thread.start()

    def kept(self) -> int:
        return sum(len(speaker.outbox.kept) for speaker in self.speakers.by_name.values())

    def end(self, *, clean: bool = True) -> None:
        self._stop.set()
        self._thread.join(5)
        assert not self._thread.is_alive()
        keeping.save(self.town, self.world, self.speakers, folder=self.folder, clean=clean)


@pytest.fixture
def ear(town_broker: str) -> Iterator[UtilityEar]:
    ear = UtilityEar(town_broker)
    yield ear
    ear.close()


@pytest.fixture
def life(little: Town, town_broker: str, tmp_path: Path, ear: UtilityEar) -> Iterator[Life]:
    life = Life(little, town_broker, tmp_path, utility_now=little.starts_at)
    yield life
    life.end()


def hours_heard(ear: UtilityEar, serial: str) -> list[int]:
    ats = [at for meter, at in list(ear.readings) if meter == serial]
    seconds = [at / 1000 if isinstance(at, int) else datetime.fromisoformat(at).timestamp() for at in ats]
    return sorted(int(second) // 3600 for second in seconds)


def test_every_meter_reports_every_hour_and_is_acknowledged(life: Life, ear: UtilityEar, little: Town) -> None:
    first = int(little.starts_at.timestamp()) // 3600
    wait_until(lambda: {m for m, _ in list(ear.readings)} == set(life.world.serials))
    wait_until(lambda: hours_heard(ear, "W-0001")[:6] == list(range(first, first + 6)))
    wait_until(lambda: life.kept() < 30)


def test_what_is_lost_on_the_air_arrives_in_the_end(
    little: Town, town_broker: str, tmp_path: Path, ear: UtilityEar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.wire.RESEND_AFTER_S", 0.3)
    monkeypatch.setattr("simulators.wire.MISSING_AFTER_S", 0.1)
    life = Life(little, town_broker, tmp_path, utility_now=little.starts_at, air=Air(loss=0.3, twice=0.2))
    first = int(little.starts_at.timestamp()) // 3600
    try:
        for sender in list(life.speakers.by_name.values())[:3]:
            serial = sender.sender.serials[0]
            wait_until(lambda serial=serial: set(range(first + 1, first + 8)) <= set(hours_heard(ear, serial)))
    finally:
        life.end()


def test_an_order_stops_the_water_and_is_answered_promptly(life: Life, ear: UtilityEar) -> None:
    wait_until(lambda: life.meters.up_count == len(life.speakers.by_name) + 1)
    sender = next(name for name, s in life.speakers.by_name.items() if "W-0001" in s.sender.serials)
    expires = (life.meters.now() + timedelta(days=2)).isoformat()
    ear.order(sender, {"id": 9, "meter": "W-0001", "command": "valve.close", "expires_at": expires, "args": {}})
    wait_until(lambda: [(a["id"], a["state"]) for a in ear.answers] == [(9, "done")], timeout_s=2)
    shut_h = life.world.state.hour
    wait_until(lambda: hours_heard(ear, "W-0001")[-1:] > [shut_h + 3])
    later = [r for (m, at), r in ear.readings.items() if m == "W-0001" and _second(at) > (shut_h + 1) * 3600]
    assert len({r["register"] for r in later}) == 1
    assert {r["flow"] for r in later} == {0.0}


def test_a_stopped_town_goes_on_where_it_was(little: Town, town_broker: str, tmp_path: Path) -> None:
    deaf = UtilityEar(town_broker, acknowledges=False)
    life = Life(little, town_broker, tmp_path, utility_now=little.starts_at)
    wait_until(lambda: life.world.state.hour >= int(little.starts_at.timestamp()) // 3600 + 4)
    life.meters.do(lambda world: world.set_supply("W-0003", "off"))
    wait_until(lambda: life.world.state.supply == {"W-0003": "off"})
    life.end()
    deaf.close()
    kept, hour = life.kept(), life.world.state.hour
    assert kept > 0

    ear = UtilityEar(town_broker)
    second = Life(little, town_broker, tmp_path, utility_now=datetime.fromtimestamp(hour * 3600, UTC))
    try:
        assert second.world.state.supply == {"W-0003": "off"}
        first = int(little.starts_at.timestamp()) // 3600
        wait_until(lambda: hours_heard(ear, "W-0001")[: hour + 2 - first] == list(range(first, hour + 2)))
        registers = [ear.readings[key]["register"] for key in sorted(_of(ear, "W-0001"), key=lambda k: _second(k[1]))]
        assert registers == sorted(registers)
    finally:
        second.end()
        ear.close()


def test_a_killed_town_begins_another_count_so_that_no_number_means_two_things(
    little: Town, town_broker: str, tmp_path: Path, ear: UtilityEar
) -> None:
    life = Life(little, town_broker, tmp_path, utility_now=little.starts_at)
    wait_until(lambda: len(ear.readings) > 200)
    life.end(clean=False)
    hour = life.world.state.hour
    second = Life(little, town_broker, tmp_path, utility_now=datetime.fromtimestamp(hour * 3600, UTC))
    try:
        wait_until(lambda: len({boot for name, boot in ear.numbers if name == "C-01"}) == 2)
    finally:
        second.end()


def test_a_fault_is_thrown_in_over_mqtt(life: Life, town_broker: str) -> None:
    wait_until(lambda: life.meters.up_count == len(life.speakers.by_name) + 1)
    assert control.send_fault(town_broker, fault="burst", place="W3") == "burst at W3-J08"
    assert [fault.place for fault in life.world.state.faults if fault.kind == "burst"] == ["W3-J08"]
    with pytest.raises(FaultImpossible):
        control.send_fault(town_broker, fault="burst", place="nowhere")


def test_without_a_town_an_order_says_so(broker_url: str) -> None:
    with pytest.raises(control.TownSilent):
        control.send_fault(broker_url, fault="burst", place="W3", timeout_s=0.5)


def _second(at: int | str) -> float:
    return at / 1000 if isinstance(at, int) else datetime.fromisoformat(at).timestamp()


def _of(ear: UtilityEar, serial: str) -> list[tuple[str, int | str]]:
    return [key for key in ear.readings if key[0] == serial]
