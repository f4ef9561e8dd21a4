"""The run: one fault after the other under load, and after each one the store compared with the meters' logs."""

import itertools
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from suiden.torture import store
from suiden.torture.comparison import Comparison
from suiden.torture.faults import KINDS, Fault
from suiden.torture.gateway_process import memory_bytes
from suiden.torture.rig import BrokerKind, Rig, Stuck

LOSS = 0.05
LOAD_WITHIN_S = 30.0
TOLD_WITHIN_S = 15.0
WHOLE_WITHIN_S = 60.0
SETTLED_WITHIN_S = 8.0
EVERYTHING_EACH = 25  # cycles


@dataclass(frozen=True, slots=True)
class Options:
    """What to run. `kinds` None: all that are possible here."""

    cycles: int
    seed: int
    broker: BrokerKind
    messages_per_s: float
    kinds: tuple[str, ...] | None = None
    workers: int = 1
    trusts: bool = False  # nothing gets lost before the broker, and the senders send nothing again


@dataclass(slots=True)
class Cycle:
    """One fault and what came of it; times in seconds."""

    number: int
    kind: str
    detail: str = ""
    told_s: float | None = None  # until /readyz named it
    whole_s: float | None = None  # from healing until every message was acknowledged
    took_s: float = 0.0
    messages: int = 0
    sent_again: int = 0
    readings: int = 0  # in the store by now
    gateway_bytes: int = 0
    own_bytes: int = 0
    database_bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class Report:
    """All cycles of a run, and its sums."""

    options: Options
    left_out: dict[str, str]
    cycles: list[Cycle] = field(default_factory=list)
    started_in_s: float = 0.0
    took_s: float = 0.0
    messages: int = 0
    sent: int = 0
    dropped: int = 0
    acks_dropped: int = 0
    readings: int = 0
    refused: int = 0
    gaps_shown: int = 0
    gateway_starts: int = 0
    diagnosis: str = ""
    is_stopped: bool = False  # by a person, before the end

    @property
    def is_well(self) -> bool:
        return len(self.cycles) == self.options.cycles and all(cycle.is_well for cycle in self.cycles)


def order_of_faults(*, kinds: Sequence[str], cycles: int, seed: int) -> list[str]:
    """Deal the kinds like cards, in random order by the seed: the short ones in every deck, the long in every other."""
    dice = random.Random(f"order {seed}")
    long = [kind for kind in kinds if KINDS[kind].is_long]
    short = [kind for kind in kinds if kind not in long]
    dice.shuffle(long)
    dealt: list[str] = []
    for deck in itertools.count():
        if len(dealt) >= cycles:
            break
        cards = short + (long[deck % 2 :: 2] or ([] if short else long))
        dice.shuffle(cards)
        dealt += cards
    return dealt[:cycles]


