"""Values of a tariff document: exact numbers, names, prices that facts choose, conditions, roundings."""

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from rating_engine.domain.rounding import RoundingMode

DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,13})(\.[0-9]{1,12})?")
RATIO = re.compile(r"-?[0-9]{1,9}/[1-9][0-9]{0,8}")
DATE_KEY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?")
NUMBER = re.compile(r"(?:([0-9]{1,9})(\.[0-9]{1,9})?)?(?:(?:^|[- ])([0-9]{1,4})/([1-9][0-9]{0,3}))?")
NAME = r"^[a-z][a-z0-9_]{0,39}$"
MEASURE = r"^[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39})?$"


def refusal(rule: str, message: str) -> PydanticCustomError:
    """Make the error of a broken rule, to be raised while a document is read."""
    return PydanticCustomError("rule", "{message}", {"rule": rule, "message": message})


def to_exact(given: object) -> Fraction:
    """Read an exact decimal such as 29.80, or a ratio such as 1/3; nothing is ever a float."""
    if isinstance(given, Fraction):
        return given
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if DECIMAL.fullmatch(text):
        return Fraction(Decimal(text))
    if RATIO.fullmatch(text):
        return Fraction(text)
    raise refusal("exact-decimal", f"{given} is no exact decimal such as 29.80 (no commas, no exponent)")


class ExactNumber:
    """A fraction in Python, a decimal in documents."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(to_exact)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: Any) -> JsonSchemaValue:
        pattern = f"^({DECIMAL.pattern}|{RATIO.pattern})$"
        return {"anyOf": [{"type": "string", "pattern": pattern}, {"type": "number"}]}


def _above_zero(number: Fraction) -> Fraction:
    if number <= 0:
        raise refusal("above-zero", "must be above zero")
    return number


def _not_negative(number: Fraction) -> Fraction:
    if number < 0:
        raise refusal("not-negative", "must not be below zero")
    return number


def as_list(given: object) -> object:
    """Let a list of one be written as the one."""
    return given if isinstance(given, list | tuple) else [given]  # pyright: ignore[reportUnknownVariableType]


Exact = Annotated[Fraction, ExactNumber]
Positive = Annotated[Fraction, ExactNumber, AfterValidator(_above_zero)]
NotNegative = Annotated[Fraction, ExactNumber, AfterValidator(_not_negative)]
Name = Annotated[str, Field(pattern=NAME)]
Measure = Annotated[str, Field(pattern=MEASURE, description="use, use.night, export, demand, or any number given")]
Key = Annotated[str, Field(min_length=1, max_length=400)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
# In a document every scalar is text to us; for others who read it as YAML or JSON it may be a number, too.
Scalar = str | int | float | bool
Value = Annotated[Key, BeforeValidator(str, json_schema_input_type=Scalar)]
Keys = Annotated[
    tuple[Key, ...],
    BeforeValidator(as_list, json_schema_input_type=Scalar | list[Scalar]),
    Field(min_length=1),
]
Names = Annotated[
    tuple[Name, ...], BeforeValidator(as_list, json_schema_input_type=Name | list[Name]), Field(min_length=1)
]
CalendarMonth = Annotated[int, Field(ge=1, le=12)]
CalendarMonths = Annotated[
    tuple[CalendarMonth, ...],
    BeforeValidator(as_list, json_schema_input_type=CalendarMonth | list[CalendarMonth]),
]
DateKey = Annotated[str, Field(pattern=f"^{DATE_KEY.pattern}$")]


class Part(BaseModel):
    """A part of a document: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class By(Part):
    """A value that a fact chooses: the size, the class, the season, the month, or any named fact.

    With `by: month` the keys are months or days, and each row holds until the next one's. Elsewhere a key may name
    several values with commas between them, and `otherwise` is for all that no key names.
    """

    by: Name
    of: Annotated[dict[Key, "Price"], Field(min_length=1)]
    otherwise: "Price | None" = None

    @model_validator(mode="after")
    def _keys(self) -> "By":
        check_keys(self.by, tuple(self.of))
        return self


class Step(Part):
    """Up to and including `upto`; the last step has none."""

    upto: Exact | None = None
    price: "Price"


