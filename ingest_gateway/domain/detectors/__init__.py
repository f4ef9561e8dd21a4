"""The rules of the checker, one small file each. A new one is written beside these and added to the list."""

from collections.abc import Mapping
from typing import Any

from ingest_gateway.domain.detectors.base import Detector
from ingest_gateway.domain.detectors.continuous_flow import ContinuousFlow
from ingest_gateway.domain.detectors.pressure import PressureHigh, PressureLow
from ingest_gateway.domain.detectors.stuck_meter import StuckMeter
from ingest_gateway.domain.detectors.voltage import VoltageHigh, VoltageLow

KNOWN = (PressureLow, PressureHigh, VoltageLow, VoltageHigh, ContinuousFlow, StuckMeter)


class ParameterUnknown(ValueError):
    """A detector has no such parameter."""


def detectors(parameters: Mapping[str, Mapping[str, Any]]) -> tuple[Detector, ...]:
    """Make every detector, with its own parameters where `parameters` holds some under its name.

    :raises ParameterUnknown: if a detector has no parameter of that name
    """
    made: list[Detector] = []
    for known in KNOWN:
        given = parameters.get(known.name, {})
        try:
            made.append(known(**given))
        except TypeError as error:
            raise ParameterUnknown(f"detector {known.name} cannot take {sorted(given)}: {error}") from error
    return tuple(made)
