"""Readings taken by hand: the same validation as what comes over MQTT, each kept once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.books import read_book
from ingest_gateway.domain.meters import Meter, MeterBook
from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.domain.validation import Limits, Row, check, is_backwards
from ingest_gateway.domain.wire import Reason, Refused, WireReading, instant_us
from ingest_gateway.operations.intake import follow_up
from ingest_gateway.store import counts, handheld, latest, readings, rejects
from kernel import clock
from registry import queries as registry

Outcome = Literal["stored", "duplicate", "rejected"]


@dataclass(frozen=True, slots=True)
class HandheldEntry:
    """One reading taken by hand. The id is made by the handheld; `register` counts the meter's least digit."""

    entry_id: UUID
    serial: str
    read_at: datetime
    register: int
    entered_at: datetime
    note: str = ""
    reason_code: str = ""


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """What became of an entry; `reject_reason` is one of the closed list of reasons."""

    entry_id: UUID
    outcome: Outcome
    reject_reason: str | None = None
    detail: str = ""


def take_in_entries(
    conn: Connection[TupleRow], *, utility_id: int, entries: Sequence[HandheldEntry], login_id: int, now: datetime
) -> list[EntryOutcome]:
    """Store a handheld's readings; an entry that came before gets its answer again, and nothing is stored twice."""
    handheld.lock_uploads(conn, utility_id=utility_id, login_id=login_id)
    known = handheld.outcomes(conn, utility_id=utility_id, entry_ids=[entry.entry_id for entry in entries])
    taker = _Taker(conn, utility_id=utility_id, login_id=login_id, now=now)
    answers: dict[UUID, EntryOutcome] = {
        entry_id: EntryOutcome(entry_id, _outcome(outcome), reason) for entry_id, (outcome, reason) in known.items()
    }
    for entry in entries:
        if entry.entry_id not in answers:
            answers[entry.entry_id] = taker.take(entry)
    taker.finish()
    return [answers[entry.entry_id] for entry in entries]


class _Taker:
    """Takes the entries of one upload, which become one batch."""

    def __init__(self, conn: Connection[TupleRow], *, utility_id: int, login_id: int, now: datetime) -> None:
        self._conn = conn
        self._login_id = login_id
        self._now = now
        utility = next(one for one in registry.utilities(conn) if one.utility_id == utility_id)
        self._book: MeterBook = read_book(conn, utility=utility)
        self._limits = Limits.at(instant_us(now), rate=clock.rate_of(conn))
        self._batch_id = readings.next_batch_id(conn)
        self._stored: list[Row] = []
        self._taken = 0
        self._duplicates = 0
        self._refusals: list[Refusal] = []

    def take(self, entry: HandheldEntry) -> EntryOutcome:
        """Store one entry, or say why not."""
        self._taken += 1
        meter = self._book.meters.get(entry.serial)
        if meter is None:
            return self._refuse(entry, "unknown_meter", f"no meter has the serial {entry.serial[:80]!r}")
        try:
            row = self._check(entry, meter=meter)
        except Refused as error:
            return self._keep(entry, meter=meter, answer=self._refuse(entry, error.reason, error.detail))
        utility_id = self._book.utility_id
        if readings.store_one(self._conn, utility_id=utility_id, batch_id=self._batch_id, row=row):
            self._stored.append(row)
            return self._keep(entry, meter=meter, answer=EntryOutcome(entry.entry_id, "stored"))
        if readings.is_register_stored(self._conn, utility_id=utility_id, row=row):
            self._duplicates += 1
            return self._keep(entry, meter=meter, answer=EntryOutcome(entry.entry_id, "duplicate"))
        detail = "another reading of this meter and instant is stored"
        return self._keep(entry, meter=meter, answer=self._refuse(entry, "conflict", detail))

    def finish(self) -> None:
        """Write what follows from the entries."""
        if self._stored:
            follow_up(
                self._conn,
                book=self._book,
                batch_id=self._batch_id,
                rows=self._stored,
                source="handheld",
                now=self._now,
            )
        if self._refusals:
            rejects.keep(self._conn, refusals=self._refusals, at=self._now)
        counts.add_counts(
            self._conn,
            utility_id=self._book.utility_id,
            source="handheld",
            worker="web",
            received=self._taken,
            stored=len(self._stored),
            duplicates=self._duplicates,
            rejected=len(self._refusals),
            at=self._now,
        )

    def _check(self, entry: HandheldEntry, *, meter: Meter) -> Row:
        row = check(WireReading(at=entry.read_at, register=entry.register), meter=meter, limits=self._limits)
        known = latest.baselines(self._conn, utility_id=self._book.utility_id, meter_ids=[meter.meter_id])
        baseline = known.get(meter.meter_id)
        if baseline is not None and is_backwards(row, meter=meter, baseline=baseline):
            raise Refused("register_backwards", f"the register fell from {baseline.register} to {row.register}")
        return row

    def _refuse(self, entry: HandheldEntry, reason: Reason, detail: str) -> EntryOutcome:
        utility_id = self._book.utility_id
        topic = f"handheld/{self._book.code}/{self._login_id}"
        self._refusals.append(Refusal(utility_id, topic, msgspec.json.encode(entry), reason, detail))
        return EntryOutcome(entry.entry_id, "rejected", reason, detail)

    def _keep(self, entry: HandheldEntry, *, meter: Meter, answer: EntryOutcome) -> EntryOutcome:
        if entry.register < 0 or entry.register >= 1 << 63:
            return answer  # it fits no column; the refused message holds it
        handheld.insert(
            self._conn,
            utility_id=self._book.utility_id,
            entry_id=entry.entry_id,
            meter_id=meter.meter_id,
            read_at=entry.read_at,
            register=entry.register,
            note=rejects.storable(entry.note),
            reason_code=rejects.storable(entry.reason_code),
            login_id=self._login_id,
            entered_at=entry.entered_at,
            received_at=self._now,
            outcome=answer.outcome,
            reject_reason=answer.reject_reason,
        )
        return answer


def _outcome(stored: str) -> Outcome:
    return "stored" if stored == "stored" else "duplicate" if stored == "duplicate" else "rejected"
