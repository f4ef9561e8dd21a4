"""The town's meters and concentrators, alive: they read, speak over MQTT, keep what is not acknowledged, and obey."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue
from random import Random

import structlog

from kernel.clock import Anchor, wall_now
from simulators import control
from simulators.links import BrokerAddress, Links
from simulators.speakers import Speakers
from simulators.wire import MessageUnusable, read_ack, read_order
from simulators.world import KEPT_HOURS, World

log = structlog.get_logger()

TURN_S = 0.1  # the longest wait of one turn
RESEND_LOOK_S = 1.0
CONTROL_LINK = "suiden-town"
WorldAction = Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Air:
    """How bad the radio is: shares of messages that are lost or doubled on their way."""

    loss: float = 0.0
    twice: float = 0.0


class Meters:
    """Moves the world on by a clock and carries messages between its senders and the broker."""

    def __init__(
        self, *, world: World, speakers: Speakers, clock: Anchor, utility: str, address: BrokerAddress,
        meter_password: str, air: Air | None = None,
    ) -> None:  # fmt: skip
        """Connect nothing yet; `run` does."""
        self._world, self._speakers, self._clock, self._utility = world, speakers, clock, utility
        self._air, self._chance = air or Air(), Random(1)
        self._actions: SimpleQueue[WorldAction] = SimpleQueue()
        self._look_at_s = 0.0
        self._links = Links(address, received=self._received, connected=self._send)
        for name in speakers.by_name:
            topics = (self._topic(name, "ack"), self._topic(name, "down"))
            self._links.add(name, user=name, password=meter_password, subscriptions=topics)
        self._links.add(
            CONTROL_LINK, user=address.user, password=address.password, subscriptions=(control.ORDER_TOPIC,)
        )

    def now(self) -> datetime:
        return self._clock.at(wall_now())

    def do(self, action: WorldAction) -> None:
        """Have something done to the world between two turns; any thread may ask."""
        self._actions.put(action)

    def run(self, *, stop: threading.Event, each_turn: Callable[[], None]) -> None:
        """Live until `stop`."""
        try:
            while not stop.is_set():
                self.turn()
                each_turn()
        finally:
            self._links.close()

    def turn(self) -> None:
        """Do what is due and wait a moment for messages."""
        while True:
            try:
                self._actions.get_nowait()(self._world)
            except Empty:
                break
        now_s = self.now().timestamp()
        behind = self._live(int(now_s) // 3600)
        for name in self._speakers.speak(now_s=now_s):
            self._send(name)
        if time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + RESEND_LOOK_S
            for name in self._speakers.by_name:
                self._send(name)
        self._links.turn(now_s=time.monotonic(), wait_s=0.0 if behind else self._wait_s(now_s))

    @property
    def up_count(self) -> int:
        return self._links.up_count

    def _live(self, hour: int) -> bool:
        """Live at most one hour; tell whether more are to be lived at once."""
        state = self._world.state
        if hour - state.hour > KEPT_HOURS:
            self._world.skip_to(hour - KEPT_HOURS)
        if state.hour < hour:
            self._speakers.hear(self._world.step())
        return state.hour < hour

    def _wait_s(self, now_s: float) -> float:
        if not self._clock.running or self._clock.rate <= 0:
            return TURN_S
        next_s = min(self._speakers.next_due_s(), (self._world.state.hour + 1) * 3600)
        return min(TURN_S, max(0.0, (next_s - now_s) / self._clock.rate))

    def _send(self, name: str) -> None:
        if name == CONTROL_LINK or not self._links.is_up(name) or self._world.is_mute(name):
            return
        outbox = self._speakers.by_name[name].outbox
        for _, body in outbox.due(now_s=time.monotonic()):
            if self._chance.random() >= self._air.loss:
                self._links.publish(name, self._topic(name, "up"), body)
            if self._chance.random() < self._air.twice:
                self._links.publish(name, self._topic(name, "up"), body)

    def _received(self, name: str, topic: str, payload: bytes) -> None:
        try:
            if name == CONTROL_LINK:
                answer = control.answer(payload, world=self._world)
                self._links.publish(CONTROL_LINK, control.ANSWER_TOPIC, answer)
            elif self._world.is_mute(name):
                return  # it does not hear either
            elif topic.endswith("/ack"):
                self._speakers.by_name[name].outbox.acknowledge(read_ack(payload), now_s=time.monotonic())
                self._send(name)
            elif topic.endswith("/down"):
                self._speakers.obey(name, read_order(payload), now=self.now())
                self._send(name)
        except MessageUnusable as error:
            log.warning("town.message_unusable", sender=name, topic=topic, why=str(error))

    def _topic(self, name: str, kind: str) -> str:
        return f"suiden/v1/{self._utility}/{name}/{kind}"
