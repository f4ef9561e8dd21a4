"""What is a customer's own: points, accounts and meters. Customer pages start here, so a foreign id finds nothing."""

from collections.abc import Iterable

from customer_app.visit import NotFound, Visit
from registry import queries as registry_queries
from registry.queries import Account, InstalledMeter, PointOfParty

USING_ROLES = frozenset({"user", "payer"})  # an owner or manager does not see how others live


def own_points(visit: Visit) -> list[PointOfParty]:
    """List the points that the customer uses or pays for now, water first."""
    points = registry_queries.points_of_party(
        visit.conn, utility_id=visit.utility_id, party_id=visit.own_party_id, at=visit.now
    )
    own = [point for point in points if USING_ROLES & set(point.roles)]
    return sorted(own, key=lambda point: (point.service != "water", point.point_number))


def own_accounts(visit: Visit) -> list[Account]:
    """List the customer's accounts, closed ones too."""
    return registry_queries.accounts_of_party(visit.conn, utility_id=visit.utility_id, party_id=visit.own_party_id)


def own_meters(visit: Visit, *, points: Iterable[PointOfParty]) -> dict[int, InstalledMeter]:
    """Give the meter that hangs at each of these points now."""
    meters = registry_queries.meters_at_points(
        visit.conn, utility_id=visit.utility_id, point_ids=[point.point_id for point in points], at=visit.now
    )
    return {meter.point_id: meter for meter in meters}


def own_account_ids(visit: Visit) -> list[int]:
    return [account.account_id for account in own_accounts(visit)]


def own_point_ids(visit: Visit) -> list[int]:
    return [point.point_id for point in own_points(visit)]


def own_meter_ids(visit: Visit) -> list[int]:
    return [meter.meter_id for meter in own_meters(visit, points=own_points(visit)).values()]


def own_point(visit: Visit, *, point_id: int) -> PointOfParty:
    """:raises NotFound: if the point is not the customer's"""
    for point in own_points(visit):
        if point.point_id == point_id:
            return point
    raise NotFound(f"point {point_id} is not this customer's")
