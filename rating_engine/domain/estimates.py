"""Bills on an estimate: from what the use is reckoned, and how the next true reading settles it."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from rating_engine.domain import values
from rating_engine.domain.rounding import RoundingMode, to_decimals

ZERO = Fraction(0)


class EstimateImpossible(ValueError):
    """There is no earlier bill to estimate from."""


class Estimation(values.Part):
    """An estimate is the mean of the last bills, or the use of a year ago; it is settled by the next true reading."""

    method: Literal["mean", "last_year"] = "mean"
    bills: Annotated[int, Field(ge=1, le=36)] = Field(default=3, description="of how many bills the mean is taken")
    decimals: Annotated[int, Field(ge=0, le=6)] = 0
    mode: RoundingMode = "down"
    settle: Literal["next_bill", "rebill"] = Field(
        default="next_bill",
        description="next_bill: what was not billed yet; rebill: all of it shared out anew, less what was billed",
    )


def estimate(rule: Estimation, *, before: Sequence[Fraction], cycle_months: int) -> Fraction:
    """Estimate a bill's use from those before it, the last one first.

    :raises EstimateImpossible: if there is none to go by
    """
    if rule.method == "last_year":
        place = 12 // cycle_months - 1
        if place >= len(before):
            raise EstimateImpossible(f"the use of a year ago is that of {place + 1} bills ago; {len(before)} are known")
        found = before[place]
    else:
        last = before[: rule.bills]
        if not last:
            raise EstimateImpossible("no bill before is known to estimate from")
        found = sum(last, ZERO) / len(last)
    return to_decimals(found, decimals=rule.decimals, mode=rule.mode)


def still_to_bill(*, used: Fraction, estimated: Sequence[Fraction]) -> Fraction:
    """Tell what the next bill is on, of all that was used since the last true reading; never less than nothing."""
    return max(ZERO, used - sum(estimated, ZERO))
