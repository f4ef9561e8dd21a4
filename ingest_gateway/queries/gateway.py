"""How the gateway fares, what it refused, and what became of commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.settings import PROCESS
from ingest_gateway.store import commands, counts, imports, reject_bounds, rejects, sequences
from ingest_gateway.store.commands import MeterCommand
from ingest_gateway.store.counts import IntakeCount
from ingest_gateway.store.imports import ImportedFile
from ingest_gateway.store.reject_bounds import Dropped, Room
from ingest_gateway.store.rejects import RejectedMessage, RejectFilter
from ingest_gateway.store.sequences import SenderGap
from kernel.heartbeat import heartbeats

GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class GatewayHealth:
    """What the gateway last said of itself (`seen_at` in wall time, None: never), and what it keeps in the database."""

    seen_at: datetime | None
    health: Mapping[str, Any]
    rejected: Mapping[str, int]
    gaps: tuple[SenderGap, ...]


def gateway_health(conn: Connection[TupleRow], *, utility_id: int) -> GatewayHealth:
    """Tell how the gateway fares: its heartbeat, refused readings by reason, senders with numbers missing.

    Of several workers the one that is silent longest counts; their numbers are added up, and what is not so of one is
    not so of all.
    """
    beats = [one for one in heartbeats(conn) if one.process.partition(":")[0] == PROCESS]
    return GatewayHealth(
        seen_at=min((one.seen_at for one in beats), default=None),
        health=_of_all([one.health for one in beats]),
        rejected=rejects.counts(conn, utility_id=utility_id),
        gaps=tuple(sequences.gaps(conn, utility_id=utility_id, limit=GAPS_SHOWN)),
    )


def rejected_page(
    conn: Connection[TupleRow],
    *,
    utility_id: int | None,
    before: int | None,
    limit: int,
    reason: str | None = None,
    chosen: RejectFilter | None = None,
) -> list[RejectedMessage]:
    """List refused messages, the last made first; `before` is the last reject_id of the page before.

    Of no utility: those that name none of ours, which only processes see, and no page.
    """
    asked = RejectFilter(reason=reason) if chosen is None else chosen
    return rejects.page(conn, utility_id=utility_id, before=before, limit=limit, chosen=asked)


def rejected_message(conn: Connection[TupleRow], *, utility_id: int | None, reject_id: int) -> RejectedMessage:
    """:raises RejectUnknown: if the utility has none of this number"""
    return rejects.one(conn, utility_id=utility_id, reject_id=reject_id)


def rejected_dropped(conn: Connection[TupleRow], *, utility_id: int | None) -> Sequence[Dropped]:
    """List by reason what is no longer kept, because there were too many or they were too old."""
    return reject_bounds.dropped(conn, utility_id=utility_id)


def rejected_room(conn: Connection[TupleRow], *, utility_id: int | None) -> Room:
    """Tell how many refused messages are kept, and how many of them wait for somebody."""
    return reject_bounds.room(conn, utility_id=utility_id)


def imported_files(conn: Connection[TupleRow], *, utility_id: int, limit: int) -> Sequence[ImportedFile]:
    """List the files of readings that were taken in, the last first."""
    return imports.newest(conn, utility_id=utility_id, limit=limit)


def intake_totals(conn: Connection[TupleRow], *, utility_id: int) -> Sequence[IntakeCount]:
    """Add up by source what became of all readings that ever came in."""
    return counts.totals(conn, utility_id=utility_id)


def commands_of_meter(
    conn: Connection[TupleRow], *, utility_id: int, meter_id: int, limit: int = 50
) -> list[MeterCommand]:
    """List a meter's commands, the last first."""
    return commands.of_meter(conn, utility_id=utility_id, meter_id=meter_id, limit=limit)


def _of_all(told: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    together: dict[str, Any] = {}
    for health in told:
        for name, found in health.items():
            known = together.get(name, found)
            if name not in together or not isinstance(found, (bool, int, float)):
                together[name] = known or found
            else:
                together[name] = known and found if isinstance(found, bool) else known + found
    return together
