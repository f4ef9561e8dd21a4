"""Where a fault is likely to lie, and what people make of incidents."""

from dataclasses import replace

import pytest

from maintenance_tracker.domain.by_hand import MergeRefused, SplitRefused, merge, split
from maintenance_tracker.domain.findings import Incident
from maintenance_tracker.domain.place import Place, guess_place
from tests.unit.maintenance_tracker.spotted import HOUR, T0, grouping, meter, zone


def test_the_guess_lies_nearest_to_the_worst_point():
    places = {1: Place(35.0, 139.0), 2: Place(35.01, 139.0), 3: Place(35.02, 139.0)}
    guess = guess_place(worst_first=[1, 2, 3], places=places)
    assert guess is not None
    assert guess.nearest == 1
    assert guess.centre is not None
    assert 35.0 < guess.centre.latitude < 35.01
    assert 500 < (guess.radius_m or 0) < 1500


def test_points_that_lie_nowhere_are_named_all_the_same():
    guess = guess_place(worst_first=[7, 8], places={})
    assert guess is not None
    assert (guess.nearest, guess.centre, guess.points) == (7, None, 2)
    assert guess_place(worst_first=[], places={}) is None


def incident(*found) -> Incident:
    group = grouping()
    group.step(at_s=T0, opened=found)
    [only] = group.live.values()
    return only


def test_two_leaks_that_people_call_one_are_the_zones():
    first, second = incident(meter("household_leak", 1)), incident(meter("household_leak", 2))
    kept = merge(first, other=replace(second, incident_id=2))
    assert (kept.scope, kept.meter_ids, len(kept.open_ids)) == ("zone", (1, 2), 2)


def test_an_incident_of_another_service_is_another_fault():
    water, power = incident(meter("household_leak", 1)), incident(meter("theft", 2))
    with pytest.raises(MergeRefused, match="electricity"):
        merge(water, other=replace(power, incident_id=2))
    with pytest.raises(MergeRefused, match="itself"):
        merge(water, other=water)


def test_a_split_parts_the_findings_and_what_lasts_of_them():
    found = [zone("pressure_sag", 1), *(meter("pressure_sag", n, since=T0 - HOUR) for n in (1, 2))]
    whole = incident(*found)
    rest, part = split(whole, finding_ids=[found[1].finding_id], new_id=9, at_s=T0 + HOUR)
    assert (part.incident_id, part.scope, part.meter_id, part.opened_s) == (9, "meter", 1, T0 + HOUR)
    assert rest.open_ids | part.open_ids == whole.open_ids
    assert rest.open_ids & part.open_ids == frozenset()
    with pytest.raises(SplitRefused, match="load it again"):
        split(whole, finding_ids=[10_000], new_id=9, at_s=T0)
    with pytest.raises(SplitRefused, match="at least one"):
        split(whole, finding_ids=[one.finding_id for one in found], new_id=9, at_s=T0)
