"""All senders of the rig, kept reading and sending by one thread."""

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from registry.book import Book, InstallationRow, MeterRow, PointRow, SenderRow, ZoneRow
from suiden.embedded.access import Login
from suiden.torture.senders import Counts, Sender

TICK_S = 0.01
MOST_A_TICK = 20  # messages of one sender
UTILITY = "torture"
START = datetime(2026, 4, 1, tzinfo=UTC)
CONCENTRATORS = 3
METERS_OF_A_CONCENTRATOR = 8
SINGLE_METERS = 3


def meters_by_sender() -> dict[str, tuple[str, ...]]:
    """Name the senders and whom they speak for: concentrators, and meters that speak for themselves."""
    by_sender = {
        f"C-{number}": tuple(f"{'WE'[meter % 2]}-{number}{meter}" for meter in range(METERS_OF_A_CONCENTRATOR))
        for number in range(1, CONCENTRATORS + 1)
    }
    return by_sender | {f"W-SELF-{number}": (f"W-SELF-{number}",) for number in range(1, SINGLE_METERS + 1)}


def book() -> Book:
    """Describe the small utility that they belong to."""
    serials = [serial for serials in meters_by_sender().values() for serial in serials]
    meters = tuple(_meter(serial) for serial in serials)
    return Book(
        zones=(ZoneRow("D1", "D1", "district"), ZoneRow("W1", "W1", "dma"), ZoneRow("E1", "E1", "transformer")),
        points=tuple(
            PointRow(f"P-{meter.serial}", meter.kind, "W1" if meter.kind == "water" else "E1", "D1", "1 Torture Street")
            for meter in meters
        ),
        meters=meters,
        installations=tuple(
            InstallationRow(meter.serial, f"P-{meter.serial}", START - timedelta(days=365)) for meter in meters
        ),
        senders=tuple(
            SenderRow(name, "meter" if name in serials else "concentrator", serials_of)
            for name, serials_of in meters_by_sender().items()
        ),
    )


class Fleet:
    """The senders; while it is loaded each reads its meters at a steady pace, and always sends again what is due."""

    def __init__(self, *, logins: Sequence[Login], seed: int, loss: float, trusts: bool, messages_per_s: float) -> None:
        """`messages_per_s` is of all senders together, as they are sent for the first time; see `Sender`."""
        passwords = {login.name: login.password for login in logins}
        self.senders = tuple(
            Sender(
                utility=UTILITY,
                name=name,
                password=passwords[name],
                serials=serials,
                seed=f"{seed}/{name}",
                loss=loss,
                trusts=trusts,
            )
            for name, serials in meters_by_sender().items()
        )
        self._interval_s = len(self.senders) / messages_per_s
        self._began_s = time.monotonic()
        self._ahead_us = 0
        self._is_loaded = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self.error: Exception | None = None

    def start(self, *, port: int) -> None:
        """Connect all senders to a broker and begin to send again what is kept; nothing new yet."""
        for sender in self.senders:
            sender.connect(port)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)
        for sender in self.senders:
            sender.close()

    def load(self) -> None:
        """Read and send new messages from now on."""
        self._is_loaded.set()

    def rest(self) -> None:
        """Read nothing new; what is kept is still sent again."""
        self._is_loaded.clear()

    @property
    def now(self) -> datetime:
        """Tell the time by the senders' clocks where these are right."""
        return START + timedelta(microseconds=self._now_us())

    def move_on(self, span: timedelta) -> None:
        """Let all senders' clocks jump ahead for good, as the utility's did."""
        self._ahead_us += int(span.total_seconds() * 1e6)

    def suspect(self, *, is_wrong: bool) -> None:
        """Note on every sender that the utility's clock is wrong, or right again."""
        for sender in self.senders:
            sender.suspect(is_wrong=is_wrong)

    @property
    def kept(self) -> int:
        """Tell how many messages are not acknowledged."""
        return sum(sender.kept for sender in self.senders)

    @property
    def messages(self) -> int:
        """Tell how many messages were ever made."""
        return sum(sender.entries for sender in self.senders)

    def goes_on_since(self, numbers: Mapping[str, int]) -> bool:
        """Tell whether any sender has got an ack for what it made after these numbers."""
        return any(sender.has_ack_beyond(numbers[sender.name]) for sender in self.senders)

    def counts(self) -> Counts:
        """Add up what became of the messages."""
        of_each = [sender.counts for sender in self.senders]
        return Counts(*(sum(getattr(one, name) for one in of_each) for name in Counts.__slots__))

    def _due(self, late_s: float) -> int:
        """Tell how many messages a sender is to make in this turn: several where they follow each other faster."""
        return 0 if late_s < 0 else min(MOST_A_TICK, 1 + int(late_s / self._interval_s))

    def _now_us(self) -> int:
        return int((time.monotonic() - self._began_s) * 1e6) + self._ahead_us

    def _run(self) -> None:
        try:
            due_s = [time.monotonic() + index * self._interval_s / 6 for index, _ in enumerate(self.senders)]
            start_us = int(START.timestamp()) * 1_000_000
            while not self._stop.wait(TICK_S):
                now_s = time.monotonic()
                for index, sender in enumerate(self.senders):
                    due = self._due(now_s - due_s[index])
                    if due:
                        due_s[index] = max(due_s[index] + due * self._interval_s, now_s - TICK_S)
                        for _ in range(due if self._is_loaded.is_set() else 0):
                            sender.read(now_us=start_us + self._now_us())
                    sender.resend(now_s=now_s)
        except Exception as error:  # noqa: BLE001 - the run is told, and ends
            self.error = error


def _meter(serial: str) -> MeterRow:
    if serial.startswith("W"):
        return MeterRow(serial, "water", "m3", -3, 9, interval_s=900)
    return MeterRow(serial, "electricity", "kWh", -3, 10, technology="static", interval_s=900)
