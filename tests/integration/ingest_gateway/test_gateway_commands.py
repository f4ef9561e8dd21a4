"""Commands leave after their commit, through the guard, and become what their meter answers."""

from datetime import timedelta

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import operations, queries
from tests import gateway_town as town
from tests.gateway_running import AT, Client, Running, enter, known_protocol, reasons

pytestmark = [pytest.mark.store, pytest.mark.gateway]


def test_a_command_leaves_after_its_commit_and_its_answer_is_recorded(running: Running, client: Client) -> None:
    command_id = order(running, purpose="operator", command="valve.close")
    down = f"suiden/v1/{town.CODE}/W-SELF/down"
    running.wait_for(lambda: any(topic == down for topic, _ in client.received))
    told = next(payload for topic, payload in client.received if topic == down)
    assert told == {
        "id": command_id,
        "meter": "W-SELF",
        "command": "valve.close",
        "expires_at": "2026-04-01T04:00:00.000Z",
        "args": {},
    }
    other = f"suiden/v1/{town.CODE}/W-OTHER/up"
    client.publish(other, {"answers": [{"id": command_id, "state": "done", "at": AT}]})  # not its command
    running.wait_for(lambda: reasons(running) == {"unknown_command": 1})
    client.publish(f"suiden/v1/{town.CODE}/W-SELF/up", {"answers": [{"id": command_id, "state": "done", "at": AT}]})
    running.wait_for(lambda: state(running, command_id) == "done")
    assert events(running) == ["queued", "sent", "done"]


def test_an_unanswered_command_is_sent_again_and_becomes_unknown_when_its_time_is_over(
    running: Running, client: Client
) -> None:
    command_id = order(running, purpose="operator", command="valve.open")
    running.wait_for(lambda: len([1 for topic, _ in client.received if topic.endswith("/down")]) >= 2)
    with psycopg.connect(running.database_url) as conn:
        conn.execute("UPDATE utility_clock SET utility_anchor = '2026-04-01T04:00:00Z'")
    running.wait_for(lambda: state(running, command_id) == "unknown")
    assert events(running) == ["queued", "sent", "unknown"]


def test_a_suspension_leaves_only_when_the_guard_lets_it(founded: str, broker_url: str) -> None:
    def refuse(_conn: Connection[TupleRow], command: operations.QueuedCommand, _now: object) -> operations.GuardVerdict:
        return operations.GuardVerdict(allowed=False, reason="paid meanwhile", proof={"purpose": command.purpose})

    running, client = Running(founded, known_protocol(broker_url), refuse), Client(broker_url)
    try:
        refused = order(running, purpose="suspension:7", command="valve.close")
        restoring = order(running, purpose="restoration:7", command="valve.open")
        running.wait_for(lambda: state(running, refused) == "refused")
        running.wait_for(lambda: state(running, restoring) == "sent")
        assert [payload["id"] for topic, payload in client.received if topic.endswith("/down")][:1] == [restoring]
        assert running.ask(
            f"SELECT state_detail, release_proof, sends FROM meter_command WHERE command_id = {refused}"
        ) == [("paid meanwhile", {"purpose": "suspension:7"}, 0)]
    finally:
        client.close()
        running.close()


def test_an_order_that_the_guard_cannot_judge_does_not_hold_up_the_others(founded: str, broker_url: str) -> None:
    def stumble(_conn: Connection[TupleRow], _order: operations.QueuedCommand, _now: object) -> operations.GuardVerdict:
        raise KeyError("an account that nobody thought of")

    running = Running(founded, known_protocol(broker_url), stumble)
    try:
        suspending = order(running, purpose="suspension:7", command="valve.close")
        restoring = order(running, purpose="restoration:6", command="valve.open")
        running.wait_for(lambda: state(running, restoring) == "sent")
        assert state(running, suspending) == "queued"
    finally:
        running.close()


def test_commands_taken_back_are_not_sent(founded: str) -> None:
    with psycopg.connect(founded) as conn:
        enter(conn, 1)
        meter_id = town.meter_id(conn, "W-SELF")
        operations.queue_command(
            conn,
            utility_id=1,
            meter_id=meter_id,
            command="valve.close",
            purpose="suspension:9",
            expires_at=town.START + timedelta(hours=1),
            arguments={},
            at=town.START,
        )
        assert operations.cancel_commands(conn, utility_id=1, purpose="suspension:9", at=town.START) == 1
        assert operations.cancel_commands(conn, utility_id=1, purpose="suspension:9", at=town.START) == 0
        listed = queries.commands_of_meter(conn, utility_id=1, meter_id=meter_id)
    assert [command.state for command in listed] == ["cancelled"]


def order(running: Running, *, purpose: str, command: operations.Command) -> int:
    with psycopg.connect(running.database_url) as conn:
        enter(conn, 1)
        return operations.queue_command(
            conn,
            utility_id=1,
            meter_id=town.meter_id(conn, "W-SELF"),
            command=command,
            purpose=purpose,
            expires_at=town.START + timedelta(hours=1),
            arguments={},
            at=town.START,
        )


def state(running: Running, command_id: int) -> str:
    return running.ask(f"SELECT state FROM meter_command WHERE command_id = {command_id}")[0][0]


def events(running: Running) -> list[str]:
    rows = running.ask("SELECT payload ->> 'state' FROM event WHERE topic = 'command.changed' ORDER BY event_id")
    return [row[0] for row in rows]
