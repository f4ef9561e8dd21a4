"""Orders to valves and relays, and who lets them go."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import TupleRow

Command = Literal["valve.close", "valve.open", "valve.trickle", "relay.open", "relay.close", "backfill"]
CommandState = Literal["queued", "sent", "done", "failed", "refused", "expired", "cancelled", "unknown"]

GUARDED_PURPOSE = "suspension:"  # orders of these purposes leave only when the release guard lets them


@dataclass(frozen=True, slots=True)
class QueuedCommand:
    """An order to one meter. The meter obeys the highest id it was sent; `purpose` says whose it is."""

    utility_id: int
    command_id: int
    meter_id: int
    command: Command
    arguments: dict[str, Any]
    purpose: str
    state: CommandState
    queued_at: datetime
    expires_at: datetime
    sends: int


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """Whether an order may leave now, why not, and what was looked at."""

    allowed: bool
    reason: str
    proof: dict[str, Any]


ReleaseGuard = Callable[[Connection[TupleRow], QueuedCommand, datetime], GuardVerdict]
