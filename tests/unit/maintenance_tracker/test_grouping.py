"""One fault, one incident, one ticket."""

from typing import Any

import pytest

from maintenance_tracker.domain.findings import (
    Absorbed,
    Change,
    Incident,
    Joined,
    Opened,
    Over,
    Quieted,
    Reopened,
    Suppressed,
    Watched,
)
from maintenance_tracker.domain.grouping import OrderBroken
from maintenance_tracker.domain.joining import Sizes
from maintenance_tracker.domain.suppression import KnownReason
from tests.unit.maintenance_tracker.spotted import DAY, HOUR, MINUTE, T0, gateway, grouping, meter, zone


def opened(changes: list[Change]) -> list[Incident]:
    return [change.incident for change in changes if isinstance(change, Opened)]


def kinds_of(changes: list[Change]) -> list[type[Any]]:
    return [type(change) for change in changes]


def test_a_burst_that_drops_forty_pressures_is_one_incident_with_forty_points():
    group = grouping()
    sags = [meter("pressure_sag", n, score=n) for n in range(1, 41)]
    [incident] = opened(group.step(at_s=T0, opened=[*sags, zone("pipe_burst", 1)]))
    assert (incident.kind, incident.scope, incident.zone_id) == ("pipe_burst", "zone", 1)
    assert len(incident.meter_ids) == 40
    assert incident.meter_ids[0] == 40, "the worst point comes first"


def test_a_zones_finding_takes_in_the_meters_that_showed_it_before():
    group = grouping()
    [first] = opened(group.step(at_s=T0, opened=[meter("pressure_sag", 7)]))
    changes = group.step(at_s=T0 + 15 * MINUTE, opened=[zone("pipe_burst", 1, at=T0 + 15 * MINUTE, since=T0)])
    [incident] = opened(changes)
    assert [c.incident.incident_id for c in changes if isinstance(c, Absorbed)] == [first.incident_id]
    assert list(group.live) == [incident.incident_id]
    assert group.live[incident.incident_id].meter_ids == (7,)


def test_meters_of_a_zone_that_show_one_fault_are_one_incident_and_from_three_on_the_zones():
    group = grouping()
    [incident] = opened(group.step(at_s=T0, opened=[meter("voltage_sag", 1)]))
    [joined] = group.step(at_s=T0 + MINUTE, opened=[meter("voltage_sag", 2, at=T0 + MINUTE)])
    assert isinstance(joined, Joined)
    assert joined.incident.scope == "meter"
    [joined] = group.step(at_s=T0 + 2 * MINUTE, opened=[meter("voltage_sag", 3, at=T0 + 2 * MINUTE)])
    assert isinstance(joined, Joined)
    assert (joined.incident.incident_id, joined.incident.scope) == (incident.incident_id, "zone")


def test_leaks_behind_two_meters_of_a_zone_are_two_incidents():
    group = grouping()
    found = [meter("household_leak", 1), meter("household_leak", 2)]
    assert [incident.meter_id for incident in opened(group.step(at_s=T0, opened=found))] == [1, 2]


def test_neighbouring_zones_that_lose_pressure_together_are_one_incident_named_by_what_tells_most():
    group = grouping()
    [incident] = opened(group.step(at_s=T0, opened=[zone("pressure_sag", 1)]))
    later = T0 + HOUR
    [joined] = group.step(at_s=later, opened=[zone("pipe_burst", 2, at=later, since=T0)])
    assert isinstance(joined, Joined)
    assert joined.renamed
    assert (joined.incident.kind, joined.incident.zone_id) == ("pipe_burst", 2)
    assert joined.incident.zone_ids == {1, 2}
    assert joined.incident.incident_id == incident.incident_id
    assert opened(group.step(at_s=later + 1, opened=[zone("pressure_sag", 3, at=later + 1, network=2)]))


def test_low_pressure_in_another_zone_on_another_day_is_another_incident():
    group = grouping()
    group.step(at_s=T0, opened=[zone("pressure_sag", 1)])
    assert opened(group.step(at_s=T0 + DAY, opened=[zone("pressure_sag", 2, at=T0 + DAY)]))


