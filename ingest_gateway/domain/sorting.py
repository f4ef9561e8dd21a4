"""What becomes of each reading of a batch: to be stored, seen twice in it, or refused with a reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ingest_gateway.domain import suiden_json
from ingest_gateway.domain.marks import Marks
from ingest_gateway.domain.meters import Meter, MeterBook
from ingest_gateway.domain.packing import packed_measures
from ingest_gateway.domain.validation import (
    BELIEVED_AFTER,
    Baseline,
    Baselines,
    Fall,
    Limits,
    Row,
    check,
    fall_with,
    is_backwards,
)
from ingest_gateway.domain.wire import Answer, Reason, Refused, Telegram, WireReading

Key = tuple[int, int]  # meter id and instant in microseconds


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message or a part of one that was not accepted; `count` is in readings."""

    utility_id: int | None
    topic: str
    payload: bytes
    reason: Reason
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class SenderAnswer:
    """An answer to a command, by the sender that gave it."""

    topic: str
    sender: str
    answer: Answer


@dataclass(slots=True)
class Sorted:
    """A batch of one utility. `origin` tells for each row from which message it came, `falls` what fell by meter."""

    rows: dict[Key, Row] = field(default_factory=dict[Key, Row])
    origin: dict[Key, int] = field(default_factory=dict[Key, int])
    sources: dict[Key, tuple[Telegram, WireReading]] = field(default_factory=dict[Key, tuple[Telegram, WireReading]])
    collisions: list[tuple[Row, Telegram, WireReading]] = field(default_factory=list[tuple[Row, Telegram, WireReading]])
    duplicates: int = 0
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    answers: list[SenderAnswer] = field(default_factory=list[SenderAnswer])
    received: int = 0
    newest: dict[int, Baseline] = field(default_factory=dict[int, Baseline])
    falls: dict[int, Fall] = field(default_factory=dict[int, Fall])
    numbered: list[tuple[str, int, Telegram]] = field(default_factory=list[tuple[str, int, Telegram]])

    @property
    def has_anything(self) -> bool:
        """Whether there is anything to be written of it."""
        return bool(self.rows or self.refusals or self.answers or self.falls or self.numbered or self.received)


