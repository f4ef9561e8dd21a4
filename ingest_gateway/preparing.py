"""Getting batches ready to be written: decoding, sorting and packing, many messages at a time.

Messages in suiden JSON whose readings are as they should be are handled as columns. All others, and what is odd, are
read one by one by the decoder and the sorter, which know every reason.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import structlog

from ingest_gateway.batches import NO_METERS, Acks, Block, Messages, Prepared, Timing, Window
from ingest_gateway.domain import decoders, suiden_json
from ingest_gateway.domain.columns import Columns, Integers, columns_of
from ingest_gateway.domain.decoders import Bridges
from ingest_gateway.domain.marks import Marks
from ingest_gateway.domain.meters import MeterBook, MeterTable, Speaker
from ingest_gateway.domain.packing import pack_columns
from ingest_gateway.domain.registers import KnownRegisters
from ingest_gateway.domain.screening import Screened, screen
from ingest_gateway.domain.sorting import Refusal, Sorted, Sorter
from ingest_gateway.domain.suiden_json import Up
from ingest_gateway.domain.validation import Baselines, Limits
from ingest_gateway.domain.wire import Refused, Telegram, WireReading

log = structlog.get_logger()

NO_COLUMNS = Columns(read_at_us=NO_METERS)


@dataclass(frozen=True, slots=True)
class Reader:
    """How messages are read: for whom formats speak that name nobody, and how long a message may be."""

    bridges: Bridges
    max_bytes: int

    def read(self, topic: str, payload: bytes) -> Telegram | Refused:
        """Read one message by its format, or say why it cannot be read."""
        try:
            return decoders.decode(topic=topic, payload=payload, bridges=self.bridges, max_bytes=self.max_bytes)
        except Refused as refused:
            return refused
        except Exception as error:
            # What a decoder did not expect must not keep the others out.
            log.exception("intake.decoder_failed", topic=topic)
            return Refused("malformed", f"the decoder failed: {type(error).__name__}")


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a utility while a batch of it is prepared, and where its readings go."""

    book: MeterBook
    known: KnownRegisters
    limits: Limits
    window: Window
    part: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Incoming:
    """Messages of one utility. `speakers` says who speaks by suiden JSON; None: to be read one by one."""

    messages: Messages
    speakers: list[Speaker | None]
    acks: Acks
    is_redelivered: bool
    timing: Timing


@dataclass(slots=True)
class Collected:
    """The readings of messages that were read together; `slots` go with `readings`, `counts` with `ups`."""

    indices: list[int] = field(default_factory=list[int])
    ups: list[Up] = field(default_factory=list[Up])
    sender_ids: list[int] = field(default_factory=list[int])
    counts: list[int] = field(default_factory=list[int])
    readings: list[WireReading] = field(default_factory=list[WireReading])
    slots: list[int] = field(default_factory=list[int])
    one_by_one: list[int] = field(default_factory=list[int])
    unreadable: dict[int, Refused] = field(default_factory=dict[int, Refused])

    def message_of(self, place: int) -> int:
        """Tell which of `ups` the reading at a place is of."""
        return int(np.searchsorted(np.cumsum(self.counts), place, side="right"))


def collect(incoming: Incoming, *, max_bytes: int) -> Collected:
    """Read what can be read together."""
    payloads = incoming.messages.payloads
    candidates = [
        index
        for index, speaker in enumerate(incoming.speakers)
        if speaker is not None and len(payloads[index]) <= max_bytes
    ]
    is_whole = len(candidates) == len(payloads)
    read = suiden_json.decode_many(payloads if is_whole else [payloads[index] for index in candidates])
    out = Collected()
    if not is_whole:
        chosen = set(candidates)
        out.one_by_one = [index for index in range(len(payloads)) if index not in chosen]
    good: list[tuple[int, Up, Speaker]] = []
    for index, up in zip(candidates, read, strict=True):
        speaker = incoming.speakers[index]
        assert speaker is not None, "candidates have one"
        if isinstance(up, Refused):
            out.unreadable[index] = up
        elif up is None or up.answers or (up.seq == 1 and up.boot is None):
            # Answers, and counts that may begin anew, depend on what is stored.
            out.one_by_one.append(index)
        else:
            good.append((index, up, speaker))
    if good and not _collect_all(good, out):
        _collect_each(good, out)
    out.one_by_one.sort()
    return out


