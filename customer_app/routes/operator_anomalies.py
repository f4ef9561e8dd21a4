"""What the checker found: the findings that last, and one of them with all that it rests on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import anomaly_texts, evidence_charts, labels, spoken
from customer_app.anomaly_texts import AnomalyText, Fact
from customer_app.dependencies import allowed
from customer_app.evidence_charts import EvidenceChart
from customer_app.rendering import Page
from customer_app.spoken import Spoken
from customer_app.visit import Visit
from ingest_gateway import queries as ingest_queries
from ingest_gateway.queries import Anomaly

router = APIRouter()

Outlet = Literal["", "ticket", "watch"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind, or an outlet, that the list can be narrowed to."""

    label: str
    count: str
    path: str
    active: bool


@dataclass(frozen=True, slots=True)
class AnomaliesPage(Page):
    TEMPLATE: ClassVar[str] = "operator/anomalies.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"list": "operator/_anomaly_table.html"}
    ACTIVE: ClassVar[str] = "/operator/anomalies"

    anomalies: tuple[AnomalyText, ...]
    kinds: tuple[Choice, ...]
    own_path: str
    is_part: bool

    def topics(self) -> tuple[str, ...]:
        return ("anomalies",)


@dataclass(frozen=True, slots=True)
class AnomalyPage(Page):
    TEMPLATE: ClassVar[str] = "operator/anomaly.html"
    ACTIVE: ClassVar[str] = "/operator/anomalies"

    anomaly: AnomalyText
    sentences: tuple[Spoken, ...]
    chart: EvidenceChart | None
    facts: tuple[Fact, ...]
    found: tuple[Fact, ...]
    meter_path: str
    rule_path: str

    def topics(self) -> tuple[str, ...]:
        return ("anomalies",)


@router.get("/operator/anomalies")
def anomalies(
    visit: Annotated[Visit, allowed("anomaly.view", action="anomaly.list")], kind: str = "", zone: int | None = None
) -> Response:
    """List the findings that last: all, or those of a kind in a zone."""
    lasting = ingest_queries.open_anomalies(visit.conn, utility_id=visit.utility_id)
    found = [one for one in lasting if kind in ("", one.kind) and zone in (None, one.zone_id)]
    page = AnomaliesPage(
        anomalies=anomaly_texts.described(visit, found),
        kinds=_kinds(visit, lasting, chosen=kind),
        own_path=_path(kind, zone=zone),
        is_part=bool(kind) or zone is not None,
    )
    return visit.show(page)


@router.get("/operator/anomalies/{anomaly_id}")
def anomaly(
    anomaly_id: int,
    visit: Annotated[
        Visit, allowed("anomaly.view", action="anomaly.view", object_kind="anomaly", object_from="anomaly_id")
    ],
) -> Response:
    """Show one finding with what it rests on, and as its customers read it."""
    found = ingest_queries.anomaly(visit.conn, utility_id=visit.utility_id, anomaly_id=anomaly_id)
    (text,) = anomaly_texts.described(visit, [found])
    first = visit.formats.local(found.started_at).date().isoformat()
    meter_id = found.meter_id or next(iter(found.meter_ids), None)
    page = AnomalyPage(
        anomaly=text,
        sentences=spoken.in_every_language(visit, found),
        chart=evidence_charts.chart(visit, found),
        facts=anomaly_texts.facts(visit, found),
        found=_found(visit, found),
        meter_path=f"/operator/meters/{meter_id}/dig?day={first}&days=3" if meter_id else "",
        rule_path="/operator/checker?detector={0}#{0}".format(found.detector.split(" ")[0]),
    )
    return visit.show(page)


def _found(visit: Visit, found: Anomaly) -> tuple[Fact, ...]:
    """Tell when and by what it was found."""
    _, formats = visit.translate, visit.formats
    told = [
        Fact(_("Began"), formats.datetime(found.started_at)),
        Fact(_("Found"), formats.datetime(found.found_at)),
    ]
    if found.ended_at is not None:
        told.append(Fact(_("Ended"), formats.datetime(found.ended_at)))
    told += [
        Fact(_("Beyond its limit"), _("%(n)s times the limit", n=formats.number(found.score, decimals=1))),
        Fact(_("Rule"), found.detector),
        Fact(
            _("Parameters"),
            _("own values, change %(n)s", n=found.setting_id) if found.setting_id else _("standard values"),
        ),
    ]
    return tuple(told)


def _kinds(visit: Visit, lasting: Sequence[Anomaly], *, chosen: str) -> tuple[Choice, ...]:
    counts = Counter(one.kind for one in lasting)
    every = Choice(visit.translate("All"), visit.formats.number(len(lasting)), _path("", zone=None), not chosen)
    kinds = (
        Choice(labels.fault(visit.translate, kind), visit.formats.number(n), _path(kind, zone=None), kind == chosen)
        for kind, n in counts.most_common()
    )
    return (every, *kinds) if len(counts) > 1 or chosen else ()


def _path(kind: str, *, zone: int | None) -> str:
    asked = {"kind": kind, **({"zone": zone} if zone is not None else {})}
    return f"/operator/anomalies?{urlencode(asked)}"
