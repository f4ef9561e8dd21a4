"""A finding's plain sentence, with what it costs: for its customer, and in every language for those who look at it."""

from dataclasses import dataclass

from customer_app import finding_texts, mails
from customer_app.visit import Visit
from ingest_gateway.queries import Anomaly
from kernel.i18n import LANGUAGES
from rating_engine import queries as rating_queries


@dataclass(frozen=True, slots=True)
class Spoken:
    """The sentence in one language."""

    locale: str
    language: str
    text: str


def sentence(visit: Visit, found: Anomaly) -> str:
    """Say it to whoever looks at the page."""
    return finding_texts.sentence(visit, found, now=visit.now, cost_minor=cost_minor(visit, found))


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
