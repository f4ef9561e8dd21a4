"""The faults: each is begun under load, and healed; one small class each."""

from suiden.torture.faults import clocks, devices, network, processes
from suiden.torture.faults.base import Fault

KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        processes.GatewayKilled,
        processes.GatewayRestarted,
        processes.GatewayPaused,
        processes.PostgresKilled,
        processes.BackendKilled,
        processes.BackendStopped,
        processes.PostgresStopped,
        processes.BrokerKilled,
        processes.GatewayAndPostgresKilled,
        processes.PowerLost,
        network.BrokerLineCut,
        network.BrokerLineSlow,
        network.BrokerLineSilent,
        network.DatabaseLineCut,
        network.DatabaseLineSlow,
        network.DatabaseLineSilent,
        network.SenderLinesCut,
        devices.DiskFull,
        devices.SenderForgets,
        devices.SenderRestarts,
        clocks.UtilityClockWrong,
        clocks.TimeLeaps,
        clocks.SenderClocksWrong,
    )
}

__all__ = ["KINDS", "Fault"]
