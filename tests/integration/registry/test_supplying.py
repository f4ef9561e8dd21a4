"""Agreements, meters, roles and planned works change as people and time demand; contradictions are refused by name."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.period import Period
from registry import operations, queries

from .conftest import BEGAN, NOW, Town, act_as_web

pytestmark = pytest.mark.store

HOUR = timedelta(hours=1)


@pytest.fixture
def town(hinode: Town) -> Town:
    act_as_web(hinode.conn, utility_id=hinode.utility_id)
    return hinode


def open_agreement(town: Town, *, at: datetime, **fields: Any) -> int:
    given: dict[str, Any] = {
        "account_id": town.id_of("account", "A-0004"), "point_id": town.id_of("point", "W-00001"),
        "tariff_code": "jp-tokyo", "customer_class": "general", "size_mm": 20, "capacity_a": None,
    }  # fmt: skip
    return operations.open_agreement(town.conn, utility_id=town.utility_id, at=at, **{**given, **fields})


def current_agreement_id(town: Town, point: str = "W-00001") -> int:
    newest = queries.agreements_of_point(town.conn, utility_id=town.utility_id, point_id=town.id_of("point", point))[0]
    return newest.agreement_id


def exchange(town: Town, *, at: datetime = NOW, **fields: Any) -> int:
    given: dict[str, Any] = {
        "point_id": town.id_of("point", "W-00001"), "new_serial": "WM-0009", "closing_register": 50_000,
        "opening_register": 7,
    }  # fmt: skip
    return operations.exchange_meter(town.conn, utility_id=town.utility_id, at=at, **{**given, **fields})


def test_one_agreement_takes_over_where_another_ends(town: Town) -> None:
    before = current_agreement_id(town)
    operations.close_agreement(town.conn, utility_id=town.utility_id, agreement_id=before, at=NOW)
    after = open_agreement(town, at=NOW)
    point_id = town.id_of("point", "W-00001")

    def in_force(at: datetime) -> list[int]:
        found = queries.accounts_at_points(town.conn, utility_id=town.utility_id, point_ids=[point_id], at=at)
        return [account.agreement_id for account in found]

    assert in_force(NOW - timedelta(microseconds=1)) == [before]
    assert in_force(NOW) == [after]


def test_two_agreements_of_a_point_never_overlap(town: Town) -> None:
    with pytest.raises(operations.AgreementOverlaps, match="close that one first"):
        open_agreement(town, at=NOW)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=1, max_size=6))
def test_whatever_is_asked_for_no_two_agreements_overlap(town: Town, hours: list[tuple[int, int]]) -> None:
    point_id = town.id_of("point", "W-00001")
    with town.conn.transaction(force_rollback=True):
        operations.close_agreement(
            town.conn, utility_id=town.utility_id, agreement_id=current_agreement_id(town), at=NOW
        )
        for start, length in hours:
            try:
                with town.conn.transaction():
                    opened = open_agreement(town, at=NOW + start * HOUR)
                    operations.close_agreement(
                        town.conn, utility_id=town.utility_id, agreement_id=opened, at=NOW + (start + length) * HOUR
                    )
            except operations.AgreementOverlaps:
                pass
        spans = sorted(
            (a.valid_from, a.valid_to)
            for a in queries.agreements_of_point(town.conn, utility_id=town.utility_id, point_id=point_id)
            if a.valid_to is not None
        )
    assert len(spans) >= 3, "the first that was asked for fits"
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [({"account_id": 10**9}, queries.AccountUnknown), ({"point_id": 10**9}, queries.PointUnknown)],
)
def test_an_agreement_needs_an_account_and_a_point(
    town: Town, fields: dict[str, int], refusal: type[Exception]
) -> None:
    operations.close_agreement(town.conn, utility_id=town.utility_id, agreement_id=current_agreement_id(town), at=NOW)
    with pytest.raises(refusal):
        open_agreement(town, at=NOW, **fields)


@pytest.mark.parametrize("at", [BEGAN, NOW + HOUR])
def test_an_agreement_ends_once_and_after_it_began(town: Town, at: datetime) -> None:
    agreement_id = current_agreement_id(town)
    operations.close_agreement(town.conn, utility_id=town.utility_id, agreement_id=agreement_id, at=NOW)
    with pytest.raises(queries.AgreementUnknown):
        operations.close_agreement(town.conn, utility_id=town.utility_id, agreement_id=agreement_id, at=at)


def test_an_account_number_is_used_once(town: Town) -> None:
    party_id = town.id_of("party", "P-0002")
    opened = operations.open_account(
        town.conn, utility_id=town.utility_id, account_number="A-0002", party_id=party_id, payment_method="slip", at=NOW
    )
    assert queries.account(town.conn, utility_id=town.utility_id, account_id=opened).party_id == party_id
    with pytest.raises(operations.AccountNumberTaken):
        operations.open_account(
            town.conn, utility_id=town.utility_id, account_number="A-0002", party_id=party_id, payment_method="slip",
            at=NOW,
        )  # fmt: skip


def test_an_exchange_closes_one_meter_and_opens_the_next_at_the_same_instant(town: Town) -> None:
    exchange(town)
    old, new = queries.installations_of_point(
        town.conn, utility_id=town.utility_id, point_id=town.id_of("point", "W-00001")
    )
    assert (old.serial, old.valid_to, old.closing_register) == ("WM-0001", NOW, 50_000)
    assert (new.serial, new.valid_from, new.opening_register, new.valid_to) == ("WM-0009", NOW, 7, None)
    old_meter, new_meter = town.id_of("meter", "WM-0001"), town.id_of("meter", "WM-0009")
    places = queries.points_of_meters(town.conn, utility_id=town.utility_id, meter_ids=[old_meter, new_meter], at=NOW)
    assert places == {new_meter: town.id_of("point", "W-00001")}
    known = {meter.serial: meter.point_id for meter in queries.known_meters(town.conn, utility_id=town.utility_id)}
    assert known["WM-0001"] is None


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"new_serial": "WM-0002"}, operations.MeterElsewhere),
        ({"new_serial": "WM-9999"}, queries.MeterUnknown),
        ({"new_serial": "EM-0001"}, operations.MeterUnfit),
        ({"closing_register": 10**9}, operations.MeterUnfit),
        ({"opening_register": -1}, operations.MeterUnfit),
        ({"at": BEGAN}, operations.MeterNotInstalled),
        ({"at": BEGAN - HOUR}, operations.MeterNotInstalled),
        ({"point_id": 10**9}, operations.MeterNotInstalled),
    ],
)
def test_an_exchange_that_cannot_be_is_refused_by_name(
    town: Town, fields: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        exchange(town, **fields)


def test_a_point_has_one_meter(town: Town) -> None:
    with pytest.raises(operations.PointHasMeter):
        operations.install_meter(
            town.conn, utility_id=town.utility_id, point_id=town.id_of("point", "W-00001"), serial="WM-0009",
            opening_register=0, at=NOW,
        )  # fmt: skip


def test_a_meter_may_come_back_from_the_stock(town: Town) -> None:
    point_id = town.id_of("point", "W-00002")
    removed = operations.remove_meter(
        town.conn, utility_id=town.utility_id, point_id=point_id, closing_register=9, at=NOW
    )
    assert queries.meter_at_point(town.conn, utility_id=town.utility_id, point_id=point_id, at=NOW) is None
    operations.install_meter(
        town.conn, utility_id=town.utility_id, point_id=point_id, serial=removed.serial, opening_register=9,
        at=NOW + HOUR,
    )  # fmt: skip
    meter = queries.meter_at_point(town.conn, utility_id=town.utility_id, point_id=point_id, at=NOW + HOUR)
    assert meter is not None
    assert meter.serial == "WM-0002"
    at_point = queries.point_of_meter(town.conn, utility_id=town.utility_id, meter_id=removed.meter_id, at=NOW)
    assert at_point is None


def test_a_role_passes_from_one_party_to_the_next(town: Town) -> None:
    point_id, hanako = town.id_of("point", "W-00001"), town.id_of("party", "P-0002")
    operations.set_party_at_point(
        town.conn, utility_id=town.utility_id, point_id=point_id, party_id=hanako, role="payer", at=NOW
    )
    found = queries.parties_at_points(town.conn, utility_id=town.utility_id, point_ids=[point_id], at=NOW)
    assert {(p.role, p.party_id) for p in found} == {("user", town.id_of("party", "P-0001")), ("payer", hanako)}
    operations.end_party_at_point(town.conn, utility_id=town.utility_id, point_id=point_id, role="payer", at=NOW)
    found = queries.parties_at_points(town.conn, utility_id=town.utility_id, point_ids=[point_id], at=NOW)
    assert [p.role for p in found] == ["user"]


def supply(town: Town) -> tuple[str, datetime | None]:
    point = queries.point(town.conn, utility_id=town.utility_id, point_id=town.id_of("point", "W-00001"))
    return point.supply, point.supply_since


def test_late_word_of_supply_does_not_undo_newer_word(town: Town) -> None:
    point_id = town.id_of("point", "W-00001")
    told = [("off", NOW), ("on", NOW + 2 * HOUR), ("off", NOW + HOUR), ("on", NOW + 3 * HOUR)]
    news = [
        operations.set_supply(town.conn, utility_id=town.utility_id, point_id=point_id, supply=state, at=at)  # pyright: ignore[reportArgumentType]
        for state, at in told
    ]
    assert news == [True, True, False, False]
    assert supply(town) == ("on", NOW + 2 * HOUR)


def test_supply_at_no_point_is_refused(town: Town) -> None:
    with pytest.raises(queries.PointUnknown):
        operations.set_supply(town.conn, utility_id=town.utility_id, point_id=10**9, supply="off", at=NOW)


def plan(town: Town, **place: Any) -> int:
    return operations.plan_work(
        town.conn, utility_id=town.utility_id, kind="flushing", title="洗管", planned=Period(NOW, NOW + HOUR),
        **{"zone_id": None, "point_id": None, **place},
    )  # fmt: skip


def test_planned_work_is_shown_to_the_points_it_touches(town: Town) -> None:
    in_zone = plan(town, zone_id=town.id_of("zone", "W1"))
    in_district = plan(town, zone_id=town.id_of("zone", "D1"))
    at_point = plan(town, point_id=town.id_of("point", "W-00001"))
    elsewhere = plan(town, zone_id=town.id_of("zone", "D2"))

    def at(number: str) -> list[int]:
        works = queries.works_at_points(
            town.conn, utility_id=town.utility_id, point_ids=[town.id_of("point", number)], at=NOW
        )
        return [work.planned_work_id for work in works]

    assert at("W-00001") == [in_zone, in_district, at_point]
    assert at("E-00001") == [in_district]
    assert at("W-00002") == [elsewhere]
    assert len(queries.planned_works(town.conn, utility_id=town.utility_id, at=NOW)) == 4


def test_work_goes_from_planned_to_started_to_finished_and_leaves_the_list(town: Town) -> None:
    work_id = plan(town, zone_id=town.id_of("zone", "W1"))
    operations.start_work(town.conn, utility_id=town.utility_id, planned_work_id=work_id, at=NOW)
    operations.finish_work(town.conn, utility_id=town.utility_id, planned_work_id=work_id, at=NOW + HOUR)
    (work,) = queries.planned_works(town.conn, utility_id=town.utility_id, at=NOW + timedelta(days=7))
    assert (work.started_at, work.finished_at) == (NOW, NOW + HOUR)
    assert queries.planned_works(town.conn, utility_id=town.utility_id, at=NOW + timedelta(days=8)) == []


@pytest.mark.parametrize("step", [operations.start_work, operations.finish_work, operations.cancel_work])
def test_work_that_was_cancelled_stays_so(town: Town, step: Any) -> None:
    work_id = plan(town, zone_id=town.id_of("zone", "W1"))
    operations.cancel_work(town.conn, utility_id=town.utility_id, planned_work_id=work_id, at=NOW)
    with pytest.raises(queries.PlannedWorkUnknown):
        step(town.conn, utility_id=town.utility_id, planned_work_id=work_id, at=NOW)


def test_work_is_somewhere(town: Town) -> None:
    with pytest.raises(operations.WorkWithoutPlace):
        plan(town)
    with pytest.raises(queries.ZoneUnknown):
        plan(town, zone_id=10**9)


def test_what_was_changed_is_kept_before_and_after(town: Town) -> None:
    point_id = town.id_of("point", "W-00001")
    operations.set_supply(town.conn, utility_id=town.utility_id, point_id=point_id, supply="off", at=NOW)
    changed, added = queries.history_of(
        town.conn, utility_id=town.utility_id, table="point", key={"point_id": point_id}
    )
    assert (added.before, changed.actor, changed.changed_at) == (None, "office", NOW)
    assert changed.changed_fields["supply"] == ("on", "off")
    assert changed.changed_fields.keys() == {"supply", "supply_since"}
    assert added.recorded_at <= changed.recorded_at <= datetime.now(UTC)


def test_the_history_never_holds_a_password(town: Town) -> None:
    login_id = operations.add_login(
        town.conn, utility_id=town.utility_id, login_name="office", display_name="x", password="x", roles=["office"],
        locale="ja",
    )  # fmt: skip
    operations.change_password(town.conn, utility_id=town.utility_id, login_id=login_id, password="y")
    operations.set_login_active(town.conn, utility_id=town.utility_id, login_id=login_id, is_active=False)
    changes = queries.history_of(town.conn, utility_id=town.utility_id, table="login", key={"login_id": login_id})
    assert [sorted(change.changed_fields) for change in changes[:1]] == [["active"]]
    assert len(changes) == 2
    everything = town.conn.execute("SELECT string_agg(master_change::text, '') FROM master_change").fetchone()
    assert everything is not None
    assert "password" not in everything[0]
    assert "argon2" not in everything[0]