class Sorter:
    """Sorts the messages of one utility, one after the other."""

    def __init__(
        self, *, book: MeterBook, limits: Limits, baselines: Baselines, accept_backwards: bool = False
    ) -> None:
        """Take what is known; `accept_backwards` takes registers that fell, because someone looked and said so."""
        self._book = book
        self._limits = limits
        self._baselines = baselines
        self._accept_backwards = accept_backwards
        self.sorted = Sorted()

    @property
    def utility_id(self) -> int:
        return self._book.utility_id

    def add(self, telegram: Telegram, *, origin: int) -> None:
        """Sort one message; never raises for what it holds."""
        out = self.sorted
        out.received += max(telegram.count, 0)
        sender = self._book.senders.get(telegram.sender)
        if sender is None:
            out.received += telegram.count == 0
            self._refuse(telegram, "unknown_sender", "the registry has no such active sender", max(1, telegram.count))
            return
        if telegram.sequence is not None:
            out.numbered.append((telegram.sender, origin, telegram))
        for fragment in telegram.fragments:
            out.refusals.append(
                Refusal(self._book.utility_id, telegram.topic, fragment.payload, fragment.reason, fragment.detail)
            )
        self._take_all(telegram, telegram.readings, origin=origin)
        out.answers += [SenderAnswer(telegram.topic, telegram.sender, answer) for answer in telegram.answers]

    def add_some(self, telegram: Telegram, readings: Sequence[WireReading], *, origin: int) -> None:
        """Sort some readings of a message whose sender is known; its others and its number are seen to elsewhere."""
        self.sorted.received += len(readings)
        self._take_all(telegram, readings, origin=origin)

    def _take_all(self, telegram: Telegram, readings: Sequence[WireReading], *, origin: int) -> None:
        refused: dict[Reason, list[tuple[WireReading, str]]] = {}
        for reading in readings:
            try:
                self._take(telegram, reading, origin=origin)
            except Refused as error:
                refused.setdefault(error.reason, []).append((reading, error.detail))
        for reason, those in refused.items():
            self._refuse_readings(telegram, reason, those)

    def refuse(self, refusal: Refusal) -> None:
        """Note a message that could not be decoded."""
        self.sorted.received += refusal.count
        self.sorted.refusals.append(refusal)

    def _take(self, telegram: Telegram, reading: WireReading, *, origin: int) -> None:
        meter = self._meter_of(telegram, reading)
        row = check(reading, meter=meter, limits=self._limits)
        key = (row.meter_id, row.read_at_us)
        out = self.sorted
        known = out.rows.get(key)
        if known is not None:
            if known != row and packed_measures(known) != packed_measures(row):
                out.collisions.append((row, telegram, reading))  # which of them is stored already is not known yet
            else:
                out.duplicates += 1
            return
        baseline = self._baseline_for(row, meter=meter)
        if row.register is not None and (baseline is None or row.read_at_us > baseline.read_at_us):
            out.newest[row.meter_id] = Baseline(row.read_at_us, row.register)
            out.falls.pop(row.meter_id, None)
        out.rows[key] = row
        out.origin[key] = origin
        out.sources[key] = (telegram, reading)

    def _baseline_for(self, row: Row, *, meter: Meter) -> Baseline | None:
        """Give the newest stored register; what is remembered is compared with what is stored before it refuses.

        :raises Refused: if the register fell, and not enough readings before it counted on from there
        """
        in_batch = self.sorted.newest.get(row.meter_id)
        baseline = in_batch or self._baselines.of(row.meter_id)
        if self._accept_backwards or not is_backwards(row, meter=meter, baseline=baseline):
            return baseline
        if in_batch is None:
            baseline = self._baselines.fresh(row.meter_id)
            if not is_backwards(row, meter=meter, baseline=baseline):
                return baseline
        assert baseline is not None, "nothing is backwards without a baseline"
        fall = fall_with(row, before=baseline.fall)
        if fall.readings >= BELIEVED_AFTER:
            return baseline
        self.sorted.newest[row.meter_id] = baseline._replace(fall=fall)
        self.sorted.falls[row.meter_id] = fall
        raise Refused("register_backwards", f"the register fell from {baseline.register} to {row.register}")

    def _meter_of(self, telegram: Telegram, reading: WireReading) -> Meter:
        serial = telegram.sender if reading.meter is None else reading.meter
        meter = self._book.meters.get(serial)
        if meter is None:
            raise Refused("unknown_meter", f"no meter has the serial {serial[:80]!r}")
        if telegram.sender not in meter.sender_names:
            raise Refused("not_this_sender", f"{telegram.sender} may not speak for meter {serial}")
        return meter

    def _refuse(self, telegram: Telegram, reason: Reason, detail: str, count: int) -> None:
        self.sorted.refusals.append(
            Refusal(self._book.utility_id, telegram.topic, telegram.payload, reason, detail, count)
        )

    def _refuse_readings(self, telegram: Telegram, reason: Reason, readings: list[tuple[WireReading, str]]) -> None:
        detail = readings[0][1]
        self.sorted.refusals.append(
            Refusal(
                self._book.utility_id,
                telegram.topic,
                payload_of([reading for reading, _ in readings], telegram=telegram),
                reason,
                detail if len(readings) == 1 else f"{detail} (and {len(readings) - 1} more)",
                len(readings),
            )
        )


def payload_of(readings: list[WireReading], *, telegram: Telegram) -> bytes:
    """Give the payload to keep with refused readings: the message where it holds no others, else one of these alone."""
    if len(readings) == telegram.count and not telegram.answers:
        return telegram.payload
    return suiden_json.encode_readings(readings)


def marks_of(batch: Sorted, *, book: MeterBook, stored: Iterable[Row]) -> tuple[list[int], Marks]:
    """Note the numbers of the messages of a batch, and where those stood in it.

    `stored` are those of its readings that were not stored before.
    """
    brought_new = {batch.origin[row.meter_id, row.read_at_us] for row in stored}
    origins: list[int] = []
    marks = Marks()
    for sender, origin, telegram in batch.numbered:
        assert telegram.sequence is not None, "only numbered messages are listed"
        origins.append(origin)
        marks.add(
            Marks(
                [book.senders[sender].sender_id],
                [telegram.sequence],
                [telegram.boot],
                [telegram.kept_from],
                [origin in brought_new],
            )
        )
    return origins, marks
