"""Bills that utilities published whose whole tariff does not come along: each says its own prices, as its page does."""

import pytest

from tests.unit.rating_engine.price_models import document, total

CUT_WITH_TAX = """\
    tax: {percent: 10, prices: tax_included}
    rounding: {unit: 1, mode: down, scope: service, when: after_tax}
"""
CUT_AFTER_TAX = CUT_WITH_TAX.replace("tax_included", "tax_excluded")
CUT_TAX = CUT_AFTER_TAX.replace("after_tax", "before_tax")
TWO_MONTHS = "cycle: {months: 2, split: widen_table}\n"
TABLE_OF_TWO = "cycle: {months: 2, split: widen_table, table_months: 2}\n"
CENTS = """\
    tax: {percent: 0, prices: tax_excluded}
    rounding: {unit: 0.01, mode: half_up, scope: line, when: before_tax}
"""


def fee_and_blocks(fee: str, blocks: str) -> str:
    return f"- {{item: base, model: fee, price: {fee}}}\n- {{item: block, model: blocks, blocks: [{blocks}]}}\n"


CASES = {
    # Kani city, https://www.city.kani.lg.jp/3878.htm: 30 m³ of sewerage.
    "kani": (
        fee_and_blocks("670", "{upto: 10, price: 80}, {upto: 40, price: 150}, {price: 165}"),
        CUT_AFTER_TAX,
        "",
        "30",
        4_917,
    ),
    # Taku city, https://www.city.taku.lg.jp/soshiki/24/2429.html: 20 m³ of village drainage.
    "taku": (fee_and_blocks("1800", "{upto: 10, price: 0}, {price: 180}"), CUT_AFTER_TAX, "", "20", 3_960),
    # Toyonaka city, https://www.city.toyonaka.osaka.jp/jogesuido/okyakusama_joho/ryokin/ryokinhyo/siyouryou2.html:
    #   the tax is cut.
    "toyonaka": (fee_and_blocks("1520", "{upto: 20, price: 20}, {price: 131}"), CUT_TAX, "", "30", 3_553),
    # Tsukigata town, https://www.town.tsukigata.hokkaido.jp/site/suido1/1396.html: 10 m³.
    "tsukigata": (fee_and_blocks("1600", "{upto: 8, price: 0}, {price: 220}"), CUT_TAX, "", "10", 2_244),
    # Ashibetsu city, https://www.city.ashibetsu.hokkaido.jp/docs/5522.html: 15 m³ at home (the base fee has a step
    #   at 5 m³), 20 m³
    # of business.
    "ashibetsu-home": (
        fee_and_blocks(
            "{by: use, steps: [{upto: 5, price: 1122}, {price: 1793}]}", "{upto: 8, price: 0}, {price: 297}"
        ),
        CUT_WITH_TAX,
        "",
        "15",
        3_872,
    ),
    "ashibetsu-business": (fee_and_blocks("4488", "{upto: 15, price: 0}, {price: 352}"), CUT_WITH_TAX, "", "20", 6_248),
    # Yanai city, http://www.city-yanai.jp/soshiki/72/syuhai-siyoryo.html: 47 m³ in two months, with 0.80 and 0.40
    #   yen in its prices.
    "yanai": (
        fee_and_blocks("2808", '{upto: 20, price: 0}, {upto: 40, price: "172.80"}, {price: "194.40"}'),
        CUT_WITH_TAX,
        TABLE_OF_TWO,
        "47",
        7_624,
    ),
    # Misawa city, https://www.city.misawa.lg.jp/index.cfm/22,21429,75,484,html: 20 m³.
    "misawa": (fee_and_blocks("1130", "{upto: 30, price: 100}, {price: 143}"), CUT_WITH_TAX, "", "20", 3_130),
    # Chiryu city, http://www.city.chiryu.aichi.jp/0000002014.html: 57 m³ in two months, at 5 % tax.
    "chiryu": (
        fee_and_blocks("1400", "{upto: 20, price: 0}, {upto: 40, price: 75}, {upto: 60, price: 85}, {price: 100}"),
        CUT_TAX.replace("10", "5"),
        TABLE_OF_TWO,
        "57",
        4_562,
    ),
    # Oakley (Kansas), http://www.discoveroakley.com/171/Sewer: 16,000 gallons of sewerage, declining.
    "oakley": (
        "- {item: block, model: blocks, blocks: [{upto: 5, fee: 27}, {upto: 15, price: 2}, {price: 1.10}]}",
        CENTS,
        "",
        "16",
        4_810,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_bill_published_elsewhere_is_met(name: str) -> None:
    charges, money, top, usage, expected = CASES[name]
    currency = "USD" if money is CENTS else "JPY"
    text = document(charges, money=money, top=top, currency=currency, unit="kgal" if money is CENTS else "m3")
    assert total(text, usage) == expected


# https://www.water-hikashin.com/customers/15, prices from 2025-04-01: its quick table of two months at 13 and 20
#   mm, in rows of ten.
# The table prints 4,291 at 29 m³, where its own prices (and the rows around it) come to 4,261.
QUICK_TABLE = {
    17: [2439, 2591, 2743],
    20: [2895, 3047, 3198, 3350, 3502, 3654, 3806, 3957, 4109, 4261],
    30: [4413, 4565, 4716, 4868, 5020, 5172, 5324, 5475, 5627, 5779],
    40: [5931, 6083, 6234, 6386, 6538, 6690, 6842, 6993, 7145, 7297],
    50: [7449, 7631, 7814, 7997, 8179, 8362, 8544, 8727, 8910, 9092],
    60: [9275, 9457, 9640, 9823, 10005, 10188, 10370, 10553, 10736, 10918],
}


def test_a_quick_table_with_tenths_of_yen_in_its_prices_is_met() -> None:
    rows = '{upto: 8, price: 0}, {upto: 25, price: "151.8"}, {upto: 50, price: "182.6"}, {price: "234.3"}'
    text = document(fee_and_blocks("1144", rows), money=CUT_WITH_TAX, top=TWO_MONTHS)
    for first, amounts in QUICK_TABLE.items():
        assert [total(text, str(first + index)) for index in range(len(amounts))] == amounts
