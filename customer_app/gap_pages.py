"""What did not come, ready to print: a meter's gaps, its clock, how it was asked, and the list of all that wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from customer_app.visit import Visit
from ingest_gateway.queries import Landed, MeterCommand
from ingest_gateway.queries import gaps as ingest_gaps
from ingest_gateway.queries.gaps import GapCounts, GapRow, MeterClock, MeterGap
from kernel.i18n import mark

CLOCK_TOLERANCE_S = 30.0
ON_THE_WAY_S = 2.0  # of wall time: in a time-lapse it looks like a clock that is behind
METERS_SHOWN = 100
CLOCKS_SHOWN = 20
GAP_STATES = {
    "open": (mark("open"), "is-warn"),
    "filled": (mark("filled"), "is-good"),
    "lost": (mark("lost"), "is-bad"),
}
ANSWERS = {
    "queued": (mark("about to be asked"), "is-info"),
    "sent": (mark("asked, no answer yet"), "is-info"),
    "done": (mark("answered: sent"), "is-good"),
    "failed": (mark("answered: cannot"), "is-bad"),
    "expired": (mark("could not be asked in time"), "is-warn"),
    "cancelled": (mark("taken back"), ""),
    "refused": (mark("held back: a guard said no"), "is-warn"),
    "unknown": (mark("never answered"), "is-warn"),
}
# What ingest_gateway.store.commands writes; what a meter says of itself is shown as it came.
DETAILS = {
    text: text
    for text in (
        mark("its time was over before it could be sent"),
        mark("no answer before its time was over"),
        mark("taken back before it was sent"),
        mark("taken back after it was sent"),
    )
}


@dataclass(frozen=True, slots=True)
class GapLine:
    """One stretch without readings."""

    first: str
    last: str
    missing: str
    state: str
    look: str
    asked: str


@dataclass(frozen=True, slots=True)
class Asked:
    """How a meter was last asked for what is missing, and what it answered."""

    at: str
    ago: str
    span: str
    state: str
    look: str
    detail: str


@dataclass(frozen=True, slots=True)
class MeterGaps:
    """What of one meter did not come, or came late."""

    open: str
    open_note: str
    open_look: str
    filled: str
    filled_note: str
    clock: str
    clock_note: str
    clock_look: str
    lines: tuple[GapLine, ...]
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """A meter with open gaps in the list of all."""

    path: str
    serial: str
    service: str
    zone: str
    address: str
    senders: str
    gaps: str
    missing: str
    since: str
    ago: str
    is_silent: bool
    asked: str
    look: str
    asked_at: str


@dataclass(frozen=True, slots=True)
class ClockLine:
    """A meter whose clock is wrong."""

    path: str
    serial: str
    offset: str
    at: str


def verdict(visit: Visit, found: Landed) -> tuple[str, str]:
    """Say in a few words whether a meter's data has landed, and the look of it."""
    _, counts = visit.translate, found.gap_counts
    if found.latest is None:
        return _("never heard of"), "is-warn"
    if found.is_silent:
        return _("silent"), "is-bad"
    if counts.readings_missing:
        return _("%(n)s readings missing", n=visit.formats.number(counts.readings_missing)), "is-warn"
    if counts.readings_lost:
        return _("all but %(n)s lost readings have landed", n=visit.formats.number(counts.readings_lost)), "is-warn"
    return _("all has landed"), "is-good"


def own_words(visit: Visit, *, meter_id: int) -> str:
    """Tell a customer whether the meter's data has landed."""
    _, formats = visit.translate, visit.formats
    counts = ingest_gaps.gap_counts(visit.conn, utility_id=visit.utility_id, meter_id=meter_id)
    if counts.readings_missing:
        return _(
            "%(n)s readings have not arrived yet. The meter keeps them, and they are added as they come.",
            n=formats.number(counts.readings_missing),
        )
    if counts.readings_filled:
        return _("All readings have arrived, %(n)s of them late.", n=formats.number(counts.readings_filled))
    return _("All readings have arrived.")


def of_meter(visit: Visit, found: Landed, *, interval_s: int) -> MeterGaps:
    """Tell what of a meter did not come, how far its clock is off, and how it was asked."""
    _, formats, counts = visit.translate, visit.formats, found.gap_counts
    clock, note, look = _clock(visit, found.clock)
    return MeterGaps(
        open=formats.number(counts.open),
        open_note=_("%(n)s readings missing", n=formats.number(counts.readings_missing)),
        open_look="is-warn" if counts.open else "is-good",
        filled=formats.number(counts.filled),
        filled_note=_("%(n)s readings came late", n=formats.number(counts.readings_filled)),
        clock=clock,
        clock_note=note,
        clock_look=look,
        lines=tuple(_line(visit, gap, interval=timedelta(seconds=interval_s)) for gap in found.gaps),
        asked=None if found.backfill is None else _asked(visit, found.backfill),
    )


