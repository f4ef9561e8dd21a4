"""Registers that go on by what one worker knows, and fell by what another one stored meanwhile."""

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.operations.settling import settle
from tests.gateway_intake import Intake, message, reading

NEWEST = "SELECT register, fallen_register, fallen_readings FROM meter_latest"


def committed(gateway: Connection[TupleRow], worker: str, *readings: dict[str, object]) -> Intake:
    """Have a worker that knows nothing of the others commit a message."""
    intake = Intake(gateway, worker=worker)
    intake.known.ensure(intake.book.table.slots_of(intake.book.table.meter_ids[:1]))
    intake.commit(intake.prepare([message(*readings)]))
    return intake


def settled(gateway: Connection[TupleRow], intake: Intake) -> TupleRow | None:
    assert intake.window is not None
    settle(gateway, intake.window, worker=intake.worker, is_one_of_many=True)
    gateway.commit()
    found = gateway.execute(NEWEST).fetchone()
    gateway.rollback()
    return found


def test_a_register_that_fell_beside_another_workers_is_noted_and_not_the_newest(gateway: Connection[TupleRow]) -> None:
    first, second = (
        committed(gateway, worker, reading(minutes, register))
        for worker, minutes, register in (("a", -60, 50_000), ("b", -30, 7))
    )
    assert settled(gateway, first) == (50_000, None, None)
    assert settled(gateway, second) == (50_000, 7, 1)
    assert Intake(gateway).take([message(reading(-15, 8))]).reasons == {"register_backwards": 1}
    assert Intake(gateway).take([message(reading(-10, 50_001))]).stored == 1
    assert settled_newest(gateway) == (50_001, None, None)


def test_as_many_lower_registers_as_are_believed_are_the_newest(gateway: Connection[TupleRow]) -> None:
    first = committed(gateway, "a", reading(-90, 50_000))
    second = committed(gateway, "b", *[reading(minutes, 100 + minutes) for minutes in (-60, -45, -30, -15)])
    assert settled(gateway, first) == (50_000, None, None)
    assert settled(gateway, second) == (85, None, None)


def test_a_register_that_rolled_over_beside_another_workers_is_the_newest(gateway: Connection[TupleRow]) -> None:
    first = committed(gateway, "a", reading(-60, 999_999_990))
    second = committed(gateway, "b", reading(-30, 7))
    settled(gateway, first)
    assert settled(gateway, second) == (7, None, None)


def settled_newest(gateway: Connection[TupleRow]) -> TupleRow | None:
    found = gateway.execute(NEWEST).fetchone()
    gateway.rollback()
    return found
