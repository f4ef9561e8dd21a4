"""Scoring tickets by labels: each case was worked by hand."""

from typing import Any

import pytest

from suiden.evaluation import scorer
from suiden.evaluation.goals import DELAY_H
from suiden.evaluation.scorer import Event, Labels, Ticket

H = 3600
FROM, TO = 14 * 24 * H, 42 * 24 * H
METERS = {f"M{n}": 900 for n in range(10)}


def event(kind: str, *, start: int, end: int, name: str = "E1", zonal: bool = False, **more: Any) -> Event:
    meters = more.get("meters", ("M0",))
    return Event(name, more.get("service", "water"), kind, zonal, meters, more.get("zones", ("Z1",)), start, end)


def labels(*events: Event, distractors: tuple[Event, ...] = (), **more: Any) -> Labels:
    return Labels(
        from_s=FROM,
        to_s=TO,
        events=events,
        distractors=distractors,
        meters=10,
        interval_of_meter=more.get("meters", METERS),
        interval_of_zone=more.get("zones", {"Z1": 900}),
    )


def ticket(kind: str, at: int, *meters: str, zone: str | None = "Z1") -> Ticket:
    return Ticket(at, kind, zone, frozenset(meters))


LEAK = event("household_leak", start=FROM + 100 * H, end=FROM + 300 * H)
BURST = event(
    "pipe_burst", start=FROM + 10 * H, end=FROM + 30 * H, name="E3", zonal=True, meters=("M1", "M2"), zones=("Z1", "Z2")
)


@pytest.mark.parametrize(
    ("opened", "is_right"),
    [
        (LEAK.start_s - 900, True),
        (LEAK.start_s - 901, False),
        (LEAK.end_s + 12 * H, True),
        (LEAK.end_s + 12 * H + 1, False),
    ],
)
def test_a_ticket_is_right_from_one_interval_before_the_event_until_a_grace_after(opened, is_right):
    score = scorer.score(labels(LEAK), [ticket("household_leak", opened, "M0")])
    assert score.recall_family == (1.0 if is_right else 0.0)
    assert len(score.false_alarms) == (0 if is_right else 1)


def test_an_hourly_meter_may_be_an_hour_early():
    found = ticket("household_leak", LEAK.start_s - H, "M0")
    assert scorer.score(labels(LEAK, meters={"M0": H}), [found]).recall_family == 1.0


@pytest.mark.parametrize(
    ("meters", "zone", "is_right"),
    [
        ((), "Z2", True),
        ((), "Z3", False),
        (("M1",), None, True),
        (("M1", "M5", "M6"), None, True),  # a third of them
        (("M1", "M5", "M6", "M7"), None, False),  # a quarter, and no zone
        (("M1", "M5", "M6", "M7"), "Z1", True),  # the zone's ticket may list meters
        (("M5",), "Z1", False),  # one meter beside it is another fault
    ],
)
def test_a_zones_event_is_found_by_its_zone_or_by_meters_most_of_which_are_its_own(meters, zone, is_right):
    score = scorer.score(labels(BURST), [ticket("pipe_burst", BURST.start_s + H, *meters, zone=zone)])
    assert bool(score.recall_any) is is_right


def test_a_zones_ticket_does_not_find_a_meters_event():
    assert scorer.score(labels(LEAK), [ticket("household_leak", LEAK.start_s + H)]).recall_any == 0


def test_another_kind_of_the_family_is_right_and_another_family_is_not():
    slow = scorer.score(labels(BURST), [ticket("slow_leak", BURST.start_s + H)])
    assert (slow.recall_family, slow.kinds[0].recall_exact, slow.precision) == (1.0, 0.0, 1.0)
    sag = scorer.score(labels(BURST), [ticket("pressure_sag", BURST.start_s + H)])
    assert (sag.recall_any, sag.recall_family, sag.wrong_family, sag.precision) == (1.0, 0.0, 1, 0.0)
    assert sag.false_alarms == ()
    assert sag.missed == (BURST,)


