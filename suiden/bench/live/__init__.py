"""The load `live5000`: readings published one by one, from the wire to the screens of a thousand who look on."""

from suiden.bench.live.figures import LiveFigures
from suiden.bench.live.processes import LiveImpossible
from suiden.bench.live.run import run_live

__all__ = ["LiveFigures", "LiveImpossible", "run_live"]
