"""The town's process: `python -m simulators.run` lives until SIGTERM, or until its parent ends."""

import ctypes
import os
import signal
import sys
import threading
import time

import structlog

from kernel import logs
from simulators import habits, keeping, network
from simulators import town as towns
from simulators.bank import Bank
from simulators.card_provider import CardProvider
from simulators.crew import Crew
from simulators.links import BrokerAddress
from simulators.mail_room import MailRoom
from simulators.meters import Air, Meters
from simulators.residents import Residents
from simulators.settings import TownSettings
from simulators.speakers import Speakers
from simulators.town import Town
from simulators.web import Browser
from simulators.world import World

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
SAVE_EVERY_S = 30.0
LOOK_EVERY_S = 2.0
MOST_TIME_SAVING = 0.01


def run(settings: TownSettings, *, stop: threading.Event) -> None:
    """Let the town live until `stop`; its state is in the data folder afterwards."""
    town = towns.build(seed=settings.seed, points_per_service=settings.points_per_service, starts_on=settings.starts_on)
    clock = settings.clock.anchor()
    folder = settings.data_dir / "town"
    address = BrokerAddress.of(settings.mqtt_url)
    world, speakers = keeping.begin(town, folder=folder, now_h=_hour_now(settings))
    network.solve()  # loads the solver, for seconds in which no signal could be obeyed, before anything is under way
    provider = None
    if settings.card_secret:
        provider = CardProvider(secret=settings.card_secret, host=settings.card_host, port=settings.card_port)
        provider.start()
    mail_room = None
    if settings.mail_port:
        mail_room = MailRoom(folder / "mail", host="127.0.0.1", port=settings.mail_port)
        mail_room.start()
    meters = Meters(
        world=world,
        speakers=speakers,
        clock=clock,
        utility=settings.utility,
        address=address,
        meter_password=settings.meter_password or address.password,
        air=Air(loss=settings.loss, twice=settings.twice),
    )
    robots = threading.Thread(target=_robots, args=(settings, town, world, meters, stop), daemon=True)
    robots.start()
    keeping.save(town, world, speakers, folder=folder, clean=False)
    keeper = _Keeper(settings, town, world, speakers)
    log.info("town.lives", points=len(town.points), senders=len(town.senders), hour=world.state.hour)
    try:
        meters.run(stop=stop, each_turn=keeper.now_and_then)
    finally:
        keeping.save(town, world, speakers, folder=folder, clean=True)
        if provider is not None:
            provider.stop()
        if mail_room is not None:
            mail_room.stop()
    log.info("town.sleeps", hour=world.state.hour)


class _Keeper:
    """Saves now and then, less often where saving takes long."""

    def __init__(self, settings: TownSettings, town: Town, world: World, speakers: Speakers) -> None:
        self._folder, self._town, self._world, self._speakers = settings.data_dir / "town", town, world, speakers
        self._save_at_s = time.monotonic() + SAVE_EVERY_S
        self._saved_changes = world.changes

    def now_and_then(self) -> None:
        began_s = time.monotonic()
        if began_s < self._save_at_s and self._world.changes == self._saved_changes:
            return
        self._saved_changes = self._world.changes
        keeping.save(self._town, self._world, self._speakers, folder=self._folder, clean=False)
        ended_s = time.monotonic()
        self._save_at_s = ended_s + max(SAVE_EVERY_S, (ended_s - began_s) / MOST_TIME_SAVING)


def _robots(settings: TownSettings, town: Town, world: World, meters: Meters, stop: threading.Event) -> None:
    """Let the bank, and with a password the crew and the residents, do what is due, until `stop`."""
    bank = Bank(
        data_dir=settings.data_dir,
        has_funds=lambda account, day: habits.has_funds(town.seed, account_number=account, day=day.toordinal()),
        known_accounts=frozenset(mandate.account_number for mandate in town.mandates),
    )
    crew = residents = None
    if settings.robot_password:
        crew = Crew(_browser(settings, "crew"), repair=meters.do, works=settings.crew_works)
        residents = Residents(town, _browser(settings, "office")) if settings.residents_pay else None
    while not stop.wait(LOOK_EVERY_S):
        now = meters.now()
        try:
            bank.look(now=now)
            if crew is not None:
                crew.look(now=now)
            if residents is not None:
                residents.look(now=now, cut_off=_cut_off(town, world))
        except Exception:
            # The meters go on whatever happens to a robot.
            log.exception("robot.failed")


def _cut_off(town: Town, world: World) -> frozenset[str]:
    """Name the accounts whose people sit without water or power."""
    off = {serial for serial, supply in dict(world.state.supply).items() if supply == "off"}
    points = {world.known.point_of_serial[serial] for serial in off}
    return frozenset(a.account_number for a in town.agreements if a.valid_to is None and a.point_number in points)


def _browser(settings: TownSettings, login_name: str) -> Browser:
    return Browser(base_url=settings.web_url, login_name=login_name, password=settings.robot_password)


def _hour_now(settings: TownSettings) -> int:
    from kernel.clock import wall_now

    return int(settings.clock.anchor().at(wall_now()).timestamp()) // 3600


def _die_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent ends; elsewhere there is no such thing."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)


def main() -> int:
    """Live until SIGTERM or Ctrl-C."""
    _die_with_parent()
    logs.set_up(process="town")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(TownSettings(), stop=stop)  # pyright: ignore[reportCallIssue]  (its fields come from the environment)
    return 0


def leave(code: int) -> None:
    """End this process at once: all is saved, and taking the solver's libraries apart in order takes seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
