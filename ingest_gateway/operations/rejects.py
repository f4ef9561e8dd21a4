"""Refused messages, sent through intake again after what stood in their way was mended."""

from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.books import read_book
from ingest_gateway.domain import decoders
from ingest_gateway.domain.decoders import Bridges
from ingest_gateway.domain.files import lines
from ingest_gateway.domain.meters import MeterBook
from ingest_gateway.domain.sorting import Sorter
from ingest_gateway.domain.validation import Limits
from ingest_gateway.domain.wire import Refused, instant_us
from ingest_gateway.operations.intake import write
from ingest_gateway.store import latest, rejects
from kernel import clock
from registry import queries as registry


class NotReplayable(Exception):
    """A refused message cannot be sent through intake again."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a refused message, in readings; what was refused again is kept under its reason."""

    stored: int
    duplicates: int
    rejected: int


def replay_reject(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    reject_id: int,
    accept_backwards: bool,
    at: datetime,
    bridges: Bridges = decoders.DEFAULT_BRIDGES,
) -> Replayed:
    """Send one refused message through intake again; twice is harmless.

    `accept_backwards` stores a register that fell, because someone looked and said that it is true. `bridges` are those
    that the gateway is set to: they say who spoke; for which utility, the kept message says.

    :raises RejectUnknown: if there is no such message
    :raises NotReplayable: if it was too long to be kept whole, came from a handheld, or still cannot be read
    """
    kept = rejects.lock(conn, utility_id=utility_id, reject_id=reject_id)
    if kept.payload_bytes > len(kept.payload):
        raise NotReplayable(
            f"message {reject_id} had {kept.payload_bytes} bytes and only {len(kept.payload)} were kept"
        )
    book = _book(conn, utility_id=utility_id)
    bridges = {name: replace(bridge, utility=book.code) for name, bridge in bridges.items()}
    is_line = lines.is_of_a_file(kept.topic)
    try:
        if is_line:
            book = lines.as_speaker(book)
            telegram = lines.telegram_again(kept.payload, topic=kept.topic, utility=book.code)
        else:
            telegram = decoders.decode_kept(topic=kept.topic, payload=kept.payload, bridges=bridges)
    except Refused as error:
        raise NotReplayable(f"message {reject_id} still cannot be read: {error}") from error
    if telegram.utility != book.code:
        raise NotReplayable(f"message {reject_id} is for the utility {telegram.utility!r} and not for {book.code!r}")
    limits = Limits.at(instant_us(at), rate=clock.rate_of(conn))
    baselines = latest.StoredBaselines(conn, utility_id=utility_id)
    sorter = Sorter(book=book, limits=limits, baselines=baselines, accept_backwards=accept_backwards)
    sorter.add(telegram, origin=0)
    sorter.sorted.numbered.clear()  # its number was noted when it came
    source = "file" if is_line else "mqtt"
    taken = write(conn, book=book, batch=sorter.sorted, source=source, worker="web", staged=None, now=at)
    rejects.mark_replayed(conn, utility_id=utility_id, reject_id=reject_id, at=at)
    return Replayed(stored=taken.stored, duplicates=taken.duplicates, rejected=taken.rejected)


def _book(conn: Connection[TupleRow], *, utility_id: int) -> MeterBook:
    utility = next(one for one in registry.utilities(conn) if one.utility_id == utility_id)
    return read_book(conn, utility=utility)
