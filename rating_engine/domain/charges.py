"""What every charge of a tariff has in common, and what it needs to know to be charged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from pydantic import Field

from rating_engine.domain import parts
from rating_engine.domain.facts import Facts, holds, price_of
from rating_engine.domain.parts import Month
from rating_engine.domain.rounding import to_multiple
from rating_engine.domain.values import Exact, Name, Only, OwnRounding, Part, Price

ONE = Fraction(1)


class Charge(Part):
    """Common to all charges: the name of its lines, when it holds, its own rounding, a factor, a tax of its own."""

    item: Name = Field(description="names the lines; unique within the service; tax and rounding are taken")
    only: Only | None = Field(default=None, description="when it holds; always, if left out")
    round: OwnRounding | None = Field(default=None, description="rounding of this charge by itself")
    factor: Price = Field(default=ONE, description="multiplies the price, such as 1.5 outside the city")
    tax_percent: Exact | None = Field(default=None, description="if its tax is another than the service's")


@dataclass(frozen=True, slots=True)
class Known:
    """All that a charge may look at; `so_far` are the parts charged before it, in the month or over the bill."""

    facts: Facts
    month: Month
    minor: int  # minor units of one major unit of money
    unit: str  # of the use
    decimals: int  # of the use
    is_first_month: bool
    bill_use: Fraction
    so_far: Sequence[parts.Part] = ()

    def price(self, price: Price, *, item: str) -> Fraction:
        return price_of(price, facts=self.facts, month=self.month, item=item)

    def measure(self, name: str) -> Fraction | None:
        """Give a number that is the same all over the bill, such as a capacity; the use is the month's."""
        if name == "use":
            return self.month.quantity
        return self.facts.number(name)

    def quantity(self, name: str) -> Fraction | None:
        """Give a quantity that is used up over the bill: the month's share of it."""
        if name == "use":
            return self.month.quantity
        found = self.facts.number(name)
        if found is None or self.month.share == 1:
            return found
        if name.startswith("use.") and self.bill_use:
            return found * self.month.quantity / self.bill_use
        return found * self.month.share

    def sum_of(self, items: Sequence[str] | None) -> Fraction:
        """Add up what these items came to so far; all, if none are named."""
        return sum((part.amount for part in self.so_far if items is None or part.item in items), Fraction(0))


def finished(charge: Charge, *, found: Sequence[parts.Part], known: Known) -> list[parts.Part]:
    """Apply to a charge's parts what every charge may have: its factor, its rounding line by line or month by month."""
    factor = ONE if charge.factor is ONE else known.price(charge.factor, item=charge.item)
    if factor == 1 and charge.tax_percent is None and charge.round is None:
        return list(found)
    done = [
        replace(part, unit_price=part.unit_price * factor, amount=part.amount * factor, tax=charge.tax_percent)
        for part in found
    ]
    if charge.round is None or charge.round.each == "bill" or not done:
        return done
    unit = charge.round.unit * known.minor
    if charge.round.each == "line":
        return [replace(part, amount=to_multiple(part.amount, unit=unit, mode=charge.round.mode)) for part in done]
    return rounded_together(done, unit=unit, rounding=charge.round)


def rounded_together(found: list[parts.Part], *, unit: Fraction, rounding: OwnRounding) -> list[parts.Part]:
    """Round the sum of parts; what that changes goes to the last one."""
    exact = sum((part.amount for part in found), Fraction(0))
    rest = to_multiple(exact, unit=unit, mode=rounding.mode) - exact
    return [*found[:-1], replace(found[-1], amount=found[-1].amount + rest)]


def applies(charge: Charge, *, known: Known) -> bool:
    return holds(charge.only, facts=known.facts, month=known.month)
