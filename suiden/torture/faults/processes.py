"""Processes that are killed, stopped or paused."""

import signal

from suiden.torture.faults.base import Fault
from suiden.torture.rig import kill


class GatewayKilled(Fault):
    """kill -9 of the gateway."""

    kind = "gateway_kill"
    spares_broker = True

    def start(self) -> None:
        self._gateway = self.dice.choice(self.rig.gateways)
        self._gateway.signal(signal.SIGKILL)

    def heal(self) -> None:
        self._gateway.start()


class GatewayRestarted(Fault):
    """The gateway is asked to stop, as for a new release; it must end by itself, and well."""

    kind = "gateway_restart"
    spares_broker = True

    def start(self) -> None:
        self._gateway = self.dice.choice(self.rig.gateways)
        code = self._gateway.stop()
        assert code == 0, f"a gateway that was asked to stop ended with {code}"

    def heal(self) -> None:
        self._gateway.start()


class GatewayPaused(Fault):
    """SIGSTOP of the gateway, as a machine that is moved does to it."""

    kind = "gateway_pause"
    spares_broker = True

    def start(self) -> None:
        self._gateway = self.dice.choice(self.rig.gateways)
        self.hold_s = self.dice.uniform(0.3, 1.0)
        self._gateway.signal(signal.SIGSTOP)

    def heal(self) -> None:
        self._gateway.signal(signal.SIGCONT)


class PostgresKilled(Fault):
    """kill -9 of the postmaster."""

    kind = "postgres_kill"
    spares_broker = True
    tells = "database"

    def start(self) -> None:
        self.rig.kill_postgres()

    def heal(self) -> None:
        self.rig.start_postgres()


class BackendKilled(Fault):
    """kill -9 of one of the server processes of the gateway: the server throws everybody out and recovers."""

    kind = "backend_kill"
    spares_broker = True

    def start(self) -> None:
        kill(self.dice.choice(self.rig.backends() or [None]), signal.SIGKILL)

    def heal(self) -> None:
        """The server does it by itself."""


class BackendStopped(Fault):
    """SIGSTOP of some of the server processes of the gateway, or all: stopped, not dead, and with their locks."""

    kind = "backend_stop"
    is_long = True
    spares_broker = True
    tells = "database"
    goes_on = True  # by other processes, where these hold no locks

    def start(self) -> None:
        serving = self.rig.backends()
        self._pids = self.dice.sample(serving, self.dice.randint(min(1, len(serving)), len(serving)))
        self.detail = f"{len(self._pids)} of {len(serving)} processes"
        for pid in self._pids:
            kill(pid, signal.SIGSTOP)

    def heal(self) -> None:
        for pid in self._pids:
            kill(pid, signal.SIGCONT)


class PostgresStopped(Fault):
    """SIGSTOP of the postmaster and of all who serve the gateway: nobody new gets in either."""

    kind = "postgres_stop"
    is_long = True
    spares_broker = True
    tells = "database"

    def start(self) -> None:
        self._pids = [*self.rig.backends(), self.rig.postgres.pid]
        self.detail = f"{len(self._pids)} processes"
        for pid in self._pids:
            kill(pid, signal.SIGSTOP)

    def heal(self) -> None:
        for pid in reversed(self._pids):
            kill(pid, signal.SIGCONT)


class BrokerKilled(Fault):
    """kill -9 of the broker: what it has acknowledged to senders may be gone."""

    kind = "broker_kill"
    tells = "broker"

    def start(self) -> None:
        self.rig.kill_broker()

    def heal(self) -> None:
        self.rig.start_broker()


class GatewayAndPostgresKilled(Fault):
    """kill -9 of gateway and PostgreSQL at once; the broker lives on."""

    kind = "gateway_postgres_kill"
    spares_broker = True

    def start(self) -> None:
        self.rig.kill_gateways()
        self.rig.kill_postgres()

    def heal(self) -> None:
        self.rig.start_gateways()
        self.rig.start_postgres()


class PowerLost(Fault):
    """kill -9 of gateway, PostgreSQL and broker at once."""

    kind = "all_kill"

    def start(self) -> None:
        self.rig.kill_gateways()
        self.rig.kill_postgres()
        self.rig.kill_broker()

    def heal(self) -> None:
        starts = [
            ("PostgreSQL", self.rig.start_postgres),
            ("broker", self.rig.start_broker),
            ("gateway", self.rig.start_gateways),
        ]
        self.dice.shuffle(starts)
        self.detail = "back: " + ", ".join(name for name, _ in starts)
        for _, start in starts:
            start()
