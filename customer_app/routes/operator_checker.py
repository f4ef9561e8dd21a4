"""The detectors: rules and parameters, and changing one once it was seen what that would have raised."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from customer_app import checker_pages, labels
from customer_app.checker_pages import ChangeLine, DetectorBox, ParameterLine, Reach
from customer_app.checker_trial import Compared, Outcome, Question, Raised, compare
from customer_app.checker_trials import Trial
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import Visit
from ingest_gateway import operations as ingest_operations
from ingest_gateway.operations import ParameterRefused, Proposal
from registry import queries as registry_queries

router = APIRouter()

LISTED = 50

Segment = Literal["", "residential", "apartment_block", "commercial", "bulk"]
Technology = Literal["", "pulse", "other"]


@dataclass(frozen=True, slots=True)
class CheckerPage(Page):
    TEMPLATE: ClassVar[str] = "operator/checker.html"
    ACTIVE: ClassVar[str] = "/operator/checker"

    detectors: tuple[DetectorBox, ...]
    changes: tuple[ChangeLine, ...]
    may_change: bool
    opened: str  # the detector that is looked at


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the form."""

    value: str
    standard: bool
    segment: str
    technology: str
    interval_s: str
    zone_id: str


@dataclass(frozen=True, slots=True)
class ParameterPage(Page):
    TEMPLATE: ClassVar[str] = "operator/checker_parameter.html"
    ACTIVE: ClassVar[str] = "/operator/checker"

    detector: str
    parameter: ParameterLine
    reach: Reach
    asked: Asked
    low: str
    high: str
    problem: str


@dataclass(frozen=True, slots=True)
class KindCount:
    """How often a kind was raised, and would have been."""

    kind: str
    now: str
    then: str
    difference: str
    look: str


@dataclass(frozen=True, slots=True)
class RaisedLine:
    """A finding that would be new, or gone."""

    kind: str
    place: str
    path: str
    at: str
    outlet: str


@dataclass(frozen=True, slots=True)
class TrialPage(Page):
    TEMPLATE: ClassVar[str] = "operator/checker_trial.html"
    FRAGMENTS: ClassVar[dict[str, str]] = {"state": "operator/_trial_state.html"}
    ACTIVE: ClassVar[str] = "/operator/checker"

    title: str
    amount: str
    amount_now: str
    fits: str
    state: str
    so_far: str
    own_path: str
    form_path: str
    hidden: tuple[tuple[str, str], ...]
    span: str
    counts: tuple[KindCount, ...]
    new: tuple[RaisedLine, ...]
    gone: tuple[RaisedLine, ...]
    more_new: int
    more_gone: int
    same: str
    readings: str


@router.get("/operator/checker")
def index(visit: Annotated[Visit, allowed("anomaly.view", action="checker.view")], detector: str = "") -> Response:
    """Show the detectors with their parameters, and what was changed."""
    page = CheckerPage(
        detectors=checker_pages.detectors(visit),
        changes=checker_pages.changes(visit),
        may_change=visit.may("checker.change"),
        opened=detector,
    )
    return visit.show(page)


@router.get("/operator/checker/{detector}/{parameter}")
def ask(
    detector: str,
    parameter: str,
    visit: Annotated[
        Visit, allowed("checker.change", action="checker.prepare", object_kind="detector", object_from="detector")
    ],
) -> Response:
    """Ask for a parameter's new value, and for which meters."""
    return visit.show(_form(visit, detector, parameter))


