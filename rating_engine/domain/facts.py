"""What is known of a bill beside its use: size, class, season, and any fact; and what a price comes to by them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from rating_engine.domain.parts import Month, SizeNotPriced
from rating_engine.domain.values import By, Only, Price, Steps, normal, split_key


class MonthNotPriced(Exception):
    """A dated table of the tariff begins after the month that is billed."""


class FactMissing(Exception):
    """A price depends on something that is not known of this bill."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Texts and numbers by name; `measures` are quantities such as use, export or demand."""

    texts: Mapping[str, str]
    measures: Mapping[str, Fraction]

    def text(self, name: str) -> str | None:
        if name in self.texts:
            return normal(self.texts[name])
        number = self.measures.get(name)
        return None if number is None else normal(str(number))

    def number(self, name: str) -> Fraction | None:
        """Give a measure, or a fact that is a number."""
        if name in self.measures:
            return self.measures[name]
        try:
            return Fraction(normal(self.texts[name]))
        except (KeyError, ValueError):
            return None


def price_of(price: Price, *, facts: Facts, month: Month, item: str) -> Fraction:
    """Find what a price is in this month, for these facts.

    :raises SizeNotPriced: if the price names the size, the amperes or another fact's value nowhere
    :raises MonthNotPriced: if a dated table begins later
    :raises FactMissing: if it is not known what chooses the price
    """
    while not isinstance(price, Fraction):
        price = (
            _by(price, facts=facts, month=month, item=item)
            if isinstance(price, By)
            else _step(price, facts=facts, month=month, item=item)
        )
    return price


def dated(keys: list[str], *, month: Month, item: str) -> str:
    """Find the row of a dated table that holds on the month's first day, or in the month.

    :raises MonthNotPriced: if the table begins later
    """
    found = None
    for key in keys:
        if key <= (month.label if len(key) == 7 else month.on):
            found = key
    if found is None:
        raise MonthNotPriced(f"{item} has no price for {month.label}; its table begins with {keys[0]}")
    return found


def chosen_key(by: str, keys: list[str], *, facts: Facts, month: Month, item: str) -> str | None:
    """Find the key that names the fact; None if none does.

    :raises MonthNotPriced: if a dated table begins later
    :raises FactMissing: if the fact is not known
    """
    if by == "month":
        return dated(keys, month=month, item=item)
    value = month.season if by == "season" else facts.text(by)
    if value is None:
        raise FactMissing(f"the price of {item} depends on {by}, which is not given")
    return next((key for key in keys if value in split_key(key)), None)


def _by(price: By, *, facts: Facts, month: Month, item: str) -> Price:
    try:
        key = chosen_key(price.by, list(price.of), facts=facts, month=month, item=item)
    except FactMissing:
        if price.otherwise is None:
            raise
        key = None
    if key is not None:
        return price.of[key]
    if price.otherwise is not None:
        return price.otherwise
    value = month.season if price.by == "season" else facts.text(price.by)
    raise SizeNotPriced(f"{price.by} {value} has no {item} price; priced are {', '.join(price.of)}")


def _step(price: Steps, *, facts: Facts, month: Month, item: str) -> Price:
    number = month.quantity if price.by == "use" else facts.number(price.by)
    if number is None:
        raise FactMissing(f"the price of {item} depends on {price.by}, which is not given as a number")
    for step in price.steps:
        if step.upto is None or number <= step.upto * (month.table if price.by == "use" else 1):
            return step.price
    raise SizeNotPriced(f"{price.by} {number} has no {item} price; the last step ends at {price.steps[-1].upto}")


def holds(only: Only | None, *, facts: Facts, month: Month) -> bool:
    """Tell whether a rule holds in this month."""
    if only is None:
        return True
    return (
        _among(facts.text("class"), only.classes)
        and _among(facts.text("size"), only.sizes)
        and _among(month.season, only.seasons)
        and (only.calendar_months is None or int(month.label[5:7]) in only.calendar_months)
        and (only.from_month is None or only.from_month <= _as_long(month, only.from_month))
        and (only.until_month is None or _as_long(month, only.until_month) <= only.until_month)
        and (only.use_above is None or month.quantity > only.use_above * month.table)
        and (only.use_upto is None or month.quantity <= only.use_upto * month.table)
        and all(_among(facts.text(name), values) for name, values in only.facts.items())
    )


def _among(value: str | None, known: tuple[str, ...] | None) -> bool:
    return known is None or (value is not None and value in [name for key in known for name in split_key(key)])


def _as_long(month: Month, key: str) -> str:
    return month.label if len(key) == 7 else month.on