def test_what_began_before_the_zones_trouble_is_not_taken_in_by_it():
    group = grouping()
    group.step(at_s=T0, opened=[meter("sensor_drift", 1, since=T0 - 5 * DAY)])
    group.step(at_s=T0 + HOUR, opened=[zone("pipe_burst", 1, at=T0 + HOUR)])
    assert len(group.live) == 2
    late = meter("sensor_drift", 2, at=T0 + 2 * HOUR, since=T0 - 5 * DAY)
    assert opened(group.step(at_s=T0 + 2 * HOUR, opened=[late]))


def test_a_burst_beside_a_leak_that_is_known_for_days_is_a_second_fault():
    group = grouping()
    group.step(at_s=T0, opened=[zone("slow_leak", 1)])
    [joined] = group.step(at_s=T0 + HOUR, opened=[zone("pipe_burst", 1, at=T0 + HOUR)])
    assert isinstance(joined, Joined)
    other = grouping()
    other.step(at_s=T0, opened=[zone("slow_leak", 1)])
    assert opened(other.step(at_s=T0 + 3 * DAY, opened=[zone("pipe_burst", 1, at=T0 + 3 * DAY)]))


def test_trouble_that_lasts_elsewhere_in_the_network_draws_nothing_new_to_itself():
    """A leak that lasts for weeks in one zone does not hold open what was over in another."""
    group = grouping()
    leak, sag = zone("slow_leak", 1), zone("pressure_sag", 2)
    group.step(at_s=T0, opened=[leak, sag])
    assert len(group.live) == 1
    group.step(at_s=T0 + HOUR, opened=[], ended=[sag.finding_id])
    for later_s in (T0 + 3 * DAY, T0 + 6 * DAY):
        [incident] = opened(group.step(at_s=later_s, opened=[zone("pressure_sag", 2, at=later_s)]))
        group.step(at_s=later_s + HOUR, opened=[], ended=[incident.findings[0].finding_id])


def test_a_slow_leak_that_is_found_late_does_not_join_what_began_when_it_was_found():
    group = grouping()
    group.step(at_s=T0, opened=[zone("pressure_sag", 1)])
    late = zone("slow_leak", 2, at=T0 + HOUR, since=T0 - 3 * DAY)
    assert opened(group.step(at_s=T0 + HOUR, opened=[late]))


def test_low_pressure_explains_a_falling_sensor_and_not_water_that_flows_back():
    group = grouping()
    group.step(at_s=T0, opened=[zone("pressure_sag", 1)])
    found = [meter("sensor_drift", 1, at=T0 + HOUR), meter("backflow", 2, at=T0 + HOUR)]
    assert [one.kind for one in opened(group.step(at_s=T0 + HOUR, opened=found))] == ["backflow"]


def test_what_begins_long_after_the_zones_trouble_ended_is_not_its_effect():
    group = grouping()
    sag = zone("pressure_sag", 1)
    group.step(at_s=T0, opened=[sag])
    group.step(at_s=T0 + HOUR, opened=[], ended=[sag.finding_id])
    drift = meter("sensor_drift", 1, at=T0 + 5 * HOUR)
    assert opened(group.step(at_s=T0 + 5 * HOUR, opened=[drift]))


def test_an_incident_is_held_until_it_was_quiet_for_long():
    group = grouping()
    leak = meter("household_leak", 1)
    group.step(at_s=T0, opened=[leak])
    assert kinds_of(group.step(at_s=T0 + HOUR, opened=[], ended=[leak.finding_id])) == [Quieted]
    again = meter("household_leak", 1, at=T0 + 10 * HOUR)
    assert kinds_of(group.step(at_s=T0 + 10 * HOUR, opened=[again])) == [Joined]
    group.step(at_s=T0 + 11 * HOUR, opened=[], ended=[again.finding_id])
    [over] = group.advance(at_s=T0 + 2 * DAY)
    assert isinstance(over, Over)
    assert over.at_s == T0 + 29 * HOUR, "it was over when it was, not when somebody looked"