@router.get("/operator/checker/{detector}/{parameter}/trial")
def trial(
    detector: str,
    parameter: str,
    visit: Annotated[
        Visit, allowed("checker.change", action="checker.try", object_kind="detector", object_from="detector")
    ],
    value: str = "",
    standard: Literal["", "1"] = "",
    segment: Segment = "",
    technology: Technology = "",
    interval_s: Annotated[str, Query(pattern=r"^\d{0,6}$")] = "",
    zone_id: Annotated[str, Query(pattern=r"^\d{0,18}$")] = "",
) -> Response:
    """Show what a change would have raised in the last month; it is found out meanwhile where nobody asked yet."""
    checker_pages.parameter(detector, parameter)
    try:
        proposal = _proposal(detector, parameter, value, standard, segment, technology, interval_s, zone_id)
        ingest_operations.refuse_unfit(proposal)
    except ParameterRefused:
        problem = visit.translate("This is not a number within the bounds.")
        asked = Asked(value, bool(standard), segment, technology, interval_s, zone_id)
        return visit.show(_form(visit, detector, parameter, problem=problem, asked=asked), status=400)
    visit.concerns(parameter=parameter, value=proposal.value)
    return visit.show(_trial_page(visit, proposal, _started(visit, proposal)))


@router.post("/operator/checker/{detector}/{parameter}")
def change(
    detector: str,
    parameter: str,
    visit: Annotated[
        Visit, allowed("checker.change", action="checker.change", object_kind="detector", object_from="detector")
    ],
    reason: Annotated[str, Form(min_length=1, max_length=500)],
    value: Annotated[str, Form()] = "",
    standard: Annotated[Literal["", "1"], Form()] = "",
    segment: Annotated[Segment, Form()] = "",
    technology: Annotated[Technology, Form()] = "",
    interval_s: Annotated[str, Form(pattern=r"^\d{0,6}$")] = "",
    zone_id: Annotated[str, Form(pattern=r"^\d{0,18}$")] = "",
) -> Response:
    """Put a value in force, once what it would have raised was seen; else show that first."""
    checker_pages.parameter(detector, parameter)
    proposal = _proposal(detector, parameter, value, standard, segment, technology, interval_s, zone_id)
    seen = visit.services.trials.get((visit.utility_id, proposal))
    if seen is None or seen.outcome is None:
        return visit.go(_trial_path(proposal))
    setting_id = ingest_operations.change_parameter(
        visit.conn,
        utility_id=visit.utility_id,
        proposal=proposal,
        reason=reason.strip(),
        by=visit.actor,
        at=visit.now,
    )
    visit.concerns(parameter=parameter, value=proposal.value, setting_id=setting_id, reason=reason.strip())
    return visit.go(f"/operator/checker?detector={detector}", said="parameter-changed")


def _started(visit: Visit, proposal: Proposal) -> Trial:
    question = Question(
        database_url=visit.services.settings.database_url,
        utility_id=visit.utility_id,
        actor=visit.actor,
        at_s=int(visit.now.timestamp()),
        proposal=proposal,
    )
    anew = visit.request.query_params.get("anew") == "1"
    return visit.services.trials.start(question, anew=anew)


def _proposal(
    detector: str,
    parameter: str,
    value: str,
    standard: str,
    segment: str,
    technology: str,
    interval_s: str,
    zone_id: str,
) -> Proposal:
    """:raises ParameterRefused: if the value is no number"""
    try:
        number = None if standard else float(value.strip())
    except ValueError as error:
        raise ParameterRefused(f"{detector}.{parameter} takes a number, not {value[:40]!r}") from error
    return Proposal(
        detector=detector,
        parameter=parameter,
        value=number,
        segment=segment or None,
        technology=technology or None,
        interval_s=int(interval_s) if interval_s else None,
        zone_id=int(zone_id) if zone_id else None,
    )


def _form(
    visit: Visit,
    detector: str,
    parameter: str,
    *,
    problem: str = "",
    asked: Asked | None = None,
) -> ParameterPage:
    known = checker_pages.parameter(detector, parameter)
    return ParameterPage(
        detector=detector,
        parameter=checker_pages.line(visit, known),
        reach=checker_pages.reach(visit, known),
        asked=asked or Asked(f"{known.standard:.12g}", False, "", "", "", ""),
        low=f"{known.low:.12g}",
        high=f"{known.high:.12g}",
        problem=problem,
    )


