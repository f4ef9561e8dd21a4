"""One fault, one incident: what the tracker makes of findings, and what people make of incidents."""

import random
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from kernel.period import Period
from maintenance_tracker import operations, queries
from maintenance_tracker.domain.findings import Finding
from maintenance_tracker.domain.grouping import Grouping
from registry.operations import plan_work
from tests.integration.maintenance_tracker.town import HOMES, HOUR, T0, Town

pytestmark = pytest.mark.store
MINUTE = timedelta(minutes=1)


def give(town: Town, *anomaly_ids: int) -> None:
    for anomaly_id in anomaly_ids:
        operations.track_opened(town.conn, utility_id=town.utility_id, anomaly_id=anomaly_id)


def rows(town: Town, query: str, *values: Any) -> list[Any]:
    return town.conn.execute(query, (town.utility_id, *values)).fetchall()  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_found_at_one_instant_is_one_step_whatever_the_order_of_its_events(town, order):
    found = [town.write(n, kind="pressure_sag") for n in range(2)]
    found.append(town.write(None, kind="pipe_burst", zone="W1", meters=[town.meters[1], town.meters[0]]))
    give(town, *found[::order])
    [ticket] = town.tickets()
    assert (ticket.kind, ticket.zone_id, ticket.point_id) == ("pipe_burst", town.zones["W1"], None)
    view = town.view(ticket.ticket_id)
    assert set(view.anomaly_ids) == set(found)
    assert ticket.affected == HOMES, "every customer of the zone is told"
    assert view.shown_at == (town.points[1], town.points[0]), "the worst comes first"
    assert [entry.kind for entry in view.entries] == ["opened"]


def test_a_zones_finding_takes_over_the_tickets_of_its_meters(town):
    give(town, town.write(0, kind="pressure_sag"))
    [first] = town.tickets()
    give(town, town.write(None, kind="pipe_burst", zone="W1", at=T0 + 10 * MINUTE))
    [ticket] = town.tickets()
    assert (ticket.kind, len(town.view(ticket.ticket_id).anomaly_ids)) == ("pipe_burst", 2)
    gone = town.view(first.ticket_id)
    assert gone.ticket.state == "cancelled"
    assert gone.entries[-1].detail["ticket_number"] == ticket.ticket_number
    assert rows(town, "SELECT count(*) FROM incident WHERE utility_id = %s AND merged_into IS NOT NULL") == [(1,)]


def test_a_ticket_says_where_the_trouble_is_likely_to_lie(town):
    give(town, town.write(None, kind="pipe_burst", zone="W1", meters=town.meters[2:4]))
    [ticket] = town.tickets()
    place = town.view(ticket.ticket_id).place
    assert (place.place_meter_id, place.place_latitude, place.place_longitude) == (town.meters[2], 35.0, 139.0)


def test_concentrators_that_fall_silent_together_are_one_ticket_and_no_customer_is_told(town):
    give(town, town.lose(7, homes=[0, 1, 2]), town.lose(8, homes=[3, 4], at=T0 + 10 * MINUTE))
    [ticket] = town.tickets()
    assert (ticket.kind, ticket.zone_id, ticket.affected) == ("storm", None, 0), "most of all meters are silent"
    assert len(town.view(ticket.ticket_id).shown_at) == 5
    assert town.notices() == []


def test_what_planned_work_accounts_for_gets_a_ticket_only_if_it_outlasts_it(town):
    plan_work(
        town.conn,
        utility_id=town.utility_id,
        zone_id=town.zones["W1"],
        point_id=None,
        kind="closure",
        title="New valve",
        planned=Period(T0, T0 + 2 * HOUR),
    )
    first, lasting = (town.write(None, kind=kind, zone="W1", at=T0 + HOUR) for kind in ("pressure_sag", "slow_leak"))
    give(town, first, lasting)
    assert town.tickets() == []
    town.end(first, at=T0 + 2 * HOUR)
    operations.settle(town.conn, utility_id=town.utility_id, at=T0 + 5 * HOUR)
    assert town.tickets() == []
    operations.settle(town.conn, utility_id=town.utility_id, at=T0 + 7 * HOUR)
    [ticket] = town.tickets()
    assert (ticket.kind, ticket.opened_at) == ("slow_leak", T0 + 6 * HOUR)


