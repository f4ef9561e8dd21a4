"""All detectors of the checker, in the order in which they look at a slot."""

from collections.abc import Callable, Collection, Sequence

from ingest_gateway.domain.checking.detector import Detector
from ingest_gateway.domain.checking.parameters import Setting, made
from ingest_gateway.domain.checking.view import Cohort
from ingest_gateway.domain.detectors.backflow import Backflow
from ingest_gateway.domain.detectors.concentrator_lost import ConcentratorLost
from ingest_gateway.domain.detectors.household_leak import HouseholdLeak
from ingest_gateway.domain.detectors.low_battery import LowBattery
from ingest_gateway.domain.detectors.outage import Outage
from ingest_gateway.domain.detectors.part_closure import PartClosure
from ingest_gateway.domain.detectors.phase_loss import PhaseLoss
from ingest_gateway.domain.detectors.pressure_drift import PressureDrift
from ingest_gateway.domain.detectors.silent_meter import SilentMeter
from ingest_gateway.domain.detectors.stuck_meter import StuckMeter
from ingest_gateway.domain.detectors.tamper import Tamper
from ingest_gateway.domain.detectors.theft import Theft
from ingest_gateway.domain.detectors.unregistered_export import UnregisteredExport
from ingest_gateway.domain.detectors.voltage_drift import VoltageDrift
from ingest_gateway.domain.detectors.voltage_limit import VoltageLimit
from ingest_gateway.domain.detectors.voltage_step import VoltageStep
from ingest_gateway.domain.detectors.water_network import WaterNetwork

CATALOG: tuple[type[Detector], ...] = (
    WaterNetwork,
    PartClosure,
    PressureDrift,
    Outage,
    PhaseLoss,
    VoltageStep,
    VoltageLimit,
    VoltageDrift,
    ConcentratorLost,
    SilentMeter,
    LowBattery,
    Backflow,
    HouseholdLeak,
    StuckMeter,
    Tamper,
    Theft,
    UnregisteredExport,
)


def detectors_for(
    settings: Sequence[Setting] = (), *, only: Collection[str] | None = None
) -> Callable[[Cohort], Sequence[Detector]]:
    """Give what makes the detectors of a cohort, with a utility's own settings; all of them, or `only` those named.

    :raises ParameterRefused: by what is given, if a setting does not fit
    """

    def of(cohort: Cohort) -> Sequence[Detector]:
        service = int(cohort.meters.service[0])
        return [
            made(one, cohort=cohort, settings=settings)
            for one in CATALOG
            if service in one.services and (only is None or one.name in only)
        ]

    return of


def by_name() -> dict[str, type[Detector]]:
    """Give the detectors by their names, in their order."""
    return {one.name: one for one in CATALOG}