def _collect_all(good: list[tuple[int, Up, Speaker]], out: Collected) -> bool:
    """Collect messages; False, and nothing done, where one is of a meter that its sender may not speak for."""
    indices, ups, speakers = zip(*good, strict=True)
    try:
        out.slots = [
            speaker.slots[reading.meter] for speaker, up in zip(speakers, ups, strict=True) for reading in up.readings
        ]
    except KeyError:
        return False
    out.indices = list(indices)
    out.ups = list(ups)
    out.sender_ids = [speaker.sender.sender_id for speaker in speakers]
    out.counts = [len(up.readings) for up in ups]
    out.readings = [reading for up in ups for reading in up.readings]
    return True


def _collect_each(good: list[tuple[int, Up, Speaker]], out: Collected) -> None:
    """Collect messages, and leave those to be seen to one by one that are of such a meter."""
    for index, up, speaker in good:
        try:
            slots = [speaker.slots[reading.meter] for reading in up.readings]
        except KeyError:
            out.one_by_one.append(index)
            continue
        out.slots += slots
        out.readings += up.readings
        out.counts.append(len(slots))
        out.indices.append(index)
        out.ups.append(up)
        out.sender_ids.append(speaker.sender.sender_id)


def prepare(incoming: Incoming, *, collected: Collected, setting: Setting, reader: Reader) -> Prepared:
    """Get the messages of one utility ready; what is fresh counts as known from here on."""
    table = setting.book.table
    telegrams: dict[int, Telegram | Refused] = dict(collected.unreadable)
    telegrams |= {
        index: reader.read(incoming.messages.topic(index), incoming.messages.payloads[index])
        for index in collected.one_by_one
    }
    slots = np.fromiter(collected.slots, np.int64, len(collected.slots))
    columns = columns_of(collected.readings) if collected.readings else NO_COLUMNS
    setting.known.ensure(slots)
    screened = screen(
        columns,
        slots=slots,
        table=table,
        limits=setting.limits,
        known=setting.known,
        touched=_touched(telegrams, setting.book),
    )
    fresh = _block(columns, slots, table, screened.fresh)
    late = _block(columns, slots, table, screened.late)
    setting.known.advance(slots[screened.fresh], fresh.columns)
    others = _sort(incoming.messages, collected=collected, screened=screened, telegrams=telegrams, setting=setting)
    window = setting.window
    return Prepared(
        book=setting.book,
        window=window,
        part=setting.part,
        now=setting.now,
        limits=setting.limits,
        messages=incoming.messages,
        acks=incoming.acks,
        fresh=fresh,
        fresh_packed=_pack(fresh, utility_id=window.utility_id, batch_id=window.batch_id),
        late=late,
        late_packed=_pack(late, utility_id=window.utility_id, batch_id=window.late_batch_id),
        late_source=lambda number: _source(int(screened.late[number]), collected=collected, messages=incoming.messages),
        others=others,
        staged=bool(len(collected.readings)) or incoming.is_redelivered,
        marks=_marks(collected),
        mark_origins=[index for index, up in zip(collected.indices, collected.ups, strict=True) if up.seq is not None],
        timing=incoming.timing,
    )


def refused(one: Incoming, *, setting: Setting, detail: str) -> Prepared:
    """Refuse a message that nobody could read, with what may be told of it."""
    message = one.messages
    refusal = Refusal(setting.book.utility_id, message.topic(0), message.payloads[0], "malformed", detail)
    return Prepared(
        setting.book,
        setting.window,
        setting.part,
        setting.now,
        setting.limits,
        message,
        one.acks,
        one.timing,
        others=Sorted(received=1, refusals=[refusal]),
    )


