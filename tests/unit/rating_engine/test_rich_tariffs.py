"""Random tariffs with every model that looks at a use or at other charges, against plain fractions."""

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rating_engine.price_models import bill, document
from tests.unit.rating_engine.reference import MODES, rounded, text

HUNDRED = Fraction(100)


@dataclass(frozen=True, slots=True)
class Rich:
    """One service, as numbers; amounts are yen, without tax."""

    months: int
    widens: bool
    base: Fraction
    zero_use: Fraction
    bounds: tuple[int, ...]
    prices: tuple[Fraction, ...]
    fees: tuple[Fraction, ...]
    included: int
    counts_from_included: bool
    is_whole: bool
    levy: Fraction
    levy_above: int
    levy_mode: str
    surcharge: Fraction
    surcharge_most: int
    least: int
    most: int
    discount: Fraction
    percent: int
    mode: str
    scope: str
    when: str


prices = st.integers(0, 300_00).map(lambda sen: Fraction(sen, 100))


@st.composite
def rich_tariffs(draw: st.DrawFn) -> Rich:
    bounds = tuple(draw(st.lists(st.integers(1, 120), max_size=4, unique=True).map(sorted)))
    size = len(bounds) + 1
    return Rich(
        months=draw(st.integers(1, 3)),
        widens=draw(st.booleans()),
        base=draw(prices),
        zero_use=draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1)])),
        bounds=bounds,
        prices=tuple(draw(st.lists(prices, min_size=size, max_size=size))),
        fees=tuple(
            draw(st.lists(st.sampled_from([Fraction(0), Fraction(0), Fraction(55)]), min_size=size, max_size=size))
        ),
        included=draw(st.sampled_from([0, 0, 5, 30])),
        counts_from_included=draw(st.booleans()),
        is_whole=draw(st.booleans()),
        levy=draw(st.integers(-900, 900).map(lambda sen: Fraction(sen, 100))),
        levy_above=draw(st.sampled_from([0, 15])),
        levy_mode=draw(st.sampled_from(MODES)),
        surcharge=Fraction(draw(st.integers(-100, 30))),
        surcharge_most=draw(st.sampled_from([50, 10**9])),
        least=draw(st.integers(0, 2000)),
        most=draw(st.sampled_from([3000, 10**9])),
        discount=Fraction(draw(st.integers(0, 120))),
        percent=draw(st.sampled_from([0, 8, 10])),
        mode=draw(st.sampled_from(MODES)),
        scope=draw(st.sampled_from(["service", "month"])),
        when=draw(st.sampled_from(["before_tax", "after_tax"])),
    )


@settings(max_examples=150, deadline=None)
@given(rich_tariffs(), st.integers(0, 900))
def test_every_model_together_comes_to_what_plain_fractions_say(rich: Rich, usage: int) -> None:
    rating = bill(as_document(rich), str(usage))
    assert rating.total_minor == expected(rich, Fraction(usage))
    assert sum(line.amount_minor for line in rating.lines) == rating.total_minor


def expected(rich: Rich, usage: Fraction) -> int:
    if rich.widens:
        months = [(usage, Fraction(rich.months))]
    else:
        even, odd = divmod(int(usage), rich.months)
        months = [(Fraction(even + (number < odd)), Fraction(1)) for number in range(rich.months)]
    sums = [monthly(rich, used, wide, nothing=usage == 0) for used, wide in months]
    subtotal = sum(sums, Fraction(0))
    # Over the whole bill, once: a percentage with a cap, the least, the most, a discount within the sum.
    rate = rich.surcharge / HUNDRED
    extra = subtotal * rate
    extra = max(-rich.surcharge_most, min(rich.surcharge_most, extra)) + Fraction(0)
    found = subtotal + extra
    once = extra
    if found < rich.least * rich.months:
        once, found = once + rich.least * rich.months - found, Fraction(rich.least * rich.months)
    if found > rich.most * rich.months:
        once, found = once - (found - rich.most * rich.months), Fraction(rich.most * rich.months)
    groups = [*sums, once] if rich.scope == "month" else [found]
    return sum(taxed(rich, group) for group in groups)


def monthly(rich: Rich, used: Fraction, wide: Fraction, *, nothing: bool) -> Fraction:
    base = rich.base * wide * (rich.zero_use if nothing else 1)
    use = Fraction(0)
    free = rich.included * wide
    edges = [Fraction(0), *(bound * wide + (free if rich.counts_from_included else 0) for bound in rich.bounds)]
    if rich.counts_from_included:
        edges[0] = free
    number = max(index for index, edge in enumerate(edges) if used > edge or index == 0)
    if rich.is_whole:
        use = max(Fraction(0), used - free) * rich.prices[number] + rich.fees[number] * wide
    else:
        for index, price in enumerate(rich.prices):
            top = edges[index + 1] if index + 1 < len(edges) else used
            low, high = max(edges[index], free), min(used, top)
            use += max(Fraction(0), high - low) * price
            if used > edges[index] or index == 0:
                use += rich.fees[index] * wide
    above = max(Fraction(0), used - rich.levy_above * wide) if rich.levy_above else used
    levy = Fraction(rounded(above * rich.levy, unit=1, mode=rich.levy_mode))
    before = base + use
    return before + levy - min(rich.discount * wide, max(Fraction(0), before))


def taxed(rich: Rich, exact: Fraction) -> int:
    rate = Fraction(rich.percent) / HUNDRED
    if rich.when == "after_tax":
        return rounded(exact * (1 + rate), unit=1, mode=rich.mode)
    net = rounded(exact, unit=1, mode=rich.mode)
    return net + rounded(net * rate, unit=1, mode=rich.mode)


def as_document(rich: Rich) -> str:
    rows = [
        f"{{{'' if index == len(rich.bounds) else f'upto: {rich.bounds[index]}, '}price: {text(price)}, fee: {fee}}}"
        for index, (price, fee) in enumerate(zip(rich.prices, rich.fees, strict=True))
    ]
    charges = f"""
- {{item: base, model: fee, price: {text(rich.base)}, zero_use: {rich.zero_use}}}
- item: block
  model: blocks
  kind: {"whole" if rich.is_whole else "graduated"}
  included: {rich.included}
  bounds_from: {"included" if rich.counts_from_included else "zero"}
  blocks: [{", ".join(rows)}]
- item: levy
  model: unit_price
  price: {text(rich.levy)}
  above: {rich.levy_above}
  round: {{unit: 1, mode: {rich.levy_mode}}}
- {{item: discount, model: fee, price: -{rich.discount}, within: [base, block]}}
- {{item: surcharge, model: percent, percent: {rich.surcharge}, most: {rich.surcharge_most}}}
- {{item: least, model: minimum, amount: {rich.least}}}
- {{item: most, model: maximum, amount: {rich.most}}}
"""
    money = (
        f"    tax: {{percent: {rich.percent}, prices: tax_excluded}}\n"
        f"    rounding: {{unit: 1, mode: {rich.mode}, scope: {rich.scope}, when: {rich.when}}}\n"
    )
    split = "widen_table" if rich.widens else "share"
    return document(charges, money=money, top=f"cycle: {{months: {rich.months}, split: {split}}}\n", decimals=0)
