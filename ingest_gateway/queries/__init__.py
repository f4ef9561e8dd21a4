"""What others and the pages read from here; each module offers its names through this one."""

from ingest_gateway.queries.anomalies import (
    Anomaly,
    AnomalyUnknown,
    anomalies,
    anomalies_found_at,
    anomalies_of_meter,
    anomalies_of_points,
    anomaly,
    open_anomalies,
)
from ingest_gateway.queries.gateway import (
    GatewayHealth,
    commands_of_meter,
    gateway_health,
    imported_files,
    intake_totals,
    rejected_dropped,
    rejected_message,
    rejected_page,
    rejected_room,
)
from ingest_gateway.queries.local_time import UtilityMissing, zone_of
from ingest_gateway.queries.telemetry import Landed, landed, latest, latest_page, readings, registers_at
from ingest_gateway.queries.use import (
    DayUse,
    HourUse,
    MonthUse,
    PointDay,
    ZoneHour,
    ZonePressure,
    daily_use,
    daily_use_of_point,
    hourly_use,
    monthly_use,
    use_today,
    zone_hours,
    zone_pressure,
)
from ingest_gateway.store.commands import MeterCommand
from ingest_gateway.store.counts import IntakeCount
from ingest_gateway.store.engine import reading_engine
from ingest_gateway.store.imports import ImportedFile
from ingest_gateway.store.landings import RefusedOfMeter, SenderState
from ingest_gateway.store.latest import LatestReading, LatestRow
from ingest_gateway.store.registers import RegisterAt, ScopeMissing, StoredReading
from ingest_gateway.store.reject_bounds import Dropped, Room
from ingest_gateway.store.rejects import RejectedMessage, RejectFilter
from ingest_gateway.store.sequences import SenderGap
from ingest_gateway.store.watching import (
    NewestReading,
    NewestRegister,
    meters_of_batches,
    newest_readings,
    newest_registers,
)

__all__ = [
    "Anomaly",
    "AnomalyUnknown",
    "DayUse",
    "Dropped",
    "GatewayHealth",
    "HourUse",
    "ImportedFile",
    "IntakeCount",
    "Landed",
    "LatestReading",
    "LatestRow",
    "MeterCommand",
    "MonthUse",
    "NewestReading",
    "NewestRegister",
    "PointDay",
    "RefusedOfMeter",
    "RegisterAt",
    "RejectFilter",
    "RejectedMessage",
    "Room",
    "ScopeMissing",
    "SenderGap",
    "SenderState",
    "StoredReading",
    "UtilityMissing",
    "ZoneHour",
    "ZonePressure",
    "anomalies",
    "anomalies_found_at",
    "anomalies_of_meter",
    "anomalies_of_points",
    "anomaly",
    "commands_of_meter",
    "daily_use",
    "daily_use_of_point",
    "gateway_health",
    "hourly_use",
    "imported_files",
    "intake_totals",
    "landed",
    "latest",
    "latest_page",
    "meters_of_batches",
    "monthly_use",
    "newest_readings",
    "newest_registers",
    "open_anomalies",
    "reading_engine",
    "readings",
    "registers_at",
    "rejected_dropped",
    "rejected_message",
    "rejected_page",
    "rejected_room",
    "use_today",
    "zone_hours",
    "zone_of",
    "zone_pressure",
]