def test_what_comes_back_soon_after_it_was_over_reopens_its_incident():
    group = grouping()
    leak = meter("household_leak", 1)
    [incident] = opened(group.step(at_s=T0, opened=[leak]))
    group.step(at_s=T0 + HOUR, opened=[], ended=[leak.finding_id])
    back_s = T0 + 3 * DAY
    over, back = group.step(at_s=back_s, opened=[meter("household_leak", 1, at=back_s)])
    assert isinstance(over, Over)
    assert isinstance(back, Reopened)
    assert back.incident.incident_id == incident.incident_id
    assert list(group.live) == [incident.incident_id]


def test_what_comes_back_long_after_it_was_over_is_a_new_incident():
    group = grouping()
    leak = meter("household_leak", 1)
    group.step(at_s=T0, opened=[leak])
    group.step(at_s=T0 + HOUR, opened=[], ended=[leak.finding_id])
    assert opened(group.step(at_s=T0 + 9 * DAY, opened=[meter("household_leak", 1, at=T0 + 9 * DAY)]))


def test_an_outage_of_the_next_morning_is_a_new_incident():
    group = grouping()
    outage = zone("outage", 1)
    group.step(at_s=T0, opened=[outage])
    group.step(at_s=T0 + 8 * HOUR, opened=[], ended=[outage.finding_id])
    assert opened(group.step(at_s=T0 + 20 * HOUR, opened=[zone("outage", 1, at=T0 + 20 * HOUR)]))


def test_planned_work_explains_what_begins_while_it_lasts_and_what_lasts_longer_counts_from_then_on():
    work = KnownReason("planned work", zone_id=1, meter_id=None, from_s=T0, to_s=T0 + 2 * HOUR, tail_s=HOUR)
    group = grouping(reasons=[work])
    [suppressed] = group.step(at_s=T0 + HOUR, opened=[zone("pressure_sag", 1, at=T0 + HOUR)])
    assert isinstance(suppressed, Suppressed)
    assert not group.live
    [late] = group.advance(at_s=T0 + DAY)
    assert isinstance(late, Opened)
    assert late.at_s == late.incident.opened_s == T0 + 3 * HOUR


def test_what_ends_with_the_planned_work_is_never_heard_of():
    work = KnownReason("planned work", zone_id=1, meter_id=None, from_s=T0, to_s=T0 + 2 * HOUR)
    group = grouping(reasons=[work])
    sag = zone("pressure_sag", 1, at=T0 + HOUR)
    group.step(at_s=T0 + HOUR, opened=[sag])
    assert group.step(at_s=T0 + 2 * HOUR, opened=[], ended=[sag.finding_id]) == []
    assert group.advance(at_s=T0 + DAY) == []


def test_what_began_before_the_planned_work_is_not_its_doing():
    work = KnownReason("planned work", zone_id=1, meter_id=None, from_s=T0, to_s=T0 + 2 * HOUR)
    group = grouping(reasons=[work])
    leak = meter("household_leak", 1, at=T0 + HOUR, since=T0 - 20 * HOUR)
    assert opened(group.step(at_s=T0 + HOUR, opened=[leak]))


def test_a_flood_of_findings_becomes_one_incident_of_many_points_and_none_is_lost():
    group = grouping()
    found = [meter("household_leak", n) for n in range(1, 31)]
    burst = zone("pipe_burst", 2)
    first = opened(group.step(at_s=T0, opened=[*found, burst]))
    assert len(first) == 5
    assert first[0].kind == "pipe_burst", "what is urgent is told first"
    flood = first[-1]
    assert (flood.scope, flood.kind) == ("flood", "household_leak")
    later = group.step(at_s=T0 + 5 * MINUTE, opened=[meter("stuck_meter", 50, at=T0 + 5 * MINUTE)])
    assert kinds_of(later) == [Joined]
    counted = [f.finding_id for i in group.live.values() for f in i.findings]
    assert len(counted) == len(set(counted)) == 32
    assert opened(group.step(at_s=T0 + 11 * MINUTE, opened=[meter("tamper", 51, at=T0 + 11 * MINUTE)]))


