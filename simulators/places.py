"""Where things stand: districts, metered areas, transformers, streets and the junctions of the water mains."""

from dataclasses import dataclass

from simulators.book import Zone

AREAS = ("W1", "W2", "W3", "W4")
TRANSFORMERS = ("E1", "E2", "E3", "E4", "E5", "E6")
DISTRICT_OF = {"W1": "D1", "W2": "D1", "W3": "D2", "W4": "D2"} | {
    code: "D1" if code in ("E1", "E2", "E3") else "D2" for code in TRANSFORMERS
}
TOWN_PARTS = {"W1": "平井", "W2": "三吉野", "W3": "大久野", "W4": "本宿"}
POSTCODES = {"D1": "190-0182", "D2": "190-0181"}
CHOME = "一二三四五"

ROWS, COLUMNS = 5, 4  # of junctions in one area: a row lies in one 丁目
SPACING_M = 90.0
AREA_GAP_M = 300.0
SOUTH_WEST = (35.7365, 139.2480)
DEGREES_PER_M = (1 / 110_950.0, 1 / 90_400.0)  # north, east, at the town's latitude


@dataclass(frozen=True, slots=True)
class Junction:
    """A place where pipes meet, metres east and north of the town's corner, and how high it lies."""

    name: str
    area: str
    east_m: float
    north_m: float
    elevation_m: float


def zones() -> tuple[Zone, ...]:
    districts = (Zone("D1", "東部地区", "district", None), Zone("D2", "西部地区", "district", None))
    areas = (Zone(code, f"{TOWN_PARTS[code]}配水区", "dma", DISTRICT_OF[code]) for code in AREAS)
    transformers = (
        Zone(code, f"{number}号変圧器", "transformer", DISTRICT_OF[code])
        for number, code in enumerate(TRANSFORMERS, start=1)
    )
    return (*districts, *areas, *transformers)


def junctions() -> tuple[Junction, ...]:
    """Lay out the junctions: four areas of 5 by 4, rising gently to the north."""
    laid: list[Junction] = []
    for area_index, area in enumerate(AREAS):
        east_0 = (area_index % 2) * (COLUMNS * SPACING_M + AREA_GAP_M)
        north_0 = (area_index // 2) * (ROWS * SPACING_M + AREA_GAP_M)
        for index in range(ROWS * COLUMNS):
            row, column = divmod(index, COLUMNS)
            east_m, north_m = east_0 + column * SPACING_M, north_0 + row * SPACING_M
            laid.append(Junction(f"{area}-J{index + 1:02d}", area, east_m, north_m, 2.0 + north_m * 0.006))
    return tuple(laid)


def coordinates(*, east_m: float, north_m: float) -> tuple[float, float]:
    """Turn metres from the town's corner into latitude and longitude."""
    return (
        round(SOUTH_WEST[0] + north_m * DEGREES_PER_M[0], 6),
        round(SOUTH_WEST[1] + east_m * DEGREES_PER_M[1], 6),
    )


def address(*, area: str, row: int, block: int, number: int) -> str:
    return f"東都県日の出町{TOWN_PARTS[area]}{CHOME[row]}丁目{block}番{number}号"
