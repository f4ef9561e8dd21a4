"""From what changed to who is concerned, looked up once for all viewers."""

from collections.abc import Iterable, Mapping

from customer_app.live import Resolve
from ingest_gateway import queries as ingest_queries
from kernel.clock import wall_now
from kernel.database import Pool, Scope, transaction
from maintenance_tracker import queries as tracker_queries
from registry import queries as registry_queries


def resolvers(pool: Pool) -> Mapping[str, Resolve]:
    """A batch concerns its meters; a ticket and a planned work the points whose customers are told."""

    def meters(utility_id: int, keys: list[str]) -> Iterable[str]:
        batch_ids = [int(key.removeprefix("batch:")) for key in keys]
        with transaction(pool, scope=_scope(utility_id)) as conn:
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

    return {"intake.batch_stored": meters, "ticket.changed": points, "planned_work.changed": places}


def _scope(utility_id: int) -> Scope:
    return Scope(utility_id=utility_id, actor="web live", now=wall_now())
