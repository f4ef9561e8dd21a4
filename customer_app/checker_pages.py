"""The detectors and their parameters, ready to print: rules, standards, a utility's own values, what was changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from customer_app import labels
from customer_app.checker_rules import RULES
from customer_app.visit import NotFound, Visit
from ingest_gateway.operations import Proposal
from ingest_gateway.queries import checker as checker_queries
from ingest_gateway.queries.checker import DetectorFacts, Parameter, SettingRow
from kernel.i18n import mark
from registry import queries as registry_queries

CHANGES_SHOWN = 40
SEGMENTS = {
    "residential": mark("homes"),
    "apartment_block": mark("apartment blocks"),
    "commercial": mark("shops and firms"),
    "bulk": mark("bulk supply"),
}
TECHNOLOGIES = {
    "pulse": mark("pulse meters: flow is a mean"),
    "other": mark("meters that tell the flow of the moment"),
}


@dataclass(frozen=True, slots=True)
class OwnValue:
    """A value of the utility's own, and for which meters it holds."""

    amount: str
    fits: str
    since: str
    path: str


@dataclass(frozen=True, slots=True)
class ParameterLine:
    """One parameter of a detector."""

    name: str
    about: str
    standard: str
    bounds: str
    reach: str
    own: tuple[OwnValue, ...]
    path: str


@dataclass(frozen=True, slots=True)
class DetectorBox:
    """One detector."""

    name: str
    version: int
    title: str
    summary: str
    rule: tuple[str, ...]  # paragraphs, as the detector's own file says it
    kinds: tuple[str, ...]
    parameters: tuple[ParameterLine, ...]
    own_count: int


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One change of a parameter."""

    number: str
    at: str
    by: str
    what: str
    amount: str
    fits: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a form."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Reach:
    """For which meters a value may be set."""

    segments: tuple[Choice, ...]
    technologies: tuple[Choice, ...]
    intervals: tuple[Choice, ...]
    zones: tuple[Choice, ...]


def detectors(visit: Visit) -> tuple[DetectorBox, ...]:
    """List the detectors with their parameters."""
    own = checker_queries.settings_in_force(visit.conn, utility_id=visit.utility_id, at=visit.now)
    zones = zone_names(visit)
    return tuple(_box(visit, facts, own=own, zones=zones) for facts in checker_queries.detector_facts())


def changes(visit: Visit) -> tuple[ChangeLine, ...]:
    """List what was changed last."""
    units = {
        (one.detector, one.name): one.unit for facts in checker_queries.detector_facts() for one in facts.parameters
    }
    zones = zone_names(visit)
    rows = checker_queries.setting_changes(visit.conn, utility_id=visit.utility_id, limit=CHANGES_SHOWN)
    return tuple(
        ChangeLine(
            number=str(row.setting_id),
            at=visit.formats.datetime(row.valid_from),
            by=row.set_by,
            what=f"{row.detector}.{row.parameter}",
            amount=amount(visit, row.value, unit=units.get((row.detector, row.parameter), "")),
            fits=fits(visit, row, zones=zones),
            reason=row.reason,
        )
        for row in rows
    )


def parameter(detector: str, name: str) -> Parameter:
    """:raises NotFound: if no detector has it"""
    for facts in checker_queries.detector_facts():
        for one in facts.parameters:
            if (facts.name, one.name) == (detector, name):
                return one
    raise NotFound(f"no detector has the parameter {detector}.{name}")


def line(visit: Visit, one: Parameter) -> ParameterLine:
    """Write one parameter with the values in force."""
    own = checker_queries.settings_in_force(visit.conn, utility_id=visit.utility_id, at=visit.now)
    return _line(visit, one, own=own, zones=zone_names(visit))


def reach(visit: Visit, one: Parameter) -> Reach:
    """List for which meters a value of the parameter may be set: what meters are like does not part a zone."""
    meters = registry_queries.known_meters(visit.conn, utility_id=visit.utility_id)
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    used = {meter.zone_id for meter in meters}
    intervals = sorted({meter.interval_s for meter in meters if meter.point_id is not None})
    return Reach(
        segments=() if one.by_zone else tuple(Choice(code, visit.translate(words)) for code, words in SEGMENTS.items()),
        technologies=()
        if one.by_zone
        else tuple(Choice(code, visit.translate(words)) for code, words in TECHNOLOGIES.items()),
        intervals=tuple(Choice(str(s), interval(visit, s)) for s in intervals),
        zones=tuple(Choice(str(z.zone_id), f"{z.code} {z.name}") for z in zones if z.zone_id in used),
    )


def amount(visit: Visit, found: float | None, *, unit: str) -> str:
    """Write a value with its unit; None is the standard again."""
    if found is None:
        return visit.translate("the standard again")
    if unit == "d":
        return visit.translate("%(n)s days", n=number(visit, found))
    return f"{number(visit, found)} {visit.translate(unit) if ' ' in unit else unit}".strip()


def number(visit: Visit, found: float) -> str:
    """Write a value with as many decimals as it has."""
    text = f"{found:.6f}".rstrip("0").rstrip(".")
    return visit.formats.number(found, decimals=len(text.partition(".")[2]))


def fits(visit: Visit, row: SettingRow | Proposal, *, zones: Mapping[int, str]) -> str:
    """Say for which meters a value holds."""
    _ = visit.translate
    parts = [
        _(SEGMENTS[row.segment]) if row.segment else "",
        _(TECHNOLOGIES[row.technology]) if row.technology else "",
        _("every %(interval)s", interval=interval(visit, row.interval_s)) if row.interval_s else "",
        zones.get(row.zone_id, "") if row.zone_id else "",
    ]
    return ", ".join(part for part in parts if part) or _("all meters")


def value_now(visit: Visit, one: Parameter, proposal: Proposal) -> str:
    """Say which value is in force for exactly the meters of a proposal; where it has none of its own, the standard."""
    own = checker_queries.settings_in_force(visit.conn, utility_id=visit.utility_id, at=visit.now)
    wanted = _sort(proposal)
    found = next((row.value for row in own if _sort(row) == wanted), one.standard)
    return amount(visit, found, unit=one.unit)


def span(visit: Visit, *, first_s: int, end_s: int) -> str:
    first, end = (visit.formats.local(instant(at_s)).date() for at_s in (first_s, end_s))
    return visit.formats.days(first, end)


def instant(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, tz=UTC)


def interval(visit: Visit, seconds: int) -> str:
    return visit.formats.duration(timedelta(seconds=seconds))


def zone_names(visit: Visit) -> dict[int, str]:
    """Give the zones' names by their ids."""
    return {z.zone_id: f"{z.code} {z.name}" for z in registry_queries.zones(visit.conn, utility_id=visit.utility_id)}


