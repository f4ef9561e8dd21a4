"""Every tariff that comes with the product, against bills and quick tables that its utility published.

The source of each case stands beside it; where a tariff could not be checked, its file says so.
"""

from datetime import date
from fractions import Fraction
from functools import cache

import pytest

from rating_engine import tariffs
from rating_engine.domain.document import parse
from rating_engine.domain.parts import UseNotPriced
from rating_engine.domain.quoting import Question, quote
from rating_engine.domain.rate import Rating
from rating_engine.domain.tariff import Tariff

TODAY = date(2026, 4, 1)


def quoted(name: str, usage: str, **given: str) -> Rating:
    month = given.pop("month", None)
    months = given.pop("months", None)
    service = given.pop("service", None)
    question = Question(
        usage=Fraction(usage),
        facts=given,
        month=month,
        months=None if months is None else int(months),
        services=() if service is None else (service,),
    )
    return quote(tariff_of(name), question=question, today=TODAY)[0]


@cache
def tariff_of(name: str) -> Tariff:
    return parse(tariffs.document(name))


# https://www.city.sapporo.jp/gesui/zaimu/ryoukin/05_ryokin01.html: 16 m³ in a month, 32 m³ in two.
# http://www.water.city.nagoya.jp/category/suidouryoukin/1052.html: 43 m³, 13 mm, two months: 1,350.00 + 86.40
#   + 3,326.40 +
#   3 × 228.96, cut (the copy ends within the third product).
# https://www.city.iiyama.nagano.jp/soshiki/jyougesuidou/gyoumu/ryoukin/ryokin_taikei160701: 50 m³, 20 mm, two months.
# http://www.town.noheji.aomori.jp/life/seikatsu/suido/suido-ryokin: 45, 40, 44 m³, and 42 m³ as the winter's
#   mean; half the
#   base at 0 m³: 648 for general use, 972 for groups.
# http://www.city.fukuoka.lg.jp/mizu/eigyo/0018_3_2.html: the formulas of the page at the upper end of a
#   block, reckoned by hand:
#   40 m³ [2,660 + 20 × 155 + 340] × 1.08; 40 mm [21,840 + 20 × 155 + 2,400] × 1.08; 60 m³ [1,700 + 20 × 243 +
#   3,440] × 1.08.
# https://www.city.fukuoka.lg.jp/doro-gesuido/eigyo/hp/water.html: likewise [1,520 + 20 × 188 + 3,300] × 1.10.
# https://www.city.osaka.lg.jp/suido/page/0000321790.html shows the table without a sum: reckoned by hand, 20 m³:
#   (850 + 100 + 970) × 1.10; 30 m³ of business: (850 + 100 + 4,180) × 1.10.
# https://kepco.jp/ryokin/menu/dento_a: 260 kWh with direct debit, fuel adjustment and levy apart.
# http://www.cityofnampa.us/index.aspx?NID=1066: 1,400 cubic feet, 1 inch: 28.19 dollars.
@pytest.mark.parametrize(
    ("name", "usage", "given", "total"),
    [
        ("jp-sapporo-sewerage", "16", {"months": "1"}, 1_102),
        ("jp-sapporo-sewerage", "32", {}, 2_204),
        ("jp-nagoya", "43", {"size": "13", "month": "2015-01"}, 5_449),
        ("jp-iiyama", "50", {"size": "20"}, 11_080),
        ("jp-noheji", "45", {"month": "2018-09"}, 7_344),
        ("jp-noheji", "40", {"month": "2018-10"}, 6_480),
        ("jp-noheji", "44", {"month": "2018-11"}, 7_171),
        ("jp-noheji", "42", {"month": "2018-12"}, 6_825),
        ("jp-noheji", "0", {"month": "2018-12"}, 648),
        ("jp-noheji", "0", {"month": "2018-12", "class": "group"}, 972),
        ("jp-fukuoka", "40", {"size": "20", "month": "2015-01", "service": "water"}, 6_588),
        ("jp-fukuoka", "40", {"size": "40", "month": "2015-01", "service": "water"}, 29_527),
        ("jp-fukuoka", "60", {"size": "13", "month": "2015-01", "service": "water"}, 10_800),
        ("jp-fukuoka", "60", {"size": "13", "service": "sewerage"}, 9_438),
        ("jp-osaka", "20", {}, 2_112),
        ("jp-osaka", "30", {"class": "business"}, 5_643),
        ("jp-kansai-a", "260", {"direct_debit": "yes"}, 6_175),
        ("us-nampa-water", "1400", {"size": "1"}, 2_819),
    ],
)
def test_a_published_bill_is_met(name: str, usage: str, given: dict[str, str], total: int) -> None:
    assert quoted(name, usage, **given).total_minor == total


# http://www.town.noheji.aomori.jp/life/seikatsu/suido/suido-ryokin: winter's bills are on the mean of 40 and 44 m³.
def test_a_winter_bill_of_noheji_is_on_the_mean_of_the_two_before() -> None:
    question = Question(usage=Fraction(0), before=(Fraction(44), Fraction(40), Fraction(45)), month="2018-12")
    assert quote(tariff_of("jp-noheji"), question=question, today=TODAY)[0].total_minor == 6_825


