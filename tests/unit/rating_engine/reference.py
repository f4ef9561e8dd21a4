"""A slow second opinion: random tariffs, written as documents, and what they should come to, in plain fractions."""

import math
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

MODES = ("down", "up", "half_up", "half_even", "floor", "ceiling")


@dataclass(frozen=True, slots=True)
class RandomTariff:
    """A tariff of one service, as a document and as the numbers in it."""

    document: str
    months: int
    method: str
    odd_to: str
    decimals: int
    base: Fraction
    blocks: tuple[tuple[int | None, Fraction], ...]
    kind: str
    fuel: Fraction
    levy: Fraction
    levy_mode: str
    percent: Fraction
    included: bool
    unit: int
    mode: str
    scope: str
    when: str


def rounded(exact: Fraction, *, unit: int, mode: str) -> int:
    ratio = exact / unit
    match mode:
        case "down":
            whole = math.trunc(ratio)
        case "up":
            whole = math.ceil(ratio) if ratio > 0 else math.floor(ratio)
        case "floor":
            whole = math.floor(ratio)
        case "ceiling":
            whole = math.ceil(ratio)
        case "half_even":
            whole = round(ratio)
        case _:
            whole = math.floor(ratio + Fraction(1, 2)) if ratio >= 0 else math.ceil(ratio - Fraction(1, 2))
    return whole * unit


def total_by_fractions(tariff: RandomTariff, quantity: Fraction) -> int:
    """Add up a bill of a whole cycle; the service's total with tax."""
    lines: dict[str, Fraction] = {}
    by_month: list[Fraction] = []
    for month, (share, widened) in enumerate(shares(tariff, quantity)):
        found = charges(tariff, share, widened, month=month)
        by_month.append(sum(found.values(), Fraction(0)))
        for name, amount in found.items():
            lines[name] = lines.get(name, Fraction(0)) + amount
    groups = {"line": list(lines.values()), "month": by_month}.get(tariff.scope, [sum(lines.values(), Fraction(0))])
    if tariff.scope == "line" and tariff.when == "before_tax" and not tariff.included:
        # Printed lines are rounded one by one, and taxed together.
        net = sum(rounded(group, unit=tariff.unit, mode=tariff.mode) for group in groups)
        return net + rounded(net * tariff.percent / 100, unit=1, mode=tariff.mode)
    return sum(with_tax(tariff, group) for group in groups)


def shares(tariff: RandomTariff, quantity: Fraction) -> list[tuple[Fraction, int]]:
    if tariff.method == "widen_table":
        return [(quantity, tariff.months)]
    whole, loose = divmod(quantity, 1)
    even, odd = divmod(int(whole), tariff.months)
    found = [Fraction(even + (number < odd)) for number in range(tariff.months)]
    found[0] += loose
    return [(share, 1) for share in (found if tariff.odd_to == "first" else found[::-1])]


def charges(tariff: RandomTariff, share: Fraction, widened: int, *, month: int) -> dict[str, Fraction]:
    found = {"base": tariff.base * widened}
    lower = Fraction(0)
    for number, (upto, price) in enumerate(tariff.blocks):
        upper = None if upto is None else Fraction(upto * widened)
        if tariff.kind == "whole":
            if (upper is None or share <= upper) and share > lower - (number == 0):
                found[f"band {price}"] = share * price
        else:
            found[f"block {number}"] = max(Fraction(0), (share if upper is None else min(share, upper)) - lower) * price
        lower = lower if upper is None else upper
    # Prices that change by month print a line for each month.
    found[f"fuel {month}"] = share * tariff.fuel
    found[f"levy {month}"] = Fraction(rounded(share * tariff.levy, unit=1, mode=tariff.levy_mode))
    return found


def with_tax(tariff: RandomTariff, exact: Fraction) -> int:
    rate = tariff.percent / 100
    if tariff.included:
        return rounded(exact, unit=tariff.unit, mode=tariff.mode)
    if tariff.when == "after_tax":
        return rounded(exact * (1 + rate), unit=tariff.unit, mode=tariff.mode)
    net = rounded(exact, unit=tariff.unit, mode=tariff.mode)
    return net + rounded(net * rate, unit=1, mode=tariff.mode)


@st.composite
def random_tariffs(draw: st.DrawFn) -> RandomTariff:
    prices = st.integers(0, 500_00).map(lambda sen: Fraction(sen, 100))
    bounds = draw(st.lists(st.integers(1, 300), max_size=6, unique=True).map(sorted))
    blocks = tuple((upto, draw(prices)) for upto in [*bounds, None])
    one = RandomTariff(
        document="",
        months=draw(st.sampled_from([1, 2, 2, 3])),
        method=draw(st.sampled_from(["share", "widen_table"])),
        odd_to=draw(st.sampled_from(["first", "last"])),
        decimals=draw(st.sampled_from([0, 0, 1])),
        base=draw(prices),
        blocks=blocks,
        kind=draw(st.sampled_from(["graduated", "graduated", "whole"])),
        fuel=draw(st.integers(-1500, 1500).map(lambda sen: Fraction(sen, 100))),
        levy=draw(prices),
        levy_mode=draw(st.sampled_from(MODES)),
        percent=Fraction(draw(st.sampled_from([0, 8, 10]))),
        included=draw(st.booleans()),
        unit=draw(st.sampled_from([1, 1, 10])),
        mode=draw(st.sampled_from(MODES)),
        scope=draw(st.sampled_from(["line", "month", "service", "bill"])),
        when=draw(st.sampled_from(["before_tax", "after_tax"])),
    )
    return RandomTariff(**{**{name: getattr(one, name) for name in one.__slots__}, "document": document_of(one)})


def document_of(one: RandomTariff) -> str:
    rows = "\n".join(
        f'          - {{{"" if upto is None else f"upto: {upto}, "}price: "{text(price)}"}}'
        for upto, price in one.blocks
    )
    return f"""\
format: suiden-tariff/1
code: random
name: {{en: Random}}
status: example
effective_from: 2020-01-01
currency: JPY
quantity: {{unit: m3, decimals: {one.decimals}, mode: down, of: use}}
cycle: {{months: {one.months}, split: {one.method}, odd_to: {one.odd_to}}}
services:
  - service: water
    tax: {{percent: "{one.percent}", prices: {"tax_included" if one.included else "tax_excluded"}}}
    rounding: {{unit: "{one.unit}", mode: {one.mode}, scope: {one.scope}, when: {one.when}}}
    charges:
      - {{item: base, model: fee, price: "{text(one.base)}"}}
      - item: block
        model: blocks
        kind: {one.kind}
        blocks:
{rows}
      - {{item: fuel_adjustment, model: unit_price, price: {{by: month, of: {{2020-01: "{text(one.fuel)}"}}}}}}
      - {{item: levy, model: unit_price, round: {{unit: 1, mode: {one.levy_mode}}},
         price: {{by: month, of: {{2020-01: "{text(one.levy)}"}}}}}}
"""


def text(price: Fraction) -> str:
    sen = int(price * 100)
    sign = "-" if sen < 0 else ""
    return f"{sign}{abs(sen) // 100}.{abs(sen) % 100:02d}"
