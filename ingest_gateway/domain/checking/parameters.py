"""Detectors' parameters: what each may be, and a utility's own values, which may differ by kind of meter and zone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field as DataclassField
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.view import Cohort


class ParameterRefused(Exception):
    """A parameter that no detector has, or a value outside what it may be."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What is known of a detector's parameter; `unit` is empty for a plain number."""

    detector: str
    name: str
    standard: float
    unit: str
    low: float
    high: float
    about: str
    by_zone: bool  # one value for each zone of a cohort; else for each meter


@dataclass(frozen=True, slots=True)
class Setting:
    """A utility's own value of a parameter, for the meters that fit; None fits all. Of several the last counts."""

    detector: str
    parameter: str
    value: float
    segment: int | None = None
    interval_s: int | None = None
    zone_id: int | None = None
    mean_flow: bool | None = None  # the meter's technology: True pulse, False flow of the moment


def parameter(standard: float, *, unit: str, low: float, high: float, about: str, by_zone: bool = False) -> Any:
    """Declare a parameter as a field of a detector's dataclass."""
    return field(
        default=standard, metadata={"unit": unit, "low": low, "high": high, "about": about, "by_zone": by_zone}
    )


def parameters_of(detector: type[Detector]) -> list[Parameter]:
    """List what may be set of a detector."""
    return [_described(detector, one) for one in _declared(detector)]


def made(detector: type[Detector], *, cohort: Cohort, settings: Iterable[Setting]) -> Detector:
    """Make a detector for a cohort. A parameter that differs within it becomes an array, one value for each row.

    :raises ParameterRefused: if a setting names no parameter of it, or is out of its bounds
    """
    own = [one for one in settings if one.detector == detector.name]
    known = {one.name: one for one in parameters_of(detector)}
    for setting in own:
        check(setting, known)
    values: dict[str, float | NDArray[np.float64]] = {}
    for name, one in known.items():
        fitting = [setting for setting in own if setting.parameter == name]
        if fitting:
            values[name] = _value(one, cohort=cohort, settings=fitting)
    return detector(**values)


def check(setting: Setting, known: Mapping[str, Parameter]) -> None:
    """:raises ParameterRefused: if the setting names none of these parameters, or is out of its bounds"""
    one = known.get(setting.parameter)
    if one is None:
        raise ParameterRefused(
            f"detector {setting.detector} has no parameter {setting.parameter!r}; it has {', '.join(known) or 'none'}"
        )
    if not one.low <= setting.value <= one.high:
        raise ParameterRefused(
            f"{setting.detector}.{setting.parameter} may be {one.low:g} to {one.high:g} {one.unit}, "
            f"not {setting.value:g}"
        )


def _value(one: Parameter, *, cohort: Cohort, settings: Sequence[Setting]) -> float | NDArray[np.float64]:
    count = len(cohort.zones) if one.by_zone else len(cohort.meters)
    values = np.full(count, one.standard)
    for setting in settings:
        values[_fits(setting, cohort=cohort, by_zone=one.by_zone)] = setting.value
    return float(values[0]) if count and bool((values == values[0]).all()) else values


def _fits(setting: Setting, *, cohort: Cohort, by_zone: bool) -> NDArray[np.bool_]:
    if setting.interval_s is not None and setting.interval_s != cohort.interval_s:
        return np.zeros(len(cohort.zones) if by_zone else len(cohort.meters), dtype=np.bool_)
    if by_zone:  # what meters are like does not part a zone
        fits = np.ones(len(cohort.zones), dtype=np.bool_)
        return fits if setting.zone_id is None else cohort.zones.ids == setting.zone_id
    meters = cohort.meters
    fits = np.ones(len(meters), dtype=np.bool_)
    if setting.zone_id is not None:
        fits &= meters.zone_id == setting.zone_id
    if setting.segment is not None:
        fits &= meters.segment == setting.segment
    if setting.mean_flow is not None:
        fits &= meters.mean_flow == setting.mean_flow
    return fits


def _declared(detector: type[Detector]) -> list[DataclassField[Any]]:
    return [one for one in fields(detector) if "unit" in one.metadata]


def _described(detector: type[Detector], one: DataclassField[Any]) -> Parameter:
    assert one.default is not NO_DEFAULT, "a parameter has a standard value"
    about = one.metadata
    return Parameter(
        detector=detector.name,
        name=one.name,
        standard=float(one.default),
        unit=about["unit"],
        low=about["low"],
        high=about["high"],
        about=about["about"],
        by_zone=about["by_zone"],
    )
