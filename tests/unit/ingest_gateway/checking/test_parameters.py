"""Parameters of detectors: standard values, a utility's own, and what differs within a cohort."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Number
from ingest_gateway.domain.checking.findings import Finding, Kind
from ingest_gateway.domain.checking.meters import COMMERCIAL, RESIDENTIAL, WATER
from ingest_gateway.domain.checking.parameters import ParameterRefused, Setting, made, parameter, parameters_of
from ingest_gateway.domain.checking.state import Arrays, Field
from ingest_gateway.domain.checking.view import Cohort, Stage, View, cohort_of
from tests.unit.ingest_gateway.checking.fleet import meters


@dataclass(frozen=True, slots=True)
class Rule:
    name: ClassVar[str] = "rule"
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]] = ("backflow",)
    services: ClassVar[tuple[int, ...]] = (WATER,)
    stages: ClassVar[tuple[Stage, ...]] = (Stage.EARLY,)

    limit: Number = parameter(5.0, unit="L/h", low=1.0, high=100.0, about="flow that is a leak")
    share: Number = parameter(0.3, unit="", low=0.0, high=1.0, about="meters of a zone", by_zone=True)

    def fields(self, _cohort: Cohort) -> Sequence[Field]:
        return []

    def check(self, _view: View, _state: Arrays) -> list[Finding]:
        return []


COHORT = cohort_of(
    meters(4, zone_id=[7, 7, 9, 9], segment=[RESIDENTIAL, COMMERCIAL, RESIDENTIAL, COMMERCIAL]), interval_s=900
)


def rule(*settings: Setting) -> Rule:
    detector = made(Rule, cohort=COHORT, settings=settings)
    assert isinstance(detector, Rule)
    return detector


def test_without_settings_a_detector_has_its_standard_values() -> None:
    assert rule() == Rule()
    assert [(one.name, one.standard, one.unit, one.by_zone) for one in parameters_of(Rule)] == [
        ("limit", 5.0, "L/h", False),
        ("share", 0.3, "", True),
    ]


@pytest.mark.parametrize(
    ("setting", "limits"),
    [
        (Setting("rule", "limit", 8.0), [8.0, 8.0, 8.0, 8.0]),
        (Setting("rule", "limit", 8.0, segment=COMMERCIAL), [5.0, 8.0, 5.0, 8.0]),
        (Setting("rule", "limit", 8.0, zone_id=9), [5.0, 5.0, 8.0, 8.0]),
        (Setting("rule", "limit", 8.0, interval_s=900), [8.0, 8.0, 8.0, 8.0]),
        (Setting("rule", "limit", 8.0, interval_s=3_600), [5.0, 5.0, 5.0, 5.0]),
        (Setting("rule", "limit", 8.0, mean_flow=True), [5.0, 5.0, 5.0, 5.0]),
        (Setting("another", "limit", 8.0), [5.0, 5.0, 5.0, 5.0]),
    ],
)
def test_a_setting_counts_for_the_meters_that_fit(setting: Setting, limits: list[float]) -> None:
    value: float | NDArray[np.float64] = rule(setting).limit
    assert np.broadcast_to(value, 4).tolist() == limits


def test_of_several_settings_the_last_that_fits_counts() -> None:
    value = rule(Setting("rule", "limit", 8.0), Setting("rule", "limit", 3.0, zone_id=7)).limit
    assert np.broadcast_to(value, 4).tolist() == [3.0, 3.0, 8.0, 8.0]


def test_a_parameter_of_zones_has_a_value_for_each_zone() -> None:
    assert np.broadcast_to(rule(Setting("rule", "share", 0.5, zone_id=9)).share, 2).tolist() == [0.3, 0.5]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (Setting("rule", "limit", 0.5), "rule.limit may be 1 to 100 L/h, not 0.5"),
        (Setting("rule", "limits", 5.0), "detector rule has no parameter 'limits'; it has limit, share"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_may_be(setting: Setting, said: str) -> None:
    with pytest.raises(ParameterRefused, match=said):
        rule(setting)
