"""Clocks that jump."""

from datetime import timedelta

from suiden.torture.faults.base import Fault

JUMPS_S = {"-40 min": -2400, "-3 days": -259_200, "-26 years": -820_000_000, "+2 h": 7200, "+300 days": 25_920_000}
CLOCK_READ_AGAIN_S = 2.2  # processes read the utility's clock every two seconds


class UtilityClockWrong(Fault):
    """The utility's clock jumps, and later back: what seems to lie ahead may be refused, and then is kept."""

    kind = "utility_clock"
    is_long = True

    def start(self) -> None:
        hours = self.dice.choice((-72, -3, 3, 72))
        self.detail = f"{hours:+} h"
        self.hold_s = CLOCK_READ_AGAIN_S
        self.settle_s = CLOCK_READ_AGAIN_S
        if hours < 0:
            self.rig.fleet.suspect(is_wrong=True)
        self.rig.set_clock(timedelta(hours=hours))

    def heal(self) -> None:
        self.rig.set_clock(timedelta())

    def settled(self) -> None:
        self.rig.fleet.suspect(is_wrong=False)


class TimeLeaps(Fault):
    """The utility's clock is set forward for good; the senders' follow later, so that all is late for a while."""

    kind = "time_leap"
    is_long = True
    spares_broker = True

    def start(self) -> None:
        self._span = timedelta(minutes=self.dice.randint(20, 600))
        self.detail = f"+{self._span}"
        self.rig.set_clock(self._span)

    def heal(self) -> None:
        self.settle_s = CLOCK_READ_AGAIN_S

    def settled(self) -> None:
        self.rig.fleet.move_on(self._span)


class SenderClocksWrong(Fault):
    """Some senders' clocks jump: a little or years back (late, or refused as too old), or ahead (refused, and kept)."""

    kind = "sender_clock"

    def start(self) -> None:
        self._wrong = self.dice.sample(self.rig.fleet.senders, self.dice.randint(1, 3))
        jumps = {
            "-40 min": -2400,
            "-3 days": -259_200,
            "-26 years": -820_000_000,
            "+2 h": 7200,
            "+300 days": 25_920_000,
        }
        name = self.dice.choice(list(jumps))
        self.detail = f"{name} on {', '.join(sender.name for sender in self._wrong)}"
        for sender in self._wrong:
            if JUMPS_S[name] > 0 or "years" in name:
                sender.suspect(is_wrong=True)
            sender.jump_clock(JUMPS_S[name] * 1_000_000)

    def heal(self) -> None:
        for sender in self._wrong:
            sender.jump_clock(0)
            sender.suspect(is_wrong=False)