def test_what_people_told_of_and_crews_work_on_gets_no_second_ticket(town):
    burst = operations.open_ticket(
        town.conn,
        utility_id=town.utility_id,
        service="water",
        kind="pipe_burst",
        zone_id=town.zones["W1"],
        point_id=None,
        note="Water on the road",
        actor="office",
        at=T0,
    )
    give(
        town,
        town.write(None, kind="pressure_sag", zone="W1", at=T0 + HOUR),
        town.write(0, kind="household_leak", at=T0 + HOUR),
        town.write(None, kind="pressure_sag", zone="W2", at=T0 + HOUR),
    )
    kinds = [(ticket.ticket_id == burst, ticket.kind) for ticket in town.tickets()]
    assert kinds == [(True, "pipe_burst"), (False, "pressure_sag"), (False, "household_leak")]


def test_what_was_quiet_for_long_is_over_and_what_comes_later_is_a_new_ticket(town):
    sag = town.write(None, kind="pressure_sag", zone="W1")
    give(town, sag)
    town.end(sag, at=T0 + HOUR)
    operations.settle(town.conn, utility_id=town.utility_id, at=T0 + 48 * HOUR)
    assert rows(town, "SELECT over_at FROM incident WHERE utility_id = %s") == [(T0 + 7 * HOUR,)]
    give(town, town.write(None, kind="pressure_sag", zone="W1", at=T0 + 50 * HOUR))
    assert len(town.tickets()) == 2


def test_people_may_say_that_two_tickets_are_one_fault(town):
    give(town, town.write(0, kind="household_leak"), town.write(1, kind="household_leak"))
    first, second = town.tickets()
    kept = operations.merge_tickets(
        town.conn,
        utility_id=town.utility_id,
        ticket_id=second.ticket_id,
        into=first.ticket_id,
        actor="operator",
        at=T0 + HOUR,
    )
    assert [ticket.ticket_id for ticket in town.tickets()] == [kept.ticket_id]
    assert len(town.view(kept.ticket_id).anomaly_ids) == 2
    assert town.view(second.ticket_id).ticket.state == "cancelled"
    with pytest.raises(operations.MergeRefused):
        operations.merge_tickets(
            town.conn, utility_id=town.utility_id, ticket_id=7, into=7, actor="operator", at=T0 + HOUR
        )


def test_people_may_say_that_one_ticket_is_two_faults(town):
    found = [town.find(n, at=T0 + n * MINUTE) for n in range(3)]
    [ticket] = town.tickets()
    new = operations.split_ticket(
        town.conn,
        utility_id=town.utility_id,
        ticket_id=ticket.ticket_id,
        anomaly_ids=found[2:],
        actor="operator",
        at=T0 + HOUR,
    )
    assert town.view(new.ticket_id).anomaly_ids == (found[2],)
    assert town.view(ticket.ticket_id).anomaly_ids == (found[0], found[1])
    town.end(found[2], at=T0 + 2 * HOUR)
    quiet = {one.ticket_id: one.quiet for one in town.tickets()}
    assert quiet == {ticket.ticket_id: False, new.ticket_id: True}
    with pytest.raises(operations.SplitRefused, match="at least one"):
        operations.split_ticket(
            town.conn,
            utility_id=town.utility_id,
            ticket_id=ticket.ticket_id,
            anomaly_ids=found[:2],
            actor="operator",
            at=T0 + HOUR,
        )


def test_a_weak_finding_waits_for_a_person_and_every_answer_is_kept(town):
    leak, drip = (town.write(n, kind="household_leak", outlet="watch") for n in (0, 1))
    give(town, leak, drip)
    assert town.tickets() == []
    assert {one.anomaly.anomaly_id for one in queries.watch_list(town.conn, utility_id=town.utility_id)} == {leak, drip}

    def answer(anomaly_id: int, said: Any) -> int | None:
        return operations.answer_watched(
            town.conn,
            utility_id=town.utility_id,
            anomaly_id=anomaly_id,
            answer=said,
            kind="household_leak",
            note="Called the customer",
            actor="operator",
            at=T0 + HOUR,
        )

    assert answer(drip, "dismissed") is None
    ticket_id = answer(leak, "confirmed")
    assert [ticket.ticket_id for ticket in town.tickets()] == [ticket_id]
    [left] = queries.watch_list(town.conn, utility_id=town.utility_id)
    assert left.label is not None
    assert (left.anomaly.anomaly_id, left.label.answer) == (drip, "dismissed")
    kept = queries.answers(town.conn, utility_id=town.utility_id, since=T0)
    assert [(one.anomaly_id, one.answer, one.answered_by) for one in kept] == [
        (drip, "dismissed", "operator"),
        (leak, "confirmed", "operator"),
    ]
    with pytest.raises(operations.NotOnWatchList):
        answer(leak, "dismissed")
    town.end(leak, at=T0 + 2 * HOUR)
    assert [ticket.quiet for ticket in town.tickets()] == [True], (
        "what a person confirmed holds its ticket as others do"
    )


