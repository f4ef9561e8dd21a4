"""Orders to meters: queue them, take them back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.commands import Command
from ingest_gateway.store import commands
from kernel import events


class CommandExpired(ValueError):
    """An order must end after it is queued."""


def queue_command(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    meter_id: int,
    command: Command,
    purpose: str,
    expires_at: datetime,
    arguments: Mapping[str, Any],
    at: datetime,
) -> int:
    """Queue an order to a meter; the gateway sends it, and its id tells what became of it.

    :raises CommandExpired: if it ends before it could be sent
    """
    if expires_at <= at:
        raise CommandExpired(f"the order ends at {expires_at}, and it is {at}: give it more time")
    command_id = commands.insert(
        conn,
        utility_id=utility_id,
        meter_id=meter_id,
        command=command,
        arguments=arguments,
        purpose=purpose,
        expires_at=expires_at,
        at=at,
    )
    publish_changed(
        conn,
        utility_id=utility_id,
        changed=commands.Changed(
            command_id=command_id, meter_id=meter_id, purpose=purpose, state="queued", command=command
        ),
        at=at,
    )
    return command_id


def cancel_commands(conn: Connection[TupleRow], *, utility_id: int, purpose: str, at: datetime) -> int:
    """Take back the orders of a purpose; return how many. One that was sent becomes unknown: it may be obeyed."""
    changed = commands.cancel(conn, utility_id=utility_id, purpose=purpose)
    for one in changed:
        publish_changed(conn, utility_id=utility_id, changed=one, at=at)
    return len(changed)


def publish_changed(conn: Connection[TupleRow], *, utility_id: int, changed: commands.Changed, at: datetime) -> None:
    """Tell others that an order changed its state."""
    events.publish(
        conn,
        utility_id=utility_id,
        topic="command.changed",
        key=f"meter:{changed.meter_id}",
        payload={
            "command_id": changed.command_id,
            "meter_id": changed.meter_id,
            "purpose": changed.purpose,
            "state": changed.state,
            "command": changed.command,
        },
        occurred_at=at,
    )
