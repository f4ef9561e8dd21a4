"""Whether the store holds what the meters' own logs say: every reading once, as it was sent, and nothing else."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.invariants import INVARIANTS
from kernel import invariants
from kernel.clock import wall_now
from suiden.torture import store
from suiden.torture.senders import EPOCH, Sender

CLOCK_REASONS = ("clock_ahead", "too_old")
SHOWN = 3  # examples of each kind of difference
COMPARED_AT_ONCE = 20_000


class Comparison:
    """Compares cheaply after each cycle, and everything now and then; a difference is a sentence."""

    def __init__(self, *, truth: store.Identities, senders: Sequence[Sender]) -> None:
        self._truth = truth
        self._senders = senders
        self._compared = {sender.name: 0 for sender in senders}  # lines of the log
        self._excused: list[store.Reading] = []  # of these lines, not stored so far: refused for a clock, or forgotten
        self._not_stored: list[store.Reading] = []  # as it was last seen
        self._wrongly_refused: list[str] = []
        self._refused: set[tuple[int, datetime]] = set()
        self._last_reject = 0
        self.refused_readings = 0
        self.gaps_shown = 0

    def differences(self, conn: Connection[TupleRow], *, everything: bool) -> list[str]:
        """Say what the store and the logs differ in; to be asked when nothing is under way any more."""
        found = [*self._read_refused(conn), *self._compare_new(conn), *self._compare_numbers(conn)]
        found += self._compare_sums(store.totals(conn))
        found += _few("newest readings differ", store.latest_differing(conn, utility_id=self._truth.utility_id))
        checks = invariants.check(conn, invariants=INVARIANTS, wall_now=wall_now())
        found += [f"standing check {check.name}: {check.example}" for check in checks if check.violations]
        if everything:
            found += self._compare_everything(conn)
        return found

    def _compare_sums(self, totals: store.Totals) -> list[str]:
        """Compare the store's own sums with each other and with the logs."""
        found: list[str] = []
        logged = sum(sender.entries * len(sender.log.serials) for sender in self._senders)
        expected = logged - len(self._not_stored)
        if totals.readings != expected:
            found.append(f"{totals.readings} readings are stored and {expected} were to be")
        if totals.readings != totals.stored_in_batches:
            found.append(f"{totals.readings} readings are stored, and batches say {totals.stored_in_batches}")
        if totals.batches != totals.batches_told:
            found.append(f"{totals.batches - totals.batches_told} batches were told to nobody")
        if totals.counted_received != totals.counted_stored + totals.counted_others:
            found.append(f"in intake_count received is not stored + duplicates + rejected: {totals}")
        if totals.counted_received and totals.counted_stored != totals.readings:
            found.append(f"{totals.readings} readings are stored, and intake_count says {totals.counted_stored}")
        return found

    # --- readings

    def _readings(self, sender: Sender, entries: Iterable[int]) -> Iterator[store.Reading]:
        for entry in entries:
            for reading in sender.log.readings(entry):
                at = EPOCH + timedelta(microseconds=reading.read_at_us)
                yield self._truth.meters[reading.serial], at, reading.register, reading.flow

    def _compare_new(self, conn: Connection[TupleRow]) -> list[str]:
        """Compare the lines that the logs have gained, and look again after those that were not stored."""
        found: list[str] = []
        waiting = self._excused
        for sender in self._senders:
            excused = sender.may_be_refused | set(sender.forgotten.values())
            new = range(self._compared[sender.name], sender.entries)
            certain = list(self._readings(sender, (entry for entry in new if entry not in excused)))
            found += _few(f"readings of {sender.name} differ", self._differing(conn, certain, what="lost"))
            waiting = waiting + list(self._readings(sender, (entry for entry in new if entry in excused)))
        asked = self._asked(conn, waiting)
        found += _few("readings were stored with other values", [str(row) for row in asked if row[2] is not None])
        not_stored = {(meter, at) for meter, at, register in asked if register is None}
        self._not_stored = [reading for reading in waiting if reading[:2] in not_stored]
        unexplained = not_stored - self._refused - self._forgotten_keys()
        found += _few("readings are neither stored nor kept as refused", [str(key) for key in sorted(unexplained)])
        if not found:
            self._compared = {sender.name: sender.entries for sender in self._senders}
            self._excused = self._not_stored
        return found

    def _differing(self, conn: Connection[TupleRow], readings: Sequence[store.Reading], *, what: str) -> list[str]:
        return [
            f"meter {meter} at {at}: {what if register is None else f'stored as {register}'}"
            for meter, at, register in self._asked(conn, readings)
        ]

    def _asked(
        self, conn: Connection[TupleRow], readings: Sequence[store.Reading]
    ) -> list[tuple[int, datetime, int | None]]:
        return store.differing(conn, utility_id=self._truth.utility_id, readings=readings) if readings else []

    def _compare_everything(self, conn: Connection[TupleRow]) -> list[str]:
        """Read the whole store, meter by meter, and compare it with the whole log."""
        found: list[str] = []
        missing = set(self._not_stored)
        for sender in self._senders:
            logged: dict[int, set[store.Reading]] = {self._truth.meters[serial]: set() for serial in sender.log.serials}
            for reading in self._readings(sender, range(sender.entries)):
                logged[reading[0]].add(reading)
            for meter_id, readings in logged.items():
                rows = store.readings_of(conn, utility_id=self._truth.utility_id, meter_id=meter_id)
                stored = {(meter, at.astimezone(UTC), register, flow) for meter, at, register, flow in rows}
                found += _few(f"logged by meter {meter_id}, not stored", map(str, readings - stored - missing))
                found += _few(f"stored of meter {meter_id}, not logged", map(str, stored - readings))
                if len(stored) != len(rows):
                    found.append(f"meter {meter_id} has readings twice")
        return found

    # --- what was refused, what is missing

    def _read_refused(self, conn: Connection[TupleRow]) -> list[str]:
        """Read what was refused since; only what a wrong clock spoiled may be."""
        allowed = {
            (meter, at) for sender in self._senders for meter, at, *_ in self._readings(sender, sender.may_be_refused)
        }
        for reject_id, reason, topic, payload in store.refused(conn, after=self._last_reject):
            self._last_reject = reject_id
            keys = {(self._truth.meters[one["meter"]], _instant(one["at"])) for one in json.loads(payload)["readings"]}
            self._refused |= keys
            self.refused_readings += len(keys)
            if reason not in CLOCK_REASONS or keys - allowed:
                self._wrongly_refused.append(f"{topic} as {reason}: {payload[:200]!r}")
        return _few("messages were refused without cause", self._wrongly_refused)

    def _forgotten_keys(self) -> set[tuple[int, datetime]]:
        return {
            (meter, at)
            for sender in self._senders
            for meter, at, *_ in self._readings(sender, sender.forgotten.values())
        }

    def _compare_numbers(self, conn: Connection[TupleRow]) -> list[str]:
        """Compare what the gateway knows of the senders' numbers with the senders: no gap but those that are real."""
        found: list[str] = []
        states = store.sender_states(conn, utility_id=self._truth.utility_id)
        self.gaps_shown = 0
        for sender in self._senders:
            if not sender.number:
                continue
            state = states.get(self._truth.senders[sender.name])
            if state is None or (state.boot, state.through) != (sender.boot, sender.number):
                found.append(
                    f"{sender.name} has sent {sender.number} of count {sender.boot}, and the gateway says {state}"
                )
                continue
            missing = set(state.missing)
            self.gaps_shown += len(missing)
            if missing - sender.forgotten.keys():
                found.append(f"numbers of {sender.name} are missing: {sorted(missing - sender.forgotten.keys())[:10]}")
            hidden = {number: entry for number, entry in sender.forgotten.items() if number not in missing}
            lost = self._differing(
                conn, list(self._readings(sender, hidden.values())), what="lost, and no gap is shown"
            )
            found += _few(f"forgotten messages of {sender.name}", lost)
        return found


def _instant(at: str | int) -> datetime:
    """Read an instant as a message gives it."""
    return EPOCH + timedelta(milliseconds=at) if isinstance(at, int) else datetime.fromisoformat(at).astimezone(UTC)


def _few(what: str, of_them: Iterable[str]) -> list[str]:
    """Make one sentence of many differences."""
    listed = list(of_them)
    return [f"{len(listed)} {what}, such as {'; '.join(listed[:SHOWN])}"] if listed else []
