"""What every detector of use promises, whatever the meters tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.meters import ELECTRICITY
from ingest_gateway.domain.checking.parameters import parameters_of
from ingest_gateway.domain.checking.quiet import QuietSpan
from ingest_gateway.domain.detectors.backflow import Backflow
from ingest_gateway.domain.detectors.household_leak import HouseholdLeak
from ingest_gateway.domain.detectors.stuck_meter import StuckMeter
from ingest_gateway.domain.detectors.tamper import Tamper
from ingest_gateway.domain.detectors.theft import Theft
from ingest_gateway.domain.detectors.unregistered_export import UnregisteredExport
from tests.unit.ingest_gateway.detectors.homes import DAY_S, HOUR_S, START, Homes

ALL: tuple[type[Detector], ...] = (Backflow, HouseholdLeak, StuckMeter, Tamper, Theft, UnregisteredExport)
DAYS = 26


def upset_homes(seed: int, *, service: int, interval_s: int) -> Homes:
    """Make homes to which anything may happen: silence, jumps, leaks, factors, feeding in, running back."""
    homes = Homes(DAYS, count=6, service=service, interval_s=interval_s, seed=seed)
    random = np.random.default_rng(seed)
    homes.flow[:] = homes.use
    for _ in range(14):
        meter, first = int(random.integers(1, 7)), random.uniform(0, DAYS)
        here = homes.span(first, first + random.exponential(4), meter=meter)
        what = random.integers(0, 6)
        if what == 0:
            homes.use[here] *= random.uniform(0, 0.4)
        elif what == 1:
            homes.use[here] += random.uniform(0, 400)
        elif what == 2:
            homes.heard[here] = random.random() < 0.2
        elif what == 3:
            homes.use[here] = homes.flow[here] = -random.uniform(0, 200)
        elif what == 4:
            homes.export[here] = random.uniform(0, 800)
        else:
            homes.use[homes.at(first) - 1, meter - 1] += random.choice([-1, 1]) * random.uniform(0, 1e6)
    return homes


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000), interval_s=st.sampled_from([HOUR_S, 2 * HOUR_S, 6 * HOUR_S, DAY_S]))
def test_what_opens_ends_before_it_opens_again_and_nothing_is_told_before_it_began(
    kind: type[Detector], seed: int, interval_s: int
) -> None:
    homes = upset_homes(seed, service=kind.services[-1], interval_s=interval_s)
    open_: dict[int, bool] = {}
    for finding in homes.found(kind(), meter=None):
        assert finding.opened != open_.get(finding.place_id, False)
        assert finding.since_s <= finding.at_s
        assert finding.kind in kind.kinds
        assert finding.evidence or not finding.opened
        open_[finding.place_id] = finding.opened


@pytest.mark.parametrize("kind", ALL)
def test_where_all_is_quiet_nothing_begins(kind: type[Detector]) -> None:
    homes = upset_homes(3, service=kind.services[-1], interval_s=HOUR_S)
    spans = [QuietSpan("zone", 1, START - DAY_S, START + (DAYS + 2) * DAY_S)]
    assert homes.found(kind(), quiet=spans, meter=None) == []


@pytest.mark.parametrize("kind", ALL)
def test_each_has_parameters_with_their_standard_within_bounds(kind: type[Detector]) -> None:
    for one in parameters_of(kind):
        assert one.low <= one.standard <= one.high
        assert one.about


def test_a_parameter_may_differ_from_meter_to_meter() -> None:
    homes = Homes(20, count=2, service=ELECTRICITY)
    homes.use[homes.at(15) :] *= 0.5
    found = homes.found(Theft(base_share=np.array([0.55, 0.2])), meter=None)
    assert {one.place_id for one in found} == {1}
