"""What live pages look up, once for all viewers: who is concerned by a change, what meters said, who may still see."""

from collections.abc import Iterable, Mapping, Sequence

from customer_app import customers
from customer_app.live import Resolve
from customer_app.live_readings import Read
from customer_app.live_rights import Check
from customer_app.live_viewer import Standing
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import NewestReading
from kernel import events
from kernel.clock import Clock, wall_now
from kernel.database import Pool, Scope, enter_scope, transaction
from maintenance_tracker import queries as tracker_queries
from registry import operations as registry_operations
from registry import queries as registry_queries

BATCH_STORED = "intake.batch_stored"


def resolvers(pool: Pool) -> Mapping[str, Resolve]:
    """A batch concerns its meters; a ticket and a planned work the points whose customers are told."""

    def meters(utility_id: int, keys: list[str]) -> Iterable[str]:
        batch_ids = {int(key.removeprefix("batch:")) for key in keys}
        with transaction(pool, scope=_scope(utility_id)) as conn:
            # The key names one batch; where several were settled together, the payload names them all.
            told = events.newest_payloads(conn, utility_id=utility_id, topic=BATCH_STORED, keys=keys)
            batch_ids.update(batch_id for payload in told for batch_id in payload.get("batch_ids", ()))
            found = ingest_queries.meters_of_batches(conn, utility_id=utility_id, batch_ids=batch_ids)
        return [f"meter:{meter_id}" for meter_id in found]

    def points(utility_id: int, keys: list[str]) -> Iterable[str]:
        ticket_ids = [int(key.removeprefix("ticket:")) for key in keys]
        with transaction(pool, scope=_scope(utility_id)) as conn:
            found = tracker_queries.points_of_tickets(conn, utility_id=utility_id, ticket_ids=ticket_ids)
        return [*keys, *(f"point:{point_id}" for point_id in found)]

    def places(utility_id: int, keys: list[str]) -> Iterable[str]:
        work_ids = [int(key.removeprefix("work:")) for key in keys]
        with transaction(pool, scope=_scope(utility_id)) as conn:
            found = registry_queries.points_of_works(conn, utility_id=utility_id, planned_work_ids=work_ids)
        return [*keys, *(f"point:{point_id}" for point_id in found)]

    return {BATCH_STORED: meters, "ticket.changed": points, "planned_work.changed": places}


def reader(pool: Pool) -> Read:
    """Give what asks for the newest readings of all watched meters."""

    def read(utility_id: int, meter_ids: Sequence[int]) -> Iterable[NewestReading]:
        # In one round trip: five times a second the way to the server and back is most of the time.
        with pool.connection() as conn, conn.pipeline():
            enter_scope(conn, scope=_scope(utility_id))
            return ingest_queries.newest_readings(conn, utility_id=utility_id, meter_ids=meter_ids)

    return read


def checker(pool: Pool, *, clock: Clock) -> Check:
    """Give what asks the registry about all open streams of a utility at once."""

    def check(utility_id: int, standings: Sequence[Standing]) -> list[Standing]:
        now = clock.now()
        party_ids = {one.party_id for one in standings if one.party_id is not None and one.meter_ids}
        with transaction(pool, scope=_scope(utility_id)) as conn:
            rights = registry_operations.rights_of_sessions(
                conn, utility_id=utility_id, tokens=[one.token for one in standings], wall_now=wall_now()
            )
            meters = registry_queries.meters_of_parties(
                conn, utility_id=utility_id, party_ids=party_ids, roles=customers.USING_ROLES, at=now
            )
        none = frozenset[int]()
        return [
            one
            for one in standings
            if rights.get(one.token) != one.rights or not one.meter_ids <= meters.get(one.party_id or 0, none)
        ]

    return check


def _scope(utility_id: int) -> Scope:
    return Scope(utility_id=utility_id, actor="web live", now=wall_now())
