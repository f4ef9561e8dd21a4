"""What the checker found, for those who work with it: where, since when, how far beyond what is usual."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from customer_app import evidence, labels
from customer_app.visit import Visit
from ingest_gateway.queries import Anomaly
from registry import queries as registry_queries

GROUP_FROM = 3  # so many findings of one kind in one zone are told in one line


@dataclass(frozen=True, slots=True)
class AnomalyText:
    """One finding, ready to print."""

    anomaly_id: int
    path: str
    service: str
    kind: str
    look: str
    place: str
    zone_code: str
    meter_id: int | None
    serial: str
    line: str
    since: str
    lasted: str
    is_open: bool
    is_weak: bool  # on the watch list: a person looks at it first
    meters: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the evidence."""

    label: str
    text: str


def described(visit: Visit, found: Sequence[Anomaly]) -> tuple[AnomalyText, ...]:
    """Put findings into words, with where they are."""
    scope = {"utility_id": visit.utility_id}
    point_ids = sorted({one.point_id for one in found if one.point_id is not None})
    points = {point.point_id: point for point in registry_queries.points(visit.conn, **scope, point_ids=point_ids)}
    zones = {zone.zone_id: zone for zone in registry_queries.zones(visit.conn, **scope)}
    stations = _stations(visit, found)
    serials = _serials(visit, found)
    texts: list[AnomalyText] = []
    for one in found:
        point = points.get(one.point_id) if one.point_id is not None else None
        zone = zones.get(one.zone_id) if one.zone_id is not None else None
        place = f"{point.address} {point.building}".strip() if point else zone.name if zone else ""
        texts.append(
            AnomalyText(
                anomaly_id=one.anomaly_id,
                path=f"/operator/anomalies/{one.anomaly_id}",
                service=one.service,
                kind=labels.fault(visit.translate, one.kind),
                look=labels.fault_look(one.kind) if one.outlet == "ticket" else "",
                place=stations.get(one.place_id, "") if one.scope == "gateway" else place,
                zone_code=zone.code if zone else "",
                meter_id=one.meter_id,
                serial=serials.get(one.meter_id, "") if one.meter_id is not None else "",
                line=line(visit, one),
                since=visit.formats.datetime(one.started_at),
                lasted=visit.formats.duration((one.ended_at or visit.now) - one.started_at),
                is_open=one.ended_at is None,
                is_weak=one.outlet == "watch",
                meters=_meters(visit, one),
            )
        )
    return tuple(texts)


def grouped(visit: Visit, found: Sequence[Anomaly], *, limit: int) -> tuple[AnomalyText, ...]:
    """Put findings into words; many of one kind in one zone are one trouble, and become one line."""
    groups: dict[tuple[str, int | None], list[Anomaly]] = {}
    for one in found:
        key = (one.kind, one.zone_id if one.zone_id is not None else -one.anomaly_id)
        groups.setdefault(key, []).append(one)
    shown: list[list[Anomaly]] = []
    for group in groups.values():
        shown += [group] if len(group) >= GROUP_FROM else [[one] for one in group]
    shown = shown[:limit]
    texts = described(visit, [group[0] for group in shown])
    return tuple(
        text if len(group) == 1 else _merged(visit, text, group) for text, group in zip(texts, shown, strict=True)
    )


def line(visit: Visit, found: Anomaly) -> str:
    """Say in figures what was seen, what is usual and where the limit is."""
    _, told = visit.translate, found.evidence
    rate_lph, litres = found.litres_per_hour, found.litres_so_far(at=visit.now)
    if rate_lph is not None and litres is not None:
        return _(
            "about %(rate)s L/h without a pause, %(litres)s L so far",
            rate=evidence.number(visit.formats, rate_lph),
            litres=visit.formats.number(int(litres)),
        )
    pair, limit = evidence.seen_and_usual(told), evidence.main(told, role="limit")
    seen = pair[0] if pair else None if limit is None else evidence.main(told, role="seen", unit=limit.unit)
    parts = [evidence.text(visit, seen)] if seen else []
    if pair is not None:
        parts.append(_("usually %(usual)s", usual=evidence.text(visit, pair[1])))
    if limit is not None and seen is not None and limit.unit == seen.unit:
        parts.append(_("limit %(limit)s", limit=evidence.text(visit, limit)))
    return ", ".join(parts)


def facts(visit: Visit, found: Anomaly) -> tuple[Fact, ...]:
    """List what the finding rests on."""
    shown = ((name, one) for name, one in found.evidence.items() if not name.endswith("_ids"))
    told = ((name, evidence.words(visit, name, one)) for name, one in shown)
    return tuple(Fact(evidence.label(visit.translate, name), words) for name, words in told if words)


def _merged(visit: Visit, text: AnomalyText, group: Sequence[Anomaly]) -> AnomalyText:
    _, first = visit.translate, min(group, key=lambda one: one.started_at)
    meters = {meter_id for one in group for meter_id in one.meter_ids}
    return replace(
        text,
        path=f"/operator/anomalies?{urlencode({'kind': first.kind, 'zone': first.zone_id})}",
        place=_("%(n)s meters", n=visit.formats.number(len(meters))),
        line="",
        meters="",
        since=visit.formats.datetime(first.started_at),
        lasted=visit.formats.duration(visit.now - first.started_at),
        is_weak=all(one.outlet == "watch" for one in group),
    )


def _meters(visit: Visit, found: Anomaly) -> str:
    if found.scope == "meter" or not found.meter_ids:
        return ""
    return visit.translate("%(n)s meters", n=visit.formats.number(len(found.meter_ids)))


def _serials(visit: Visit, found: Sequence[Anomaly]) -> dict[int, str]:
    meter_ids = sorted({one.meter_id for one in found if one.meter_id is not None})
    installed = registry_queries.installations_of_meters(visit.conn, utility_id=visit.utility_id, meter_ids=meter_ids)
    return {meter.meter_id: meter.serial for meter in installed}


def _stations(visit: Visit, found: Sequence[Anomaly]) -> dict[int, str]:
    """Give the names of the concentrators among the places."""
    if not any(one.scope == "gateway" for one in found):
        return {}
    senders = registry_queries.senders(visit.conn, utility_id=visit.utility_id)
    return {sender.sender_id: sender.name for sender in senders}
