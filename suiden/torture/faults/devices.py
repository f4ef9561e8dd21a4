"""Disks that fill up, and senders that lose their memory or their count."""

from suiden.torture.faults.base import Fault


class DiskFull(Fault):
    """The database's disk fills up, and room is made later; PostgreSQL may have ended."""

    kind = "disk_full"
    spares_broker = True
    tells = "database"

    def start(self) -> None:
        assert self.rig.disk is not None, "it is chosen only where there is a small disk"
        self.rig.disk.fill()

    def heal(self) -> None:
        assert self.rig.disk is not None, "as above"
        self.rig.disk.free()
        if self.rig.postgres.pid is None:
            self.detail = "PostgreSQL had ended"
            self.rig.start_postgres()


class SenderForgets(Fault):
    """A sender's memory is lost with what it kept: what never arrived must stay visible as a gap."""

    kind = "sender_forgets"

    def start(self) -> None:
        self.hold_s = self.dice.uniform(0.4, 1.0)
        self.rig.from_senders.cut()

    def heal(self) -> None:
        sender = self.rig.fleet.senders[0]  # the same each time: a count that begins anew would wipe its gaps
        count = min(8, max(0, sender.kept - 1))
        self.detail = f"{count} messages of {sender.name}"
        sender.forget(count)
        self.rig.from_senders.mend()


class SenderRestarts(Fault):
    """A sender's count begins at 1 under a new name; what it kept comes again with new numbers."""

    kind = "sender_restart"

    def start(self) -> None:
        sender = self.dice.choice(self.rig.fleet.senders[1:])
        self.detail = f"{sender.name}, {sender.kept} messages kept"
        sender.restart_count()

    def heal(self) -> None:
        """It goes on by itself."""
