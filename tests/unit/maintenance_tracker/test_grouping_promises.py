"""What holds of the grouping whatever is found: nothing is lost, nothing floods, and only time and findings count."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance_tracker.domain.findings import Change, Finding, Opened
from maintenance_tracker.domain.grouping_rules import FLOOD_TICKETS, FLOOD_WINDOW_S, RULES
from maintenance_tracker.domain.joining import Sizes
from maintenance_tracker.domain.suppression import KnownReason
from tests.unit.maintenance_tracker.spotted import DAY, HOUR, T0, gateway, grouping, meter, zone

Step = tuple[int, list[Finding], list[int]]  # an instant, what began, what ended
WORK = KnownReason("planned work", zone_id=2, meter_id=None, from_s=T0 + HOUR, to_s=T0 + 9 * HOUR)
SIZES = Sizes(of_gateway={1: 9, 2: 9}, of_service={"water": 18, "electricity": 18})
METER_KINDS = sorted(set(RULES) - {"storm", "concentrator_lost", "pipe_burst", "slow_leak"})
ZONE_KINDS = ["pipe_burst", "slow_leak", "pressure_sag", "valve_closure", "outage", "voltage_sag", "phase_loss"]


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Some weeks of findings, each with a number of its own; each may end later."""
    made: list[Step] = []
    open_: list[int] = []
    at_s, number = T0, 0
    for _ in range(draw(st.integers(1, 12))):
        at_s += draw(st.sampled_from([60, 300, 900, HOUR, 7 * HOUR, 2 * DAY]))
        opened: list[Finding] = []
        for _ in range(draw(st.integers(0, 8))):
            number += 1
            since = at_s - draw(st.sampled_from([0, 900, 5 * HOUR, 4 * DAY]))
            found = _found(draw, at=at_s, since=since)
            opened.append(replace(found, finding_id=number))
        ended = [one for one in open_ if draw(st.booleans())]
        open_ = [one for one in open_ if one not in ended] + [one.finding_id for one in opened]
        made.append((at_s, opened, ended))
    return made


def _found(draw: st.DrawFn, *, at: int, since: int) -> Finding:
    where = draw(st.sampled_from(["meter", "meter", "zone", "gateway"]))
    score = draw(st.sampled_from([1.0, 2.5]))
    if where == "gateway":
        return gateway(draw(st.integers(1, 2)), at=at, since=since, meter_ids=(1, 2, 3, 4))
    place = draw(st.integers(1, 3))
    if where == "zone":
        return zone(draw(st.sampled_from(ZONE_KINDS)), place, at=at, since=since, score=score)
    number = draw(st.integers(1, 9))
    outlet = draw(st.sampled_from(["ticket", "ticket", "watch"]))
    kind = draw(st.sampled_from(METER_KINDS))
    return meter(kind, number, zone=place, at=at, since=since, score=score, outlet=outlet, gateway_id=1 + number % 2)


def outcome(given_steps: Sequence[Step], *, pauses: Sequence[int] = (), backwards: bool = False) -> list[Change]:
    """Run steps through; let the time pass up to each of the pauses in between."""
    group = grouping(reasons=[WORK], sizes=SIZES)
    changes: list[Change] = []
    waiting = sorted(pauses)
    for at_s, opened, ended in given_steps:
        while waiting and waiting[0] < at_s:
            pause_s = waiting.pop(0)
            if pause_s > group.at_s:
                changes += group.advance(at_s=pause_s)
        order = -1 if backwards else 1
        changes += group.step(at_s=at_s, opened=opened[::order], ended=ended[::order])
    return changes + group.advance(at_s=given_steps[-1][0] + 30 * DAY)


@settings(max_examples=40, deadline=None)
@given(found=steps())
def test_no_finding_is_lost_and_none_counts_twice(found):
    group = grouping(reasons=[WORK], sizes=SIZES)
    seen: set[int] = set()
    for at_s, opened, ended in found:
        group.step(at_s=at_s, opened=opened, ended=ended)
        seen |= {one.finding_id for one in opened if one.outlet == "ticket"}
        held = [f.finding_id for i in (*group.live.values(), *group.past.values()) for f in i.findings]
        assert len(held) == len(set(held))
        lasting = {one for i in group.live.values() for one in i.open_ids}
        assert lasting <= set(held)
        open_now = {one.finding_id for _, began, _ in found for one in began} - {
            e for _, _, over in found for e in over
        }
        assert (open_now & seen) <= lasting | set(group.waiting)


@settings(max_examples=40, deadline=None)
@given(found=steps())
def test_no_more_tickets_open_in_ten_minutes_than_a_person_can_take_in(found):
    at = sorted(change.at_s for change in outcome(found) if isinstance(change, Opened))
    for first in at:
        assert sum(first <= other < first + FLOOD_WINDOW_S for other in at) <= FLOOD_TICKETS


@settings(max_examples=30, deadline=None)
@given(found=steps(), pauses=st.lists(st.integers(0, 20 * DAY), max_size=10))
def test_it_does_not_matter_when_the_time_is_told(found, pauses):
    assert outcome(found, pauses=[T0 + pause_s for pause_s in pauses]) == outcome(found)


@settings(max_examples=30, deadline=None)
@given(found=steps())
def test_the_order_within_an_instant_does_not_matter(found):
    assert outcome(found, backwards=True) == outcome(found)


@settings(max_examples=30, deadline=None)
@given(found=steps())
def test_every_incident_is_over_once_nothing_of_it_lasts(found):
    ended = [one for _, opened, _ in found for one in (finding.finding_id for finding in opened)]
    last_s = found[-1][0]
    group = grouping(reasons=[WORK], sizes=SIZES)
    for at_s, opened, over in found:
        group.step(at_s=at_s, opened=opened, ended=over)
    group.step(at_s=last_s + 60, opened=[], ended=ended)
    group.advance(at_s=last_s + 5 * DAY)
    assert group.live == {}
