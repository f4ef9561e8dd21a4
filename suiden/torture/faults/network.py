"""Lines that are cut, slow or silent."""

from abc import abstractmethod

from suiden.torture.faults.base import Fault
from suiden.torture.lines import Line
from suiden.torture.rig import Rig


class _LineCut(Fault):
    def start(self) -> None:
        after_bytes = self.dice.choice((0, self.dice.randint(1, 400)))
        with_reset = self.dice.random() < 0.5
        self.detail = (
            f"{'reset' if with_reset else 'closed'} {f'{after_bytes} bytes later' if after_bytes else 'at once'}"
        )
        self.line.cut(after_bytes=after_bytes, with_reset=with_reset)

    def heal(self) -> None:
        self.line.mend()

    @property
    @abstractmethod
    def line(self) -> Line: ...


class _LineSlow(Fault):
    def start(self) -> None:
        delay_s = self.dice.choice((0.01, 0.03, 0.08))
        self.hold_s = self.dice.uniform(0.4, 1.2)
        self.detail = f"{1 / delay_s:.0f} kB/s"
        self.line.slow(delay_s=delay_s)

    def heal(self) -> None:
        self.line.mend()

    @property
    @abstractmethod
    def line(self) -> Line: ...


class _LineSilent(Fault):
    def start(self) -> None:
        self.line.silence()

    def heal(self) -> None:
        self.line.mend()

    @property
    @abstractmethod
    def line(self) -> Line: ...


class _ToBroker:
    rig: Rig

    @property
    def line(self) -> Line:
        return self.rig.to_broker


class _ToDatabase:
    rig: Rig

    @property
    def line(self) -> Line:
        return self.rig.to_database


class _FromSenders:
    rig: Rig

    @property
    def line(self) -> Line:
        return self.rig.from_senders


class BrokerLineCut(_ToBroker, _LineCut):
    """The line between gateway and broker breaks, in the middle of a packet or between two."""

    kind = "broker_line_cut"
    spares_broker = True
    tells = "broker"


class BrokerLineSlow(_ToBroker, _LineSlow):
    """The line between gateway and broker gets slow."""

    kind = "broker_line_slow"
    spares_broker = True


class BrokerLineSilent(_ToBroker, _LineSilent):
    """Nothing passes between gateway and broker, and nobody closes the connection."""

    kind = "broker_line_silent"
    is_long = True
    spares_broker = True
    tells = "broker"


class DatabaseLineCut(_ToDatabase, _LineCut):
    """The line between gateway and database breaks: whether a commit happened is not known."""

    kind = "database_line_cut"
    spares_broker = True
    tells = "database"


class DatabaseLineSlow(_ToDatabase, _LineSlow):
    """The line between gateway and database gets slow."""

    kind = "database_line_slow"
    spares_broker = True


class DatabaseLineSilent(_ToDatabase, _LineSilent):
    """Nothing passes between gateway and database, and nobody closes the connection."""

    kind = "database_line_silent"
    is_long = True
    spares_broker = True
    tells = "database"


class SenderLinesCut(_FromSenders, _LineCut):
    """All senders lose their lines to the broker."""

    kind = "sender_line_cut"
