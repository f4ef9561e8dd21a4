"""What is added to a bill that is paid late."""

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from rating_engine.domain import values
from rating_engine.domain.rounding import RoundingMode, to_multiple
from rating_engine.domain.values import NotNegative, Positive

ZERO, ONE, HUNDRED = Fraction(0), Fraction(1), Fraction(100)


class Stage(values.Part):
    """A yearly rate for so many days; the last stage has no end."""

    days: Annotated[int, Field(ge=1)] | None = None
    percent_per_year: NotNegative


class LateFee(values.Part):
    """Interest by day and a percentage or amount once; what it is reckoned on, and how it is rounded."""

    grace_days: Annotated[int, Field(ge=0)] = 0
    grace_counts: bool = Field(default=True, description="whether days of grace count once they are over")
    stages: tuple[Stage, ...] = ()
    percent_once: NotNegative = ZERO
    percent_per_month: NotNegative = Field(default=ZERO, description="for each thirty days begun")
    fixed: NotNegative = ZERO
    days_in_year: Literal[360, 365, 366] = 365
    principal_unit: Positive | None = Field(default=None, description="the overdue amount is cut to multiples of this")
    least_principal: NotNegative = ZERO
    unit: Positive
    mode: RoundingMode = "down"
    least: NotNegative = Field(default=ZERO, description="a fee below this is not charged")
    at_least: NotNegative = Field(default=ZERO, description="a fee that is charged is this at least")
    at_most: NotNegative | None = None


def charge(late: LateFee, *, overdue_minor: int, days_late: int, minor: int) -> int:
    """Tell the late fee in minor units for an amount that is paid so many days after it was due."""
    if days_late <= late.grace_days or overdue_minor < late.least_principal * minor or overdue_minor <= 0:
        return 0
    principal = Fraction(overdue_minor)
    if late.principal_unit is not None:
        principal = to_multiple(principal, unit=late.principal_unit * minor, mode="down")
    days = days_late if late.grace_counts else days_late - late.grace_days
    rate = (late.percent_once + late.percent_per_month * -(-days // 30)) / HUNDRED
    for stage in late.stages:
        counted = days if stage.days is None else min(days, stage.days)
        rate += Fraction(counted, late.days_in_year) * stage.percent_per_year / HUNDRED
        days -= counted
    fee = to_multiple(principal * rate + late.fixed * minor, unit=late.unit * minor, mode=late.mode)
    if fee < late.least * minor:
        return 0
    fee = max(fee, late.at_least * minor)
    if late.at_most is not None:
        fee = min(fee, late.at_most * minor)
    return int(fee)