def test_of_two_events_at_once_a_ticket_belongs_to_the_one_of_its_kind():
    stuck = event("stuck_meter", start=LEAK.start_s, end=LEAK.end_s, name="E2")
    score = scorer.score(labels(LEAK, stuck), [ticket("stuck_meter", LEAK.start_s + H, "M0")])
    assert [one.name for one in score.missed] == ["E1"]


def test_a_miss_counts_with_the_longest_delay_that_would_have_been_right():
    other = event("household_leak", start=LEAK.start_s, end=LEAK.start_s + 100 * H, name="E2", meters=("M9",))
    score = scorer.score(labels(LEAK, other), [ticket("household_leak", LEAK.start_s + 10 * H, "M0")])
    [kind] = score.kinds
    assert kind.median_delay_h == (10 + 112) / 2
    assert kind.tickets_per_detected == 1.0


def test_a_ticket_that_is_early_has_no_negative_delay():
    score = scorer.score(labels(LEAK), [ticket("household_leak", LEAK.start_s - 600, "M0")])
    assert score.kinds[0].median_delay_h == 0.0


def test_every_ticket_of_an_event_counts_and_zones_are_counted_apart():
    tickets = [
        ticket("pipe_burst", BURST.start_s + H),
        ticket("pressure_sag", BURST.start_s + H, zone="Z2"),
        ticket("pipe_burst", BURST.start_s + 2 * H),
        ticket("household_leak", LEAK.start_s, "M0"),
    ]
    score = scorer.score(labels(BURST, LEAK), tickets)
    assert (score.tickets_per_zone_event, score.tickets_per_event) == (3.0, 2.0)
    assert score.precision == 0.75


def test_the_macro_recall_is_the_mean_of_the_kinds():
    second = event("household_leak", start=LEAK.start_s, end=LEAK.end_s, name="E2", meters=("M8",))
    score = scorer.score(labels(LEAK, second, BURST), [ticket("household_leak", LEAK.start_s, "M0")])
    assert score.macro_recall_family == (0.5 + 0.0) / 2
    assert score.recall_family == pytest.approx(1 / 3)


def test_false_alarms_are_counted_by_meter_days_and_named_by_what_came_near():
    flushing = event("hydrant_flushing", start=FROM + H, end=FROM + 3 * H, zonal=True, meters=(), zones=("Z3",))
    tickets = [
        ticket("pressure_sag", FROM + 2 * H, zone="Z3"),
        ticket("household_leak", LEAK.end_s + 20 * H, "M0"),
        ticket("theft", FROM + 500 * H, "M7"),
    ]
    score = scorer.score(labels(LEAK, distractors=(flushing,)), tickets)
    assert [alarm.cause for alarm in score.false_alarms] == ["hydrant_flushing", "aftermath", "unexplained"]
    assert score.meter_days == 280
    assert score.false_alarms_per_1000_meter_days == pytest.approx(3 / 0.28)


def test_the_fullest_ten_minutes_are_counted_with_both_ends():
    at = [FROM, FROM + 300, FROM + 600, FROM + 601]
    score = scorer.score(labels(LEAK), [ticket("theft", opened, "M7") for opened in at])
    assert score.most_in_10_minutes == 3
    assert scorer.score(labels(LEAK), []).most_in_10_minutes == 0


def test_kinds_without_a_family_and_tickets_outside_the_judged_time_are_left_out():
    tickets = [
        ticket("silent_meter", FROM + H, "M7"),
        ticket("storm", FROM + H),
        ticket("theft", FROM - 1, "M7"),
        ticket("theft", TO + 6 * H + 1, "M7"),
        ticket("theft", TO + 6 * H, "M7"),
    ]
    assert scorer.score(labels(LEAK), tickets).tickets == 1


def test_every_kind_that_is_judged_has_a_family_a_grace_and_a_goal():
    assert set(scorer.FAMILY) == set(scorer.GRACE_S) == set(DELAY_H)