def test_silent_meters_behind_a_concentrator_are_one_incident_about_it():
    group = grouping(sizes=Sizes(of_gateway={1: 12}, of_service={"water": 100}))
    for n in range(1, 5):
        group.step(at_s=T0 + n * MINUTE, opened=[meter("silent_meter", n, zone=n, at=T0 + n * MINUTE)])
    [incident] = group.live.values()
    assert (incident.scope, incident.kind, len(incident.meter_ids)) == ("gateway", "concentrator_lost", 4)
    alone = meter("silent_meter", 9, at=T0 + HOUR, gateway_id=2)
    assert opened(group.step(at_s=T0 + HOUR, opened=[alone]))


def test_a_third_of_all_meters_silent_is_one_storm():
    group = grouping(sizes=Sizes(of_gateway=dict.fromkeys(range(1, 7), 10), of_service={"water": 60}))
    for n in (1, 2):
        silent = tuple(range(10 * n, 10 * n + 10))
        group.step(at_s=T0 + n * MINUTE, opened=[gateway(n, at=T0 + n * MINUTE, meter_ids=silent)])
    [incident] = group.live.values()
    assert (incident.scope, incident.kind) == ("network", "storm")
    [joined] = group.step(at_s=T0 + HOUR, opened=[meter("silent_meter", 55, at=T0 + HOUR, gateway_id=6)])
    assert isinstance(joined, Joined)


def test_an_outage_explains_silence_and_the_steps_of_registers_while_it_lasts():
    group = grouping()
    group.step(at_s=T0, opened=[zone("outage", 1)])
    for kind in ("voltage_sag", "theft"):
        [joined] = group.step(at_s=T0 + HOUR, opened=[meter(kind, 3, at=T0 + HOUR)])
        assert isinstance(joined, Joined)
        assert joined.incident.kind == "outage"


def test_a_weak_finding_opens_nothing_but_belongs_to_what_it_confirms():
    group = grouping()
    [watched] = group.step(at_s=T0, opened=[meter("household_leak", 1, outlet="watch")])
    assert isinstance(watched, Watched)
    assert not group.live
    group.step(at_s=T0 + HOUR, opened=[zone("outage", 1, at=T0 + HOUR)])
    weak = meter("theft", 2, at=T0 + 2 * HOUR, outlet="watch")
    assert kinds_of(group.step(at_s=T0 + 2 * HOUR, opened=[weak])) == [Joined]


def test_a_weak_finding_holds_no_incident_open_and_draws_nothing_to_it():
    group = grouping()
    swell = zone("voltage_swell", 1)
    group.step(at_s=T0, opened=[swell])
    group.step(at_s=T0 + HOUR, opened=[zone("voltage_swell", 1, at=T0 + HOUR, outlet="watch")])
    assert kinds_of(group.step(at_s=T0 + 2 * HOUR, opened=[], ended=[swell.finding_id])) == [Quieted]
    assert opened(group.step(at_s=T0 + 9 * HOUR, opened=[zone("voltage_swell", 1, at=T0 + 9 * HOUR)]))


def test_a_finding_from_before_the_repair_belongs_to_it_and_a_later_one_reopens_it():
    group = grouping()
    [incident] = opened(group.step(at_s=T0, opened=[zone("pipe_burst", 1)]))
    group.repair(incident.incident_id, at_s=T0 + 5 * HOUR)
    before = meter("pressure_sag", 1, at=T0 + 6 * HOUR, since=T0 + 4 * HOUR)
    assert kinds_of(group.step(at_s=T0 + 6 * HOUR, opened=[before])) == [Joined]
    after = zone("pipe_burst", 1, at=T0 + 20 * HOUR)
    assert kinds_of(group.step(at_s=T0 + 20 * HOUR, opened=[after])) == [Reopened]


def test_the_order_of_time_is_asserted():
    group = grouping()
    group.step(at_s=T0, opened=[])
    with pytest.raises(OrderBroken):
        group.step(at_s=T0 - 1, opened=[])
