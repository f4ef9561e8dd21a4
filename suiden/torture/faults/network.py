"""Lines that are cut, slow or silent."""

from abc import abstractmethod

from suiden.torture.faults.base import Fault
from suiden.torture.lines import Line


class _OfLine(Fault):
    @property
    @abstractmethod
    def line(self) -> Line: ...

    def heal(self) -> None:
        self.line.mend()


class _ToBroker(_OfLine):
    spares_broker = True
    tells = "broker"

    @property
    def line(self) -> Line:
        return self.rig.to_broker


class _ToDatabase(_OfLine):
    spares_broker = True
    tells = "database"

    @property
    def line(self) -> Line:
        return self.rig.to_database


class _FromSenders(_OfLine):
    @property
    def line(self) -> Line:
        return self.rig.from_senders


class _Cut(_OfLine):
    def start(self) -> None:
        after_bytes = self.dice.choice((0, self.dice.randint(1, 400)))
        with_reset = self.dice.random() < 0.5
        self.detail = (
            f"{'reset' if with_reset else 'closed'} {f'{after_bytes} bytes later' if after_bytes else 'at once'}"
        )
        self.line.cut(after_bytes=after_bytes, with_reset=with_reset)


class _Slow(_OfLine):
    tells = ""  # it goes on, only later

    def start(self) -> None:
        delay_s = self.dice.choice((0.01, 0.03, 0.08))
        self.hold_s = self.dice.uniform(0.4, 1.2)
        self.detail = f"{1 / delay_s:.0f} kB/s"
        self.line.slow(delay_s=delay_s)


class _Silent(_OfLine):
    is_long = True

    def start(self) -> None:
        self.line.silence()


class BrokerLineCut(_Cut, _ToBroker):
    """The line between gateway and broker breaks, in the middle of a packet or between two."""

    kind = "broker_line_cut"


class BrokerLineSlow(_Slow, _ToBroker):
    """The line between gateway and broker gets slow."""

    kind = "broker_line_slow"


class BrokerLineSilent(_Silent, _ToBroker):
    """Nothing passes between gateway and broker, and nobody closes the connection."""

    kind = "broker_line_silent"


class DatabaseLineCut(_Cut, _ToDatabase):
    """The line between gateway and database breaks: whether a commit happened is not known."""

    kind = "database_line_cut"


class DatabaseLineSlow(_Slow, _ToDatabase):
    """The line between gateway and database gets slow."""

    kind = "database_line_slow"


class DatabaseLineSilent(_Silent, _ToDatabase):
    """Nothing passes between gateway and database, and nobody closes the connection."""

    kind = "database_line_silent"


class SenderLinesCut(_Cut, _FromSenders):
    """All senders lose their lines to the broker."""

    kind = "sender_line_cut"