def test_a_weak_finding_is_kept_with_the_ticket_it_confirms_until_that_is_over(town):
    give(town, sag := town.write(None, kind="pressure_sag", zone="W1"))
    give(town, weak := town.write(0, kind="pressure_sag", outlet="watch", at=T0 + HOUR))
    [ticket] = town.tickets()
    assert town.view(ticket.ticket_id).anomaly_ids == (sag, weak)
    assert queries.watch_list(town.conn, utility_id=town.utility_id) == []
    town.end(sag, at=T0 + 2 * HOUR)
    assert [ticket.quiet for ticket in town.tickets()] == [True]
    operations.settle(town.conn, utility_id=town.utility_id, at=T0 + 24 * HOUR)
    assert [one.anomaly.anomaly_id for one in queries.watch_list(town.conn, utility_id=town.utility_id)] == [weak]


def test_after_a_repair_the_checker_is_asked_to_learn_anew(town):
    town.find(0, kind="household_leak")
    [ticket] = town.tickets()
    town.repair(ticket.ticket_id, at=T0 + HOUR)
    [(payload,)] = rows(town, "SELECT payload FROM event WHERE utility_id = %s AND topic = 'baseline.rebase'")
    assert payload == {
        "incident_id": ticket.incident_id,
        "kinds": ["household_leak"],
        "meter_ids": [town.meters[0]],
        "zone_ids": [],
    }


def test_of_whom_registers_are_tampered_with_is_not_told(town):
    give(town, town.write(0, kind="tamper"))
    assert town.notices() == []
    [ticket] = town.tickets()
    assert ticket.point_id == town.points[0]
    points = queries.map_points(town.conn, utility_id=town.utility_id)
    assert [point.point_id for point in points] == [town.points[0]]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_store_keeps_all_that_the_grouping_knows(town, seed):
    """What is read from the store before each step gives the incidents that a grouping which never forgets gives."""
    chance = random.Random(seed)
    memory = Grouping(new_id=count(1).__next__)
    open_: dict[tuple[str, int | None], int] = {}
    at = T0
    for _ in range(50):
        at += timedelta(minutes=chance.choice([1, 15, 60, 600, 3000]))
        if open_ and chance.random() < 0.45:
            key = chance.choice(sorted(open_, key=str))
            anomaly_id = open_.pop(key)
            town.end(anomaly_id, at=at)
            memory.step(at_s=int(at.timestamp()), opened=(), ended=[anomaly_id])
            continue
        home = chance.choice([None, *range(HOMES)])
        kind = chance.choice(
            ["pressure_sag", "pipe_burst"] if home is None else ["pressure_sag", "household_leak", "backflow"]
        )
        if (kind, home) in open_:
            continue
        open_[kind, home] = town.write(home, kind=kind, at=at, zone="W1")
        give(town, open_[kind, home])
        memory.step(at_s=int(at.timestamp()), opened=[_finding(town, open_[kind, home], kind, home, at)])
    kept = rows(
        town,
        "SELECT i.kind, i.scope, array_agg(m.anomaly_id ORDER BY m.anomaly_id) FROM incident AS i"
        " JOIN incident_anomaly AS m USING (utility_id, incident_id) WHERE i.utility_id = %s"
        " GROUP BY i.incident_id, i.kind, i.scope",
    )
    remembered = [
        (one.kind, one.scope, sorted(finding.finding_id for finding in one.findings))
        for one in (*memory.live.values(), *memory.past.values())
    ]
    assert all(one in kept for one in remembered)
    assert len(remembered) > 1


def _finding(town: Town, anomaly_id: int, kind: str, home: int | None, at: datetime) -> Finding:
    meter_id = None if home is None else town.meters[home]
    at_s = int(at.timestamp())
    return Finding(
        finding_id=anomaly_id,
        kind=kind,
        service="water",
        scope="zone" if home is None else "meter",
        network_id=town.zones["W1"],
        zone_id=town.zones["W1"],
        gateway_id=None,
        meter_id=meter_id,
        at_s=at_s,
        since_s=at_s,
        score=1.0,
        meter_ids=() if meter_id is None else (meter_id,),
    )
