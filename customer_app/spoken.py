"""A finding's plain sentence, with what it costs: for its customer, and in every language for those who look at it."""

from collections.abc import Collection
from dataclasses import dataclass

from customer_app import finding_texts, mails
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import Anomaly
from kernel.i18n import LANGUAGES
from maintenance_tracker.queries import Ticket
from rating_engine import queries as rating_queries


@dataclass(frozen=True, slots=True)
class Spoken:
    """The sentence in one language."""

    locale: str
    language: str
    text: str


def sentence(visit: Visit, found: Anomaly, *, is_shared: bool = False) -> str:
    """Say it to whoever looks at the page; `is_shared`: several homes have it."""
    cost = cost_minor(visit, found)
    return finding_texts.sentence(visit, found, now=visit.now, cost_minor=cost, is_shared=is_shared)


def at_own_points(visit: Visit, *, point_ids: Collection[int]) -> tuple[str, ...]:
    """Say to a customer what lasts behind the own meters and wastes water: the only ones who can mend it."""
    found = ingest_queries.anomalies_of_points(
        visit.conn, utility_id=visit.utility_id, point_ids=point_ids, since=visit.now
    )
    return tuple(
        sentence(visit, one)
        for one in found
        if one.kind == "household_leak" and one.outlet == "ticket" and one.ended_at is None
    )


def of_repair(visit: Visit, *, ticket: Ticket, point_ids: Collection[int]) -> str:
    """Say to a customer what a repair is about, by the finding at an own meter or in the zone; empty: by none."""
    scope = {"utility_id": visit.utility_id}
    own = ingest_queries.anomalies_of_points(visit.conn, **scope, point_ids=point_ids, since=ticket.opened_at)
    of_zone = [
        one
        for one in ingest_queries.open_anomalies(visit.conn, **scope)
        if one.scope == "zone" and one.zone_id is not None and one.zone_id == ticket.zone_id
    ]
    fitting = [one for one in (*own, *of_zone) if one.kind == ticket.kind and one.outlet == "ticket"]
    return sentence(visit, fitting[0], is_shared=ticket.affected > 1) if fitting else ""


def in_every_language(visit: Visit, found: Anomaly) -> tuple[Spoken, ...]:
    """Say it in each of our languages."""
    cost = cost_minor(visit, found)
    said: list[Spoken] = []
    for locale, language in LANGUAGES.items():
        reader = mails.addressee(visit.utility, name="", address="", locale=locale)
        text = finding_texts.sentence(reader, found, now=visit.now, cost_minor=cost)
        said.append(Spoken(locale, language, text))
    return tuple(said)


def cost_minor(visit: Visit, found: Anomaly) -> int | None:
    """Ask what the finding costs a month if it goes on; None for what costs nothing, or without a bill so far."""
    more = finding_texts.base_units_a_month(found)
    if more is None or found.point_id is None:
        return None
    cost = rating_queries.cost_of_more_use(
        visit.conn, utility_id=visit.utility_id, point_id=found.point_id, base_units_a_month=more
    )
    return None if cost is None else cost.amount_minor