def all_counts(visit: Visit) -> GapCounts:
    """Count all gaps of the utility."""
    return ingest_gaps.gap_counts(visit.conn, utility_id=visit.utility_id)


def waiting(visit: Visit) -> tuple[WaitingLine, ...]:
    """List the meters with open gaps, the silent ones first."""
    rows = ingest_gaps.open_gaps_by_meter(visit.conn, utility_id=visit.utility_id, limit=METERS_SHOWN)
    return tuple(_waiting(visit, row) for row in rows)


def wrong_clocks(visit: Visit) -> tuple[ClockLine, ...]:
    """List the meters whose clocks are steadily ahead."""
    formats = visit.formats
    found = ingest_gaps.clocks_ahead(
        visit.conn, utility_id=visit.utility_id, by_s=_tolerance_s(visit), limit=CLOCKS_SHOWN
    )
    return tuple(
        ClockLine(
            f"/operator/meters/{one.meter_id}",
            one.serial,
            _ahead(visit, one.offset_s),
            formats.datetime(one.sampled_at),
        )
        for one in found
    )


def _waiting(visit: Visit, row: GapRow) -> WaitingLine:
    _, formats = visit.translate, visit.formats
    words, look = ANSWERS.get(row.command_state or "", ("", ""))
    since = row.silent_since or row.first_after_at
    return WaitingLine(
        path=f"/operator/meters/{row.meter_id}",
        serial=row.serial,
        service=row.kind,
        zone=row.zone_code,
        address=row.address,
        senders=row.senders,
        gaps=formats.number(row.gaps),
        missing=formats.number(row.missing),
        since=formats.datetime(since),
        ago=formats.ago(since, now=visit.now),
        is_silent=row.silent_since is not None,
        asked=_(words) if words else _("not asked yet"),
        look=look,
        asked_at=formats.ago(row.asked_at, now=visit.now) if row.asked_at else "",
    )


def _line(visit: Visit, gap: MeterGap, *, interval: timedelta) -> GapLine:
    _, formats = visit.translate, visit.formats
    words, look = GAP_STATES[gap.state]
    return GapLine(
        first=formats.datetime(gap.after_at + interval),
        last=_("until now") if gap.before_at is None else formats.datetime(gap.before_at - interval),
        missing=_("%(n)s of %(all)s", n=formats.number(gap.missing), all=formats.number(gap.expected)),
        state=_(words),
        look=look,
        asked=_("%(n)s times", n=formats.number(gap.asks)) if gap.asks else _("not asked"),
    )


def _asked(visit: Visit, order: MeterCommand) -> Asked:
    formats = visit.formats
    words, look = ANSWERS.get(order.state, (order.state, ""))
    ends = [_instant(visit, order.arguments[name]) for name in ("from", "to") if name in order.arguments]
    return Asked(
        at=formats.datetime(order.queued_at),
        ago=formats.ago(order.answered_at or order.sent_at or order.queued_at, now=visit.now),
        span=" – ".join(ends),
        state=visit.translate(words),
        look=look,
        detail=command_detail(visit, order),
    )


def command_detail(visit: Visit, order: MeterCommand) -> str:
    """Give what is known beside an order's state: our own words translated, a meter's as it said them."""
    words = DETAILS.get(order.state_detail)
    return order.state_detail if words is None else visit.translate(words)


def _instant(visit: Visit, told: object) -> str:
    """Write an instant of an order's arguments; as it stands where it is none."""
    try:
        return visit.formats.datetime(datetime.fromisoformat(str(told)))
    except ValueError:
        return str(told)


def _clock(visit: Visit, clock: MeterClock | None) -> tuple[str, str, str]:
    """Say how far a clock is off, with a note and a look."""
    _, formats = visit.translate, visit.formats
    if clock is None:
        return "–", _("not known yet"), ""
    note = "" if clock.is_steady else _("a first impression")
    if clock.offset_s > _tolerance_s(visit):
        return _ahead(visit, clock.offset_s), note, "is-warn"
    if clock.offset_s >= -_tolerance_s(visit):
        return _("right"), note, "is-good"
    behind = formats.duration(timedelta(seconds=-clock.offset_s))
    return _("not ahead"), _("readings are at least %(time)s on their way", time=behind), "is-good"


def _ahead(visit: Visit, offset_s: float) -> str:
    _, formats = visit.translate, visit.formats
    if offset_s < 120:
        return _("%(n)s s ahead", n=formats.number(int(offset_s)))
    return _("%(time)s ahead", time=formats.duration(timedelta(seconds=offset_s)))


def _tolerance_s(visit: Visit) -> float:
    return max(CLOCK_TOLERANCE_S, ON_THE_WAY_S * visit.services.clock.rate())
