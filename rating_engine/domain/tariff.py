"""What a tariff document says: the typed form of it, which is also its published schema."""

from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal, cast

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from rating_engine.domain import values
from rating_engine.domain.blocks import Blocks, BlocksBy
from rating_engine.domain.calendar import Calendar
from rating_engine.domain.demand import Demand
from rating_engine.domain.estimates import Estimation
from rating_engine.domain.fees import Fee
from rating_engine.domain.late_fee import LateFee
from rating_engine.domain.limits import Limit
from rating_engine.domain.percents import Percent
from rating_engine.domain.rounding import RoundingMode
from rating_engine.domain.time_of_use import TimeOfUse
from rating_engine.domain.unit_prices import UnitPrice
from rating_engine.domain.values import Keys, Measure, Name, NotNegative, Only, Positive, Price, Text, Value

FORMAT = "suiden-tariff/1"
NO_MINOR = ("JPY", "KRW", "VND")
ServiceName = Literal["water", "sewerage", "electricity", "other"]
Unit = Literal["m3", "L", "gal", "kgal", "ft3", "ccf", "hcf", "kcf", "kWh", "Wh", "MWh", "therm", "MJ", "unit"]
Currency = Literal[
    "JPY", "USD", "EUR", "GBP", "CNY", "KRW", "TWD", "HKD", "SGD", "VND", "THB", "PHP", "INR", "IDR", "MYR",
    "CAD", "AUD", "NZD", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "MXN", "BRL", "ZAR",
]  # fmt: skip
Scope = Literal["line", "item", "month", "service", "bill"]
FINER: dict[Scope, tuple[Scope, ...]] = {
    "line": ("line",),
    "item": ("line", "item"),
    "month": ("line", "month"),
    "service": ("line", "item", "month", "service"),
    "bill": ("line", "item", "month", "service", "bill"),
}


def _model(given: object) -> str:
    model = cast(dict[str, object], given).get("model") if isinstance(given, dict) else getattr(given, "model", None)
    return f"={model}"


ByModel = Discriminator(_model, custom_error_type="model", custom_error_message="model is missing or not known here")
AnyCharge = Annotated[
    Annotated[Fee, Tag("=fee")]
    | Annotated[Blocks, Tag("=blocks")]
    | Annotated[UnitPrice, Tag("=unit_price")]
    | Annotated[TimeOfUse, Tag("=time_of_use")]
    | Annotated[Demand, Tag("=demand")]
    | Annotated[Percent, Tag("=percent")]
    | Annotated[Limit, Tag("=minimum")]
    | Annotated[Limit, Tag("=maximum")],
    ByModel,
]
AfterTax = Annotated[
    Annotated[Fee, Tag("=fee")]
    | Annotated[Percent, Tag("=percent")]
    | Annotated[Limit, Tag("=minimum")]
    | Annotated[Limit, Tag("=maximum")],
    ByModel,
]


class QuantityRule(values.Part):
    """How what the meter counted becomes what is billed: cut at each register, or once over the use."""

    unit: Unit
    decimals: Annotated[int, Field(ge=0, le=6)] = 0
    mode: RoundingMode = "down"
    of: Literal["registers", "use"] = "use"


class Cycle(values.Part):
    """How many months a bill has, and how a price table for `table_months` months is applied to them."""

    months: Annotated[int, Field(ge=1, le=12)] = 1
    split: Literal["share", "widen_table"] = Field(
        default="share", description="share the use out over the months, or widen the table by the number of months"
    )
    odd_to: Literal["first", "last"] = Field(default="first", description="which months have the odd units of a share")
    table_months: Annotated[int, Field(ge=1, le=12)] = Field(
        default=1, description="the months that fees and bounds in this document are written for"
    )
    changes: Literal["month", "day"] = Field(
        default="month",
        description="day: where a season or a dated price changes inside the bill, use and fees are shared by days",
    )

    @model_validator(mode="after")
    def _shares_single_months(self) -> "Cycle":
        if self.split == "share" and self.table_months != 1 and self.months > 1:
            raise values.refusal("table-months", "a table for several months is widened: split must be widen_table")
        return self


class Tax(values.Part):
    """The rate in percent, whether prices hold it, and how the tax is rounded where it is added to rounded amounts."""

    percent: Price
    prices: Literal["tax_included", "tax_excluded"]
    scope: Scope | None = None
    unit: Positive | None = None
    mode: RoundingMode | None = None

    @field_validator("percent")
    @classmethod
    def _percent(cls, percent: Price) -> Price:
        if isinstance(percent, Fraction) and not 0 <= percent <= 100:
            raise values.refusal("percent", f"{percent} is not from 0 to 100")
        return percent


class Rounding(values.Part):
    """Where and how amounts become money: to multiples of `unit`, over each `scope`, before or after tax."""

    unit: Positive
    mode: RoundingMode
    scope: Scope
    when: Literal["before_tax", "after_tax"]


class DayStep(values.Part):
    """Up to so many days count so many months."""

    upto_days: Annotated[int, Field(ge=1, le=400)]
    months: NotNegative


class Proration(values.Part):
    """What a part of a cycle counts: all of it, its days, half months, or steps of days; and whether bounds shrink."""

    basis: Literal["none", "day", "half_month", "steps"] = "none"
    steps: tuple[DayStep, ...] = ()
    table: Literal["scaled", "whole"] = "whole"
    days_in_month: Positive | None = Field(
        default=None, description="by day: days that make a month, if not the cycle's own"
    )

    @model_validator(mode="after")
    def _steps(self) -> "Proration":
        if (self.basis == "steps") != bool(self.steps):
            raise values.refusal("proration-steps", "steps are given if the basis is steps, and only then")
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if after.upto_days <= before.upto_days or after.months < before.months:
                raise values.refusal("steps-rise", "days and months must rise from step to step")
        return self