class Steps(Part):
    """A value that a number chooses: the use, the capacity, or any named number."""

    by: Name
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _rise(self) -> "Steps":
        check_rise([step.upto for step in self.steps], rule="steps-rise", may_end=True)
        return self


def _kind_of_price(given: Any) -> str:
    if isinstance(given, dict):
        return "=steps" if "steps" in given else "=by"
    if isinstance(given, By | Steps):
        return "=steps" if isinstance(given, Steps) else "=by"
    return "=number"


Price = Annotated[
    Annotated[Exact, Tag("=number")] | Annotated[By, Tag("=by")] | Annotated[Steps, Tag("=steps")],
    Discriminator(_kind_of_price),
]


class Only(Part):
    """When a rule holds: all that is given must be so."""

    classes: Keys | None = None
    sizes: Keys | None = None
    seasons: Names | None = None
    calendar_months: CalendarMonths | None = None
    from_month: DateKey | None = Field(default=None, description="the first month, or day, for which it holds")
    until_month: DateKey | None = Field(default=None, description="the last month, or day, for which it holds")
    use_above: Exact | None = None
    use_upto: Exact | None = None
    facts: dict[Name, Keys] = {}


class OwnRounding(Part):
    """Rounding of one charge's amount by itself, before anything else is added to it."""

    unit: Positive
    mode: RoundingMode
    each: Literal["line", "month", "bill"] = "month"


def check_keys(by: str, keys: tuple[str, ...]) -> None:
    """Check the keys of a value that a fact chooses."""
    if by == "month":
        for key in keys:
            if not DATE_KEY.fullmatch(key):
                raise refusal("month", f"{key} is no month such as 2026-04, and no day such as 2026-04-15")
        if list(keys) != sorted(keys):
            raise refusal("months-rise", "months must rise from row to row")
        return
    names = [name for key in keys for name in split_key(key)]
    for name in names:
        if names.count(name) > 1:
            raise refusal("size-twice" if by == "size" else "value-twice", f"{name} stands in two rows")


def check_rise(bounds: list[Fraction | None], *, rule: str, may_end: bool = False) -> None:
    """Check that bounds rise, and that the last is open (or may be left closed)."""
    last: Fraction | None = None
    for index, bound in enumerate(bounds):
        is_last = index == len(bounds) - 1
        if bound is None and not is_last:
            raise refusal("last-block-open", "only the last one may have no upto")
        if is_last and bound is not None and not may_end:
            raise refusal("last-block-open", "the last one has no upto")
        if bound is not None and last is not None and bound <= last:
            raise refusal(rule, "upto must rise from row to row")
        last = bound


def walk(found: object) -> Iterator[object]:
    """Give everything that is inside a part of a document, itself first."""
    yield found
    if isinstance(found, BaseModel):
        for name in type(found).model_fields:
            yield from walk(getattr(found, name))
    elif isinstance(found, dict):
        for one in cast("dict[str, object]", found).values():
            yield from walk(one)
    elif isinstance(found, tuple):
        for one in cast("tuple[object, ...]", found):
            yield from walk(one)


@lru_cache(maxsize=4096)
def split_key(key: str) -> tuple[str, ...]:
    """Give the values that a key names: '13, 20, 25' names three."""
    return tuple(normal(one) for one in key.split(","))


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """Write a fact's value in one form: 20, 20.0, 20mm and 20 A are all 20; 1-1/2 and 1.5 are the same."""
    bare = text.strip().lower().rstrip('"')
    for unit in ("mm", "inches", "inch", "in", "kva", "kw", "a"):
        head = bare.removesuffix(unit).strip()
        if head != bare and NUMBER.fullmatch(head):
            bare = head
            break
    found = NUMBER.fullmatch(bare)
    if found is None or not bare:
        return bare
    whole, decimals, top, bottom = found.groups()
    if bottom is not None:
        return str(Fraction(int(whole or 0)) + Fraction(int(top), int(bottom)))
    return str(Fraction(Decimal(f"{whole}{decimals or ''}")))


By.model_rebuild()
Step.model_rebuild()
Steps.model_rebuild()
