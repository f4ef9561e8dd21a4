"""What the checker found, in plain words: what is wrong, since when, and on which readings that rests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from customer_app import labels
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
    serials = _serials(visit, found)
    texts: list[AnomalyText] = []
    for one in found:
        point = points.get(one.point_id) if one.point_id is not None else None
        zone = zones.get(one.zone_id) if one.zone_id is not None else None
        texts.append(
            AnomalyText(
                anomaly_id=one.anomaly_id,
                path=f"/operator/anomalies/{one.anomaly_id}",
                service=one.service,
                kind=labels.fault(visit.translate, one.kind),
                look="is-bad" if one.kind in ("pressure_low", "voltage_low", "voltage_high") else "is-warn",
                place=f"{point.address} {point.building}".strip() if point else zone.name if zone else "",
                zone_code=zone.code if zone else "",
                meter_id=one.meter_id,
                serial=serials.get(one.meter_id, "") if one.meter_id is not None else "",
                line=line(visit, one),
                since=visit.formats.datetime(one.started_at),
                lasted=visit.formats.duration((one.ended_at or visit.now) - one.started_at),
                is_open=one.ended_at is None,
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
    """Say in one line what was seen."""
    _, evidence = visit.translate, found.evidence
    unit = str(evidence.get("unit", ""))
    match found.kind:
        case "pressure_low" | "voltage_low":
            return _(
                "fell to %(worst)s %(unit)s; %(limit)s is the least allowed", **_numbers(visit, evidence), unit=unit
            )
        case "pressure_high" | "voltage_high":
            return _(
                "rose to %(worst)s %(unit)s; %(limit)s is the most allowed", **_numbers(visit, evidence), unit=unit
            )
        case "continuous_flow":
            litres = found.litres_so_far(at=visit.now)
            return _(
                "never below %(rate)s L/h; about %(litres)s L lost so far",
                rate=_number(visit, evidence.get("litres_per_hour")),
                litres=visit.formats.number(int(litres or 0)),
            )
        case "stuck_meter":
            if evidence.get("rule") == "frozen":
                return _(
                    "the meter reports flow (%(reported)s %(unit)s), but its register does not move",
                    reported=_number(visit, evidence.get("reported")),
                    unit=str(evidence.get("reported_unit", "")),
                )
            return _(
                "the register has not moved, and the longest pause before was %(hours)s h",
                hours=_number(visit, evidence.get("longest_pause_h")),
            )
        case _:
            return ""


def facts(visit: Visit, found: Anomaly) -> tuple[Fact, ...]:
    """List what the finding rests on."""
    _, evidence = visit.translate, found.evidence
    unit = str(evidence.get("unit", ""))
    listed = [Fact(_("What was seen"), line(visit, found))]
    for reading in evidence.get("readings", ()):
        shown = reading.get("value", reading.get("register"))
        text = "" if shown is None else f"{_number(visit, shown)} {unit if 'value' in reading else ''}".strip()
        listed.append(Fact(visit.formats.datetime(datetime.fromisoformat(reading["at"])), text or _("a reading")))
    if "limit" in evidence:
        listed.append(Fact(_("Limit"), f"{_number(visit, evidence['limit'])} {unit}".strip()))
    if "litres_through_meter" in evidence:
        text = f"{_number(visit, evidence['litres_through_meter'])} L"
        listed.append(Fact(_("Passed the meter when it was found"), text))
    listed.append(Fact(_("Found"), visit.formats.datetime(found.found_at)))
    if found.ended_at is not None:
        listed.append(Fact(_("Ended"), visit.formats.datetime(found.ended_at)))
    listed.append(Fact(_("Rule"), found.detector))
    return tuple(listed)


def parameters(found: Anomaly) -> tuple[Fact, ...]:
    """List the rule's parameters as they were."""
    return tuple(Fact(name, str(value)) for name, value in sorted(found.evidence.get("parameters", {}).items()))


def _merged(visit: Visit, text: AnomalyText, group: Sequence[Anomaly]) -> AnomalyText:
    _, first = visit.translate, min(group, key=lambda one: one.started_at)
    worst = sorted(float(one.evidence["worst"]) for one in group if "worst" in one.evidence)
    words = _("%(n)s meters", n=visit.formats.number(len(group)))
    if worst:
        unit = str(group[0].evidence.get("unit", ""))
        extreme = worst[0] if group[0].kind.endswith("_low") else worst[-1]
        words = _("%(n)s meters, worst %(worst)s %(unit)s", n=len(group), worst=_number(visit, extreme), unit=unit)
    return replace(
        text,
        path=f"/operator/anomalies?{urlencode({'kind': first.kind, 'zone': first.zone_id})}",
        place=words,
        line="",
        since=visit.formats.datetime(first.started_at),
        lasted=visit.formats.duration(visit.now - first.started_at),
    )


def _numbers(visit: Visit, evidence: Mapping[str, Any]) -> dict[str, str]:
    return {name: _number(visit, evidence.get(name)) for name in ("worst", "limit")}


def _number(visit: Visit, amount: Any) -> str:
    if not isinstance(amount, int | float):
        return "–"
    return visit.formats.number(amount, decimals=0 if float(amount).is_integer() or abs(amount) >= 1000 else 1)


def _serials(visit: Visit, found: Sequence[Anomaly]) -> dict[int, str]:
    meter_ids = sorted({one.meter_id for one in found if one.meter_id is not None})
    installed = registry_queries.installations_of_meters(visit.conn, utility_id=visit.utility_id, meter_ids=meter_ids)
    return {meter.meter_id: meter.serial for meter in installed}
