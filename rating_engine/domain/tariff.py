"""What a tariff is: the typed form of a tariff document."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from rating_engine.domain.base_fee import BaseFee
from rating_engine.domain.blocks import Blocks
from rating_engine.domain.dated import Levy, UnitAdjustment
from rating_engine.domain.months import Proration, Split
from rating_engine.domain.rounding import Rounding, RoundingMode

Charge = BaseFee | Blocks | UnitAdjustment | Levy
ServiceName = Literal["water", "sewerage", "electricity", "other"]


@dataclass(frozen=True, slots=True)
class Tax:
    """A rate of `numerator`/`denominator`; `included` says whether the unit prices hold it already."""

    percent: str
    numerator: int
    denominator: int
    included: bool


@dataclass(frozen=True, slots=True)
class QuantityRule:
    """How what the meter counted becomes what is billed: cut at each register, or once over the use."""

    unit: str
    digits: int
    mode: RoundingMode
    of: Literal["registers", "use"]


@dataclass(frozen=True, slots=True)
class Service:
    """One service on the bill, with its charges in the order of its lines."""

    service: ServiceName
    classes: frozenset[str]
    charges: tuple[Charge, ...]
    tax: Tax
    rounding: Rounding
    proration: Proration


@dataclass(frozen=True, slots=True)
class Scale:
    """Amounts are held as integers of 10^-(price_digits + quantity_digits) of the minor unit."""

    minor_digits: int
    price_digits: int
    quantity_digits: int

    @property
    def one_minor(self) -> int:
        return 10 ** (self.price_digits + self.quantity_digits)


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff, in force from a local day on."""

    code: str
    names: tuple[tuple[str, str], ...]  # locale, name
    status: Literal["published", "example"]
    effective_from: date
    applies_by: Literal["period_start", "period_end"]
    currency: str
    scale: Scale
    quantity: QuantityRule
    cycle_months: int
    split: Split
    services: tuple[Service, ...]