def _sort(one: SettingRow | Proposal) -> tuple[str, str, str | None, str | None, int | None, int | None]:
    return one.detector, one.parameter, one.segment, one.technology, one.interval_s, one.zone_id


def _box(visit: Visit, facts: DetectorFacts, *, own: Sequence[SettingRow], zones: Mapping[int, str]) -> DetectorBox:
    title, _sep, rule = facts.rule.partition("\n\n")
    told = RULES.get(facts.name)
    return DetectorBox(
        name=facts.name,
        version=facts.version,
        title=visit.translate(told.title) if told else title,
        summary=visit.translate(told.rule) if told else "",
        rule=tuple(part.replace("\n", " ") for part in rule.split("\n\n") if part),
        kinds=tuple(labels.fault(visit.translate, kind) for kind in facts.kinds),
        parameters=tuple(_line(visit, one, own=own, zones=zones) for one in facts.parameters),
        own_count=sum(row.detector == facts.name for row in own),
    )


def _line(visit: Visit, one: Parameter, *, own: Sequence[SettingRow], zones: Mapping[int, str]) -> ParameterLine:
    _ = visit.translate
    path = f"/operator/checker/{one.detector}/{one.name}"
    return ParameterLine(
        name=one.name,
        about=_(one.about),
        standard=amount(visit, one.standard, unit=one.unit),
        bounds=f"{number(visit, one.low)} – {number(visit, one.high)}",
        reach=_("one value for each zone") if one.by_zone else "",
        own=tuple(
            OwnValue(
                amount=amount(visit, row.value, unit=one.unit),
                fits=fits(visit, row, zones=zones),
                since=visit.formats.day_of(row.valid_from),
                path=path,
            )
            for row in own
            if (row.detector, row.parameter) == (one.detector, one.name)
        ),
        path=path,
    )