class Prorations(values.Part):
    """Rules for each reason why a bill has another time than a cycle."""

    start: Proration = Proration()
    end: Proration = Proration()
    size_change: Literal["day", "larger", "smaller", "before", "after"] = Field(
        default="after", description="which size is charged where it changed inside the cycle; day: both, by their days"
    )


class UseRule(values.Part):
    """What a service counts as use: measured, assumed (for wells), both, or a share. The first that holds counts."""

    only: Only | None = None
    take: Literal["measured", "assumed", "sum", "larger", "smaller"] = "measured"
    measure: Measure = "use"
    less: Measure | None = Field(default=None, description="a number taken off, down to nothing: garden water, export")
    assumed: Price = Field(default=Fraction(0), description="units a month, chosen by persons or any other fact")
    factor: NotNegative = Fraction(1)
    not_above: Measure | None = Field(default=None, description="a number that caps it, such as the winter's use")
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    mode: RoundingMode = "down"


class Shared(values.Part):
    """One meter for several households: the use is shared out, each household is priced by itself, all on one bill."""

    by: Measure = "households"
    size: Value | None = Field(default=None, description="the size each household is priced by")


class Service(values.Part):
    """One service on the bill, with its charges in the order of its lines."""

    service: ServiceName
    classes: Keys | None = None
    only: Only | None = None
    use: Annotated[tuple[UseRule, ...], Field(min_length=1)] = (UseRule(),)
    shared: Shared | None = None
    known_upto: NotNegative | None = Field(
        default=None, description="the highest use of a bill that prices are known for; more is refused, not guessed"
    )
    tax: Tax
    rounding: Rounding
    proration: Proration | Prorations = Proration()
    charges: Annotated[tuple[AnyCharge, ...], Field(min_length=1)]
    after_tax: tuple[AfterTax, ...] = ()

    @model_validator(mode="after")
    def _items(self) -> "Service":
        names = [charge.item for charge in (*self.charges, *self.after_tax)]
        if len(set(names)) != len(names) or {"tax", "rounding", "total"} & set(names):
            raise values.refusal("item-names", "each charge has an item name of its own; tax and rounding are taken")
        for index, charge in enumerate(self.charges):
            for name in named_by(charge):
                if name not in names[:index]:
                    raise values.refusal(
                        "item-unknown", f"{charge.item} names item {name}, which is no charge before it"
                    )
        scope = self.tax.scope
        if scope is not None and self.rounding.when == "before_tax" and self.rounding.scope not in FINER[scope]:
            raise values.refusal("tax-scope", f"tax over each {scope} needs amounts rounded over the same or less")
        return self


class WholeBill(values.Part):
    """What is done to the sum of all services: amounts with tax in them, and a last rounding."""

    charges: tuple[AfterTax, ...] = ()
    unit: Positive | None = None
    mode: RoundingMode = "down"


class FactRule(values.Part):
    """A fact that prices depend on: what it may be, and what it is if nobody says."""

    values: Keys | None = None
    default: Value | None = None
    about: Text | None = None


class SourceNote(values.Part):
    """Where a price was read, and when."""

    url: Text
    read: Text | None = None
    about: Text | None = None


class Tariff(values.Part):
    """One version of a tariff, in force from a local day on."""

    format: Literal["suiden-tariff/1"]
    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")]
    name: Annotated[dict[str, Text], Field(min_length=1)]
    status: Literal["published", "example"] = "published"
    source: Text | tuple[SourceNote, ...] | None = None
    notes: Text | None = None
    effective_from: date
    effective_until: date | None = None
    applies_by: Literal["period_start", "period_end"] = "period_start"
    currency: Currency
    quantity: QuantityRule
    cycle: Cycle = Cycle()
    calendar: Calendar = Calendar()
    facts: dict[Name, FactRule] = Field(default={})
    services: Annotated[tuple[Service, ...], Field(min_length=1)]
    bill: WholeBill = WholeBill()
    estimation: Estimation = Estimation()
    late_fee: LateFee | None = None

    @model_validator(mode="after")
    def _check(self) -> "Tariff":
        minor = Fraction(1, self.minor)
        for index, service in enumerate(self.services):
            if (service.rounding.unit / minor).denominator != 1:
                message = f"{service.service} is rounded to a unit finer than {self.currency} has money for"
                raise values.refusal("rounding-unit", f"services[{index}]: {message}")
        scopes = [service.rounding.scope for service in self.services]
        first = self.services[0]
        if "bill" in scopes and any(one.rounding != first.rounding for one in self.services):
            raise values.refusal("bill-scope", "rounding over the bill needs the same rounding in every service")
        if any(one.tax.prices != first.tax.prices for one in self.services) and "bill" in scopes:
            raise values.refusal("bill-scope", "rounding over the bill needs tax in all prices, or in none")
        return self

    @property
    def minor(self) -> int:
        """How many minor units make a major one."""
        return 1 if self.currency in NO_MINOR else 100

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        return tuple(self.name.items())

    @property
    def cycle_months(self) -> int:
        return self.cycle.months

    @cached_property
    def dated_keys(self) -> tuple[str, ...]:
        """The months and days on which a dated price changes."""
        return tuple(sorted({key for one in values.walk(self.services) for key in _dates_of(one)}))


def named_by(charge: object) -> tuple[str, ...]:
    """Name the items that a charge looks back at."""
    if isinstance(charge, Percent | Limit):
        return charge.of or ()
    return (charge.within or ()) if isinstance(charge, Fee) else ()


def _dates_of(part: object) -> tuple[str, ...]:
    if isinstance(part, values.By | BlocksBy) and part.by == "month":
        return tuple(part.of)
    return ()