def sort_one_by_one(
    messages: Messages, *, book: MeterBook, limits: Limits, baselines: Baselines, reader: Reader
) -> Sorted:
    """Sort messages without columns, each by itself: for a batch that could not be written as it was prepared."""
    sorter = Sorter(book=book, limits=limits, baselines=baselines)
    for index in range(len(messages)):
        topic, payload = messages.topic(index), messages.payloads[index]
        _add(sorter, reader.read(topic, payload), index=index, topic=topic, payload=payload)
    return sorter.sorted


def _add(sorter: Sorter, read: Telegram | Refused, *, index: int, topic: str, payload: bytes) -> None:
    if isinstance(read, Telegram):
        sorter.add(read, origin=index)
    else:
        sorter.refuse(Refusal(sorter.utility_id, topic, payload, read.reason, read.detail))


def _touched(telegrams: dict[int, Telegram | Refused], book: MeterBook) -> Integers:
    """List the slots of meters that messages which are read one by one speak of."""
    serials = {
        reading.meter or telegram.sender
        for telegram in telegrams.values()
        if isinstance(telegram, Telegram)
        for reading in telegram.readings
    }
    meter_ids = [book.meters[serial].meter_id for serial in serials if serial in book.meters]
    return book.table.slots_of(np.array(meter_ids, dtype=np.int64))


def _sort(
    messages: Messages,
    *,
    collected: Collected,
    screened: Screened,
    telegrams: dict[int, Telegram | Refused],
    setting: Setting,
) -> Sorted:
    """Sort what is left, in the order it came: whole messages, and odd readings of those that were read together."""
    sorter = Sorter(book=setting.book, limits=setting.limits, baselines=setting.known)
    odd: dict[int, list[WireReading]] = {}
    ups: dict[int, Up] = {}
    if len(screened.others):
        ends = np.cumsum(collected.counts)
        for place in screened.others.tolist():
            number = int(np.searchsorted(ends, place, side="right"))
            index = collected.indices[number]
            odd.setdefault(index, []).append(collected.readings[place])
            ups[index] = collected.ups[number]
    for index in sorted([*telegrams, *odd]):
        topic, payload = messages.topic(index), messages.payloads[index]
        if index in telegrams:
            _add(sorter, telegrams[index], index=index, topic=topic, payload=payload)
            continue
        sender = topic.split("/")[3]
        telegram = suiden_json.telegram_of(
            ups[index], topic=topic, payload=payload, utility=setting.book.code, sender=sender
        )
        sorter.add_some(telegram, odd[index], origin=index)
    for meter_id, baseline in sorter.sorted.newest.items():
        setting.known.note(meter_id, baseline)
    return sorter.sorted


def _block(columns: Columns, slots: Integers, table: MeterTable, chosen: Integers) -> Block:
    if len(chosen) == len(columns):
        return Block(table.meter_ids[slots], columns)
    return Block(table.meter_ids[slots[chosen]], columns.take(chosen))


def _pack(block: Block, *, utility_id: int, batch_id: int) -> bytes:
    if not len(block):
        return b""
    return pack_columns(block.columns, meter_ids=block.meter_ids, utility_id=utility_id, batch_id=batch_id)


def _source(place: int, *, collected: Collected, messages: Messages) -> tuple[str, bytes]:
    """Give the topic of a reading that was read together with others, and it as a message of its own."""
    number = collected.message_of(place)
    index = collected.indices[number]
    if collected.counts[number] == 1:
        return messages.topic(index), messages.payloads[index]
    return messages.topic(index), suiden_json.encode_readings([collected.readings[place]])


def _marks(collected: Collected) -> Marks:
    """Note the numbers of messages that were read together."""
    ups = collected.ups
    if not ups:
        return Marks()
    boots = [up.boot for up in ups]
    marks = Marks(
        sender_ids=collected.sender_ids,
        numbers=[up.seq or 0 for up in ups],
        boots=[None if boot is None else suiden_json.boot_name(boot) for boot in boots],
        kept_from=[up.oldest for up in ups],
        brought_new=[True] * len(ups),
    )
    if 0 not in marks.numbers:
        return marks
    return marks.at([place for place, number in enumerate(marks.numbers) if number])