# https://www.city.tono.iwate.jp/index.cfm/45,13242,249,482,html: the table by persons, with its sums.
@pytest.mark.parametrize(
    ("persons", "total"),
    [(1, 1442), (2, 1676), (3, 2378), (4, 2996), (5, 3508), (6, 3892), (7, 4168), (8, 4306), (11, 4306)],
)
def test_village_drainage_is_billed_on_what_its_persons_are_assumed_to_use(persons: int, total: int) -> None:
    assert quoted("jp-tono-village-drainage", "0", billed_on="persons", persons=str(persons)).total_minor == total


# https://sheffieldutilities.org/utilities/water/billing-rates: the minimum of each meter size pays for this
#   use (hundreds of cubic
# feet), and is owed for less.
@pytest.mark.parametrize(
    ("size", "allowed", "minimum"),
    [
        ("5/8", "3", 2_700),
        ("3/4", "3", 2_700),
        ("1", "6", 3_795),
        ("1-1/2", "10", 5_255),
        ("2", "17", 7_810),
        ("3", "25", 9_805),
        ("4", "70", 17_905),
        ("6", "170", 35_905),
    ],
)
def test_declining_blocks_come_to_the_published_minimum(size: str, allowed: str, minimum: int) -> None:
    assert quoted("us-sheffield-water", allowed, size=size).total_minor == minimum
    assert quoted("us-sheffield-water", "1", size=size).total_minor == minimum
    assert quoted("us-sheffield-water", str(Fraction(allowed) + 100), size=size).total_minor > minimum


# https://wi-riverfalls.civicplus.com/606/Time-of-Day-Rates: 675.54 kWh, 45 % of it on-peak, and 10, 15, 20 %
#   of all moved away.
@pytest.mark.parametrize(("on_peak", "total"), [("45", 9_658), ("35", 8_814), ("30", 8_392), ("25", 7_970)])
def test_time_of_day_comes_to_the_published_bills(on_peak: str, total: int) -> None:
    use = Fraction("675.54")
    on = use * Fraction(on_peak) / 100
    question = Question(usage=Fraction(0), usage_by_period={"on_peak": on, "off_peak": use - on})
    rating, _ = quote(tariff_of("us-river-falls-tod"), question=question, today=TODAY)
    assert rating.total_minor == total


# https://www.kumamoto-waterworks.jp/?waterworks_article=11113: the quick table of 2014-04, its rows from 0 to 22 m³.
KUMAMOTO_WATER_13 = """972 988 1004 1020 1036 1053 1069 1085 1101 1117 1134 1279 1425 1571 1717 1863 2008 2154 2300
2446 2592
2764 2937"""
KUMAMOTO_WATER_20 = """1339 1355 1371 1387 1404 1420 1436 1452 1468 1485 1501 1647 1792 1938 2084 2230 2376 2521 2667
2813 2959
3132 3304"""
KUMAMOTO_WATER_25 = """1825 1841 1857 1873 1890 1906 1922 1938 1954 1971 1987 2133 2278 2424 2570 2716 2862 3007 3153
3299 3445
3618 3790"""
KUMAMOTO_SEWERAGE = """874 888 903 917 931 946 960 975 989 1003 1018 1146 1275 1403 1532 1661 1789 1918 2046 2175
2303 2473
2643"""


@pytest.mark.parametrize(
    ("size", "service", "row"),
    [
        ("13", "water", KUMAMOTO_WATER_13),
        ("20", "water", KUMAMOTO_WATER_20),
        ("25", "water", KUMAMOTO_WATER_25),
        ("13", "sewerage", KUMAMOTO_SEWERAGE),
    ],
)
def test_the_quick_table_of_kumamoto_is_met(size: str, service: str, row: str) -> None:
    for use, total in enumerate(row.split()):
        rating = quoted("jp-kumamoto", str(use), size=size, service=service, month="2015-01")
        assert rating.total_minor == int(total), f"{use} m³"


def test_use_that_no_price_is_known_for_is_refused() -> None:
    with pytest.raises(UseNotPriced, match="60 m3 a bill"):
        quoted("jp-nagoya", "61", size="13")


def test_every_tariff_reads_and_quotes_with_its_own_defaults() -> None:
    facts = {"size": "20", "amperes": "40", "persons": "3"}
    for name in tariffs.names():
        tariff = parse(tariffs.document(name))
        assert tariff.code == name
        first = {"us-sheffield-water": "1", "us-nampa-water": "1"}.get(name, "20")
        question = Question(
            usage=Fraction(0),
            usage_by_period={"on_peak": Fraction(5), "off_peak": Fraction(5)} if tariff.calendar.periods else {},
            facts={**facts, "size": first},
        )
        rating, _ = quote(tariff, question=question, today=TODAY)
        assert rating.total_minor > 0
