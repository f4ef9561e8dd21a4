"""Where a fault is likely to lie: near the points that show it most."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LOOKED_AT = 12  # of the worst points; the rest are far from the fault
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees of latitude and longitude."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class PlaceGuess:
    """Within `radius_m` of `centre`, two times in three if points lie evenly; `nearest` shows the fault most."""

    nearest: int
    centre: Place | None
    radius_m: float | None
    points: int


def guess_place(*, worst_first: Sequence[int], places: Mapping[int, Place]) -> PlaceGuess | None:
    """Guess from meters, those that show the fault most first; None without any.

    The worst counts once, the second half as much, the third a third: pressure falls off quickly away from a break.
    """
    if not worst_first:
        return None
    known = [(1.0 / (1 + n), places[meter]) for n, meter in enumerate(worst_first[:LOOKED_AT]) if meter in places]
    if not known:
        return PlaceGuess(worst_first[0], None, None, len(worst_first))
    total = sum(weight for weight, _ in known)
    latitude = sum(weight * place.latitude for weight, place in known) / total
    longitude = sum(weight * place.longitude for weight, place in known) / total
    centre = Place(round(latitude, 7), round(longitude, 7))
    square = sum(weight * _metres(centre, place) ** 2 for weight, place in known) / total
    return PlaceGuess(worst_first[0], centre, round(math.sqrt(square), 1), len(worst_first))


def _metres(one: Place, other: Place) -> float:
    north = (one.latitude - other.latitude) * METRES_PER_DEGREE
    east = (one.longitude - other.longitude) * METRES_PER_DEGREE * math.cos(math.radians(one.latitude))
    return math.hypot(north, east)
