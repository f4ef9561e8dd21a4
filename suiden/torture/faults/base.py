"""What every fault has."""

import random
from abc import ABC, abstractmethod
from typing import ClassVar

from suiden.torture.rig import Rig


class Fault(ABC):
    """One fault of one cycle."""

    kind: ClassVar[str]
    tells: ClassVar[str] = ""  # what /readyz must name while it is; nothing: the gateway need not know, or cannot
    spares_broker: ClassVar[bool] = False  # a broker that keeps its word delivers all by itself afterwards
    is_long: ClassVar[bool] = False  # it waits for deadlines or for clocks, and comes half as often
    goes_on: ClassVar[bool] = False  # it may instead take in messages all the while

    def __init__(self, rig: Rig, dice: random.Random) -> None:
        self.rig = rig
        self.dice = dice
        self.detail = ""
        self.hold_s = dice.uniform(0.05, 0.4)
        self.settle_s = 0.0  # after it is healed, until the gateway can have noticed

    @abstractmethod
    def start(self) -> None:
        """Throw it."""

    @abstractmethod
    def heal(self) -> None:
        """Undo it."""

    def settled(self) -> None:  # noqa: B027 - most have nothing to do
        """Do what is left to do `settle_s` after it was healed."""
