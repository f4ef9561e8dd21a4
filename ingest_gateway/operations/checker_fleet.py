"""What the checker is told of the meters by the registry: their columns, where nothing is to be found, parameters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway.domain.checking.meters import NOWHERE, ROLES, SEGMENTS, SERVICES, Meters
from ingest_gateway.domain.checking.parameters import Setting
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.store import checker_settings, checker_state
from ingest_gateway.store.checker_settings import SettingRow
from registry import queries as registry
from registry.queries import KnownMeter, PlannedWork, Zone

BASE_PER_UNIT = {"m3": 1000.0, "gal": 3.785411784, "ft3": 28.316846592, "kWh": 1000.0}  # litres or Wh
PULSE = "pulse"  # a technology whose flow is the mean since the reading before
ENDLESS_S = 2**40


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the checker was made with; made anew when it differs."""

    meters: tuple[KnownMeter, ...]  # by id
    zones: tuple[Zone, ...]
    utc_offset_s: int
    settings: tuple[Setting, ...]
    setting_id: int  # the newest of them; 0: none
    quiet: frozenset[QuietSpan]

    def columns(self) -> Meters:
        """Lay the meters out as the checker takes them."""
        known = self.meters
        chains = _chains(self.zones)
        roots = {zone_id: chain[-1].zone_id for zone_id, chain in chains.items()}
        feeders = {zone_id: _feeder(chain) for zone_id, chain in chains.items()}

        def ids(values: Sequence[int | None]) -> list[int]:
            return [NOWHERE if value is None else value for value in values]

        return Meters(
            meter_id=np.array([one.meter_id for one in known], dtype=np.int64),
            service=np.array([SERVICES[one.kind] for one in known], dtype=np.int8),
            role=np.array([ROLES[one.role] for one in known], dtype=np.int8),
            zone_id=np.array(ids([one.zone_id for one in known]), dtype=np.int64),
            network_id=np.array([roots.get(one.zone_id or NOWHERE, NOWHERE) for one in known], dtype=np.int64),
            gateway_id=np.array(ids([one.concentrator_id for one in known]), dtype=np.int64),
            feeder_id=np.array([feeders.get(one.zone_id or NOWHERE, NOWHERE) for one in known], dtype=np.int64),
            interval_s=np.array([one.interval_s for one in known], dtype=np.int64),
            utc_offset_s=np.full(len(known), self.utc_offset_s, dtype=np.int64),
            segment=np.array([SEGMENTS[one.segment] for one in known], dtype=np.int8),
            base_per_unit=np.array([_base(one) for one in known], dtype=np.float64),
            ring=np.array([10**one.digits for one in known], dtype=np.int64),
            resolution=np.array([_base(one) for one in known], dtype=np.float64),
            mean_flow=np.array([one.technology == PULSE for one in known], dtype=np.bool_),
            has_pressure=np.array([one.has_pressure for one in known], dtype=np.bool_),
            phases=np.array([one.phases if one.kind == "electricity" else 0 for one in known], dtype=np.int8),
            nominal_v=np.array([one.nominal_v for one in known], dtype=np.float64),
            may_export=np.array([one.may_export for one in known], dtype=np.bool_),
        )


def read_fleet(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> Fleet:
    """Read what the checker must know as it is at `at`."""
    meters = registry.known_meters(conn, utility_id=utility_id)
    zones = registry.zones(conn, utility_id=utility_id)
    rows = checker_settings.in_force(conn, utility_id=utility_id, at=at)
    return Fleet(
        meters=tuple(meters),
        zones=tuple(zones),
        utc_offset_s=_utc_offset_s(conn, utility_id=utility_id, at=at),
        settings=tuple(setting(row) for row in rows if row.value is not None),
        setting_id=max((row.setting_id for row in rows), default=0),
        quiet=frozenset(_quiet(conn, utility_id=utility_id, meters=meters, zones=zones, at=at)),
    )


def setting(row: SettingRow) -> Setting:
    """Give a utility's own value as the detectors take it."""
    assert row.value is not None, "a value that was taken back is the standard"
    return Setting(
        detector=row.detector,
        parameter=row.parameter,
        value=row.value,
        segment=None if row.segment is None else SEGMENTS[row.segment],
        interval_s=row.interval_s,
        zone_id=row.zone_id,
        mean_flow=None if row.technology is None else row.technology == PULSE,
    )


def _quiet(
    conn: Connection[TupleRow],
    *,
    utility_id: int,
    meters: Sequence[KnownMeter],
    zones: Sequence[Zone],
    at: datetime,
) -> list[QuietSpan]:
    works = [one for one in registry.planned_works(conn, utility_id=utility_id, at=at) if one.cancelled_at is None]
    chains = _chains(zones)
    meters_at = {one.point_id: one.meter_id for one in meters if one.point_id is not None}
    spans = [span for work in works for span in _of_work(work, chains=chains, meters_at=meters_at)]
    points = registry.points(conn, utility_id=utility_id, point_ids=list(meters_at))
    off = {meters_at[point.point_id]: _s(point.supply_since or at) for point in points if point.supply != "on"}
    for meter_id in checker_state.closed_by_command(conn, utility_id=utility_id, meter_ids=_actuated(meters)):
        off.setdefault(meter_id, _s(at))
    return spans + [QuietSpan("meter", meter_id, since_s, ENDLESS_S) for meter_id, since_s in off.items()]


def _of_work(
    work: PlannedWork, *, chains: Mapping[int, Sequence[Zone]], meters_at: Mapping[int, int]
) -> list[QuietSpan]:
    from_s = _s(work.started_at or work.planned_from)
    until = work.finished_at or (None if work.started_at else work.planned_to)
    until_s = ENDLESS_S if until is None else _s(until)
    if work.point_id is not None:
        meter_id = meters_at.get(work.point_id)
        return [] if meter_id is None else [QuietSpan("meter", meter_id, from_s, until_s)]
    within = [zone_id for zone_id, chain in chains.items() if any(zone.zone_id == work.zone_id for zone in chain)]
    return [QuietSpan("zone", zone_id, from_s, until_s) for zone_id in sorted(within)]


def _actuated(meters: Sequence[KnownMeter]) -> Collection[int]:
    return [one.meter_id for one in meters if one.has_actuator]


def _base(meter: KnownMeter) -> float:
    return BASE_PER_UNIT[meter.unit] * 10.0**meter.scale


def _chains(zones: Sequence[Zone]) -> dict[int, list[Zone]]:
    """Give for each zone itself and those that it lies in, the innermost first."""
    by_id = {zone.zone_id: zone for zone in zones}
    chains: dict[int, list[Zone]] = {}
    for zone in zones:
        chain: list[Zone] = []
        step: Zone | None = zone
        while step is not None and step not in chain:
            chain.append(step)
            step = by_id.get(step.parent_zone_id or NOWHERE)
        chains[zone.zone_id] = chain
    return chains


def _feeder(chain: Sequence[Zone]) -> int:
    return next((zone.zone_id for zone in chain if zone.kind == "feeder"), NOWHERE)


def _utc_offset_s(conn: Connection[TupleRow], *, utility_id: int, at: datetime) -> int:
    zone = next(one.zone for one in registry.utilities(conn) if one.utility_id == utility_id)
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None, "a zone has an offset at every instant"
    return int(offset.total_seconds())


def _s(at: datetime) -> int:
    return int(at.timestamp())