class Run:
    """One run on one rig; it ends at the first thing that does not hold."""

    def __init__(
        self, options: Options, *, folder: Path, say: Callable[[str], None], tell: Callable[[Cycle], None]
    ) -> None:
        """`say` takes what is being done, `tell` each cycle as it ends."""
        self._options = options
        self._say = say
        self._tell = tell
        self.rig = Rig(
            folder=folder,
            broker=options.broker,
            seed=options.seed,
            loss=0.0 if options.trusts else LOSS,
            trusts=options.trusts,
            messages_per_s=options.messages_per_s,
            workers=options.workers,
            say=say,
        )
        possible = [name for name, kind in KINDS.items() if kind.spares_broker or not options.trusts]
        left_out = {"disk_full": self.rig.no_disk} if self.rig.disk is None else {}
        self.kinds = [kind for kind in options.kinds or possible if kind in possible and kind not in left_out]
        self._healed_s = 0.0
        self.report = Report(options, {kind: why for kind, why in left_out.items() if kind in (options.kinds or KINDS)})

    def run(self) -> None:
        """Run all cycles, or up to the first that fails; the report is complete in any case."""
        began_s = time.monotonic()
        self.rig.start()
        self._comparison = Comparison(truth=self.rig.truth, senders=self.rig.fleet.senders)
        self.report.started_in_s = time.monotonic() - began_s
        try:
            kinds = order_of_faults(kinds=self.kinds, cycles=self._options.cycles, seed=self._options.seed)
            for number, kind in enumerate(kinds, start=1):
                cycle = Cycle(number, kind)
                self.report.cycles.append(cycle)
                self._run_cycle(cycle)
                self._tell(cycle)
                if not cycle.is_well:
                    return
        finally:
            self._add_up(time.monotonic() - began_s)

    def _run_cycle(self, cycle: Cycle) -> None:
        began_s = time.monotonic()
        before, before_again = self.rig.fleet.messages, self.rig.fleet.counts().sent_again
        fault = KINDS[cycle.kind](self.rig, random.Random(f"{self._options.seed} {cycle.number} {cycle.kind}"))
        self._say(f"{cycle.number}/{self._options.cycles} {cycle.kind}")
        try:
            self._throw(fault, cycle)
            cycle.problems = self._compare(everything=self._is_full(cycle.number), cycle=cycle)
            if self._options.trusts:  # only the store shows when all has come
                cycle.whole_s = time.monotonic() - self._healed_s
        except (Stuck, AssertionError, psycopg.Error) as error:
            cycle.problems.append(f"{type(error).__name__}: {error}" if not isinstance(error, Stuck) else str(error))
        cycle.detail = fault.detail
        cycle.took_s = time.monotonic() - began_s
        cycle.messages = self.rig.fleet.messages - before
        cycle.sent_again = self.rig.fleet.counts().sent_again - before_again
        cycle.gateway_bytes = max(gateway.memory_bytes() for gateway in self.rig.gateways)
        cycle.own_bytes = memory_bytes(os.getpid())
        if cycle.problems:
            from suiden.torture.diagnosis import diagnose  # only then

            self.report.diagnosis = diagnose(self.rig)

    def _is_full(self, number: int) -> bool:
        return number % EVERYTHING_EACH == 0 or number == self._options.cycles

    def _throw(self, fault: Fault, cycle: Cycle) -> None:
        """Load, break, wait until it is told, heal, and wait until everything is acknowledged."""
        rig, fleet = self.rig, self.rig.fleet
        acks = fleet.counts().acks
        fleet.load()
        rig.wait_for(lambda: fleet.counts().acks > acks, within_s=LOAD_WITHIN_S, what="a message is acknowledged")
        time.sleep(fault.dice.uniform(0.0, 0.3))
        fault.start()
        if fault.tells:
            cycle.told_s = self._wait_until_told(fault)
        time.sleep(fault.hold_s)
        fault.heal()
        self._healed_s = time.monotonic()
        if fault.settle_s:
            time.sleep(fault.settle_s)
        fault.settled()
        fleet.rest()
        rig.wait_for(lambda: fleet.kept == 0, within_s=WHOLE_WITHIN_S, what="every message is acknowledged")
        rig.wait_for(rig.is_ready, within_s=WHOLE_WITHIN_S, what="every gateway calls itself ready again")
        cycle.whole_s = time.monotonic() - self._healed_s

    def _wait_until_told(self, fault: Fault) -> float | None:
        """Wait until the gateway says what is away; None if it has found a way round, which some faults leave open."""
        fleet = self.rig.fleet
        numbers = {sender.name: sender.number for sender in fleet.senders}
        told: list[bool] = []

        def is_told_or_goes_on() -> bool:
            told[:] = [self._is_told(fault.tells)]
            return told[0] or (fault.goes_on and fleet.goes_on_since(numbers))

        what = f"/readyz and /healthz name the {fault.tells}"
        took_s = self.rig.wait_for(is_told_or_goes_on, within_s=TOLD_WITHIN_S, what=what)
        return took_s if told[0] else None

    def _is_told(self, part: str) -> bool:
        """Whether every gateway says that it cannot work and names the part; that it lives must stay true."""
        return all(
            (answer := gateway.ask(path)) is not None and answer.status == status and part in answer.text
            for gateway in self.rig.gateways
            for path, status in (("/readyz", 503), ("/healthz", 200))
        )

    def _compare(self, *, everything: bool, cycle: Cycle) -> list[str]:
        """Compare until it is equal: what follows a commit may take a moment; what is equal stays so."""
        deadline_s = time.monotonic() + (WHOLE_WITHIN_S if self._options.trusts else SETTLED_WITHIN_S)
        while True:
            with store.connect(self.rig.database_url) as conn:
                found = self._comparison.differences(conn, everything=everything)
                totals = store.totals(conn)
            found += self._unlike_sums()
            cycle.readings, cycle.database_bytes = totals.readings, totals.database_bytes
            if not found or time.monotonic() > deadline_s:
                return found
            time.sleep(0.1)

    def _unlike_sums(self) -> list[str]:
        """Check that received = stored + duplicate + rejected, and that the gateway calls itself ready."""
        found: list[str] = []
        for gateway in self.rig.gateways:
            outcomes = gateway.outcomes()
            if outcomes is None:
                found.append("a gateway does not answer on /metrics")
            elif outcomes["received"] != outcomes["stored"] + outcomes["duplicate"] + outcomes["rejected"]:
                found.append(f"received is not stored + duplicate + rejected: {dict(outcomes)}")
        if not self.rig.is_ready():
            found.append("the gateway does not call itself ready")
        return found

    def _add_up(self, took_s: float) -> None:
        report, counts = self.report, self.rig.fleet.counts()
        report.took_s = took_s
        report.messages = self.rig.fleet.messages
        report.sent, report.dropped, report.acks_dropped = counts.sent, counts.dropped, counts.acks_dropped
        report.readings = report.cycles[-1].readings if report.cycles else 0
        report.refused = self._comparison.refused_readings
        report.gaps_shown = self._comparison.gaps_shown
        report.gateway_starts = sum(gateway.starts for gateway in self.rig.gateways)