def _trial_page(visit: Visit, proposal: Proposal, trial: Trial) -> TrialPage:
    known = checker_pages.parameter(proposal.detector, proposal.parameter)
    zones = checker_pages.zone_names(visit)
    outcome = trial.outcome
    compared = compare(outcome) if outcome else Compared((), (), ())
    path = _trial_path(proposal)
    return TrialPage(
        title=f"{proposal.detector}.{proposal.parameter}",
        amount=checker_pages.amount(visit, proposal.value, unit=known.unit),
        amount_now=checker_pages.value_now(visit, known, proposal),
        fits=checker_pages.fits(visit, proposal, zones=zones),
        state=trial.state,
        so_far=visit.formats.number(trial.so_far),
        own_path=path,
        form_path=f"/operator/checker/{proposal.detector}/{proposal.parameter}",
        hidden=tuple(_given(proposal).items()),
        span=checker_pages.span(visit, first_s=outcome.first_s, end_s=outcome.end_s) if outcome else "",
        counts=_counts(visit, outcome) if outcome else (),
        new=_lines(visit, compared.new),
        gone=_lines(visit, compared.gone),
        more_new=max(0, len(compared.new) - LISTED),
        more_gone=max(0, len(compared.gone) - LISTED),
        same=visit.formats.number(len(compared.same)),
        readings=visit.formats.number(outcome.readings) if outcome else "",
    )


def _given(proposal: Proposal) -> dict[str, str]:
    given = {
        "value": "" if proposal.value is None else f"{proposal.value:.12g}",
        "standard": "1" if proposal.value is None else "",
        "segment": proposal.segment or "",
        "technology": proposal.technology or "",
        "interval_s": str(proposal.interval_s or ""),
        "zone_id": str(proposal.zone_id or ""),
    }
    return {name: text for name, text in given.items() if text}


def _trial_path(proposal: Proposal) -> str:
    return f"/operator/checker/{proposal.detector}/{proposal.parameter}/trial?{urlencode(_given(proposal))}"


def _counts(visit: Visit, outcome: Outcome) -> tuple[KindCount, ...]:
    now, then = (Counter((one.kind, one.outlet) for one in found) for found in (outcome.now, outcome.then))
    lines: list[KindCount] = []
    for kind, outlet in sorted({*now, *then}):
        before, after = now[kind, outlet], then[kind, outlet]
        words = labels.fault(visit.translate, kind)
        if outlet == "watch":
            words = visit.translate("%(kind)s, watched only", kind=words)
        look = "" if before == after else "up" if after > before else "down"
        number = visit.formats.number
        lines.append(KindCount(words, number(before), number(after), f"{after - before:+d}" if look else "±0", look))
    return tuple(lines)


def _lines(visit: Visit, found: Sequence[Raised]) -> tuple[RaisedLine, ...]:
    shown = sorted(found, key=lambda one: -one.at_s)[:LISTED]
    meter_ids = sorted({meter_id for one in shown for meter_id in (one.place_id, *one.meter_ids[:1])})
    known = registry_queries.installations_of_meters(visit.conn, utility_id=visit.utility_id, meter_ids=meter_ids)
    serials = {meter.meter_id: meter.serial for meter in known}
    zones = checker_pages.zone_names(visit)
    lines: list[RaisedLine] = []
    for one in shown:
        meter_id = one.place_id if one.scope == "meter" else next(iter(one.meter_ids), None)
        place = serials.get(one.place_id, "") if one.scope == "meter" else zones.get(one.place_id, "")
        lines.append(
            RaisedLine(
                kind=labels.fault(visit.translate, one.kind),
                place=place or (serials.get(meter_id, "") if meter_id else ""),
                path=f"/operator/meters/{meter_id}" if meter_id else "",
                at=visit.formats.datetime(checker_pages.instant(one.at_s)),
                outlet=visit.translate("watched only") if one.outlet == "watch" else "",
            )
        )
    return tuple(lines)
